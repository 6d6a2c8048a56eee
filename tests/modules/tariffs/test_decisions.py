"""Source: OCPI 2.2.1 mod_tariffs, Receiver Interface; TAR-02, TAR-04"""

from __future__ import annotations

import pytest

from chalicelib.errors import NotFound
from chalicelib.modules.tariffs.decisions import remove, replace_by
from chalicelib.protocol.json_text import JsonText
from chalicelib.storage.keys import Ref
from chalicelib.storage.objects import Remove, Stored, Write
from tests.modules.builders import T1, tariff

STORED = Stored(
    ref=Ref("tariffs", "PT", "ABC", "T1"),
    body=JsonText("{}"),
    last_updated="2026-03-01T08:00:00.500000",
    version=1,
    source="",
    partition="tariffs#*",
)


def test_a_tariff_is_stored_unchanged() -> None:
    decision = replace_by(tariff(mobie_x="é"))(None)

    assert isinstance(decision, Write)
    assert decision.body.startswith('{"country_code":"PT"')
    assert '"price":0.2500' in decision.body
    assert '"mobie_x":"é"' in decision.body


@pytest.mark.parametrize(
    ("last_updated", "written"),
    [("2026-03-01T08:00:00Z", False), ("2026-03-01T08:00:00.5Z", True), (T1, True)],
)
def test_a_tariff_is_written_unless_it_is_older_than_the_stored_one(last_updated: str, written: bool) -> None:
    """Source: LOC-14's house rule"""
    assert bool(replace_by(tariff(last_updated=last_updated))(STORED)) is written


def test_removing_an_unknown_tariff_is_not_found() -> None:
    """Source: TAR-04"""
    assert isinstance(remove(STORED), Remove)
    with pytest.raises(NotFound):
        remove(None)
