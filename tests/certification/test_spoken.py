"""Documents of a run in the words of the version that it speaks.

Source: V23-05, V23-07, V23-12, V23-14
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from certification.refuted import Refuted
from certification.spoken import (
    VERSIONS,
    in_spoken_words,
    in_words_of_scenarios,
    speak,
    spoken_version,
)
from chalicelib.protocol.kinds import Kind
from chalicelib.versions import v2_3_0
from tests.reading.shapes import whole

_HUB = {"role": "HUB", "country_code": "PT", "party_id": "MOB", "business_details": {"name": "Mobi"}}


@pytest.fixture
def in_2_3_0() -> Iterator[None]:
    speak("2.3.0")
    yield
    speak(VERSIONS[0])


@pytest.mark.usefixtures("in_2_3_0")
@pytest.mark.parametrize(
    ("kind", "document"),
    [
        (Kind.CDR, whole.cdr()),
        (Kind.SESSION, whole.session()),
        (Kind.LOCATION, whole.location()),
        (Kind.CREDENTIALS, {"token": "T", "roles": [_HUB]}),
    ],
    ids=lambda value: value.value if isinstance(value, Kind) else "",
)
def test_a_run_of_2_3_0_sends_what_a_node_makes_of_the_same(kind: Kind, document: dict[str, Any]) -> None:
    without_limits = dict(document)
    if kind is Kind.CDR:
        limits = ("min_price", "max_price")
        tariff = {name: value for name, value in whole.tariff().items() if name not in limits}
        without_limits["tariffs"] = [tariff]

    spoken = in_spoken_words(without_limits)

    assert spoken == v2_3_0.down(kind, without_limits).document
    assert in_words_of_scenarios(spoken) == without_limits


@pytest.mark.usefixtures("in_2_3_0")
@pytest.mark.parametrize(
    "document",
    [
        {"total_cost": {"excl_vat": Decimal("1.00")}},
        [{"tariffs": [{"currency": "EUR", "elements": []}]}],
        {"hub_party_id": "PTMOB", "roles": [_HUB]},
    ],
)
def test_a_run_of_2_3_0_refuses_words_of_2_2_1(document: Any) -> None:
    with pytest.raises(Refuted):
        in_words_of_scenarios(document)


def test_a_run_of_2_2_1_changes_nothing() -> None:
    document = whole.cdr()

    assert spoken_version() == "2.2.1"
    assert in_spoken_words(document) is in_words_of_scenarios(document) is document
