"""Tests of reading a deployment's configuration."""

from __future__ import annotations

from datetime import timedelta

import pytest

from chalicelib.modules.registry import retention_days
from chalicelib.settings import read_event_sources, read_settings

NEEDED = {
    "OCPI_PARTIES": "[]",
    "OCPI_TABLE": "t",
    "OCPI_BROADCASTS_QUEUE_URL": "b",
    "OCPI_COMMANDS_QUEUE_URL": "c",
    "OCPI_BACKGROUND_QUEUE_URL": "d",
    "OCPI_KMS_KEY_ID": "k",
}


def retention(text: str | None = None) -> dict[str, float]:
    given = {} if text is None else {"OCPI_RETENTION_DAYS": text}
    kept = read_settings(NEEDED | given).retention
    return {kind: days / timedelta(days=1) for kind, days in kept.items()}


def test_retention_has_the_documented_defaults() -> None:
    assert retention() == retention("") == retention_days()


def test_retention_can_be_set_for_each_kind_and_null_is_for_ever() -> None:
    assert retention('{"sessions": 30, "cdrs": null}') == {
        "sessions": 30, "tokens": 90, "commands": 90, "reconciliation": 400
    }  # fmt: skip


@pytest.mark.parametrize("text", ['{"locations": 3}', '{"sessions": 0}', '{"sessions": -1}'])
def test_an_invalid_retention_stops_the_start_of_the_node(text: str) -> None:
    with pytest.raises(ValueError, match="OCPI_RETENTION_DAYS"):
        retention(text)


@pytest.mark.parametrize(("text", "workers"), [(None, 50), ("", 50), ("2", 2), ("300", 300), ("1000", 1000)])
def test_a_stage_can_have_another_number_of_push_workers(text: str | None, workers: int) -> None:
    given = {} if text is None else {"OCPI_PUSH_WORKERS": text}

    assert read_event_sources(given).push_workers == workers


@pytest.mark.parametrize("text", ["1", "1001", "0", "-5", "many", "5.5", "٣٠"])
def test_a_number_of_workers_that_lambda_does_not_take_stops_the_deployment(text: str) -> None:
    with pytest.raises(ValueError, match="OCPI_PUSH_WORKERS: expected a whole number from 2 to 1000"):
        read_event_sources({"OCPI_PUSH_WORKERS": text})
