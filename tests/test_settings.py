"""What a deployment says about itself."""

from __future__ import annotations

from datetime import timedelta

import pytest

from chalicelib.settings import RETENTION_DAYS, read_settings

NEEDED = {
    "OCPI_PARTIES": "[]",
    "OCPI_TABLE": "t",
    "OCPI_BROADCASTS_QUEUE_URL": "b",
    "OCPI_COMMANDS_QUEUE_URL": "c",
    "OCPI_KMS_KEY_ID": "k",
}


def retention(text: str | None = None) -> dict[str, float]:
    told = {} if text is None else {"OCPI_RETENTION_DAYS": text}
    kept = read_settings(NEEDED | told).retention
    return {kind: days / timedelta(days=1) for kind, days in kept.items()}


def test_without_a_word_what_is_about_drivers_is_kept_as_long_as_the_docs_say() -> None:
    assert retention() == retention("") == RETENTION_DAYS


def test_each_kind_is_kept_as_long_as_is_said_and_null_is_for_ever() -> None:
    assert retention('{"sessions": 30, "cdrs": null}') == {
        "sessions": 30, "tokens": 90, "commands": 90, "reconciliation": 400
    }  # fmt: skip


@pytest.mark.parametrize("text", ['{"locations": 3}', '{"sessions": 0}', '{"sessions": -1}'])
def test_what_makes_no_sense_keeps_the_node_from_starting(text: str) -> None:
    with pytest.raises(ValueError, match="OCPI_RETENTION_DAYS"):
        retention(text)
