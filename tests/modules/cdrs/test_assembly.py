"""Making of a CDR from a session, or the reason why it has none.

Source: OCPI 2.2.1 mod_cdrs_cdr_object; CDR-10
"""

from __future__ import annotations

from decimal import Decimal

import pytest

from chalicelib.errors import InvalidParameters
from chalicelib.modules.cdrs.assembly import draft_cdr
from chalicelib.modules.cdrs.due_sessions import sessions_set_aside
from chalicelib.modules.cdrs.running_cost import running_cost
from chalicelib.protocol.json_text import Document
from tests.modules.builders import T1, T2, component, element, tariff
from tests.modules.cdrs.test_running_cost import start
from tests.modules.cdrs.world import Network
from tests.modules.sessions.builders import session

MISSPELT = {**element(component(price=1)), "restriction": {"end_time": "21:00"}}
ENDED = session(kwh=Decimal(4), status="COMPLETED", end_date_time=T2)


@pytest.mark.parametrize(
    ("elements", "pointer"),
    [
        ([MISSPELT, element()], "elements.0.restriction"),
        ([element(component(VAT=23))], "elements.0.price_components.0.VAT"),
        ([element(restrictions={"min_vehicle_soc": 80})], "elements.0.restrictions.min_vehicle_soc"),
        ([element(component(), component("CONGESTION_TIME"))], "elements.0.price_components.1.type"),
    ],
)
def test_a_session_by_a_tariff_with_unknown_fields_or_values_has_no_price(
    elements: list[Document], pointer: str
) -> None:
    """Neither the CDR nor the running cost can be priced. Source: TAR-11, SES-14"""
    begun = start(tariff(elements=elements))

    with pytest.raises(InvalidParameters) as refused:
        draft_cdr(ENDED, begun)

    assert refused.value.field == f"tariffs.0.{pointer}"
    assert f"tariff T1, /{pointer.replace('.', '/')}: " in refused.value.detail
    assert running_cost(session(kwh=Decimal(4), last_updated=T1), begun) is None


def test_a_misspelt_field_in_an_unused_tariff_element_does_not_prevent_the_cdr() -> None:
    begun = start(tariff(elements=[element(component(price=1)), MISSPELT]))

    assert draft_cdr(ENDED, begun).cdr["total_cost"] == {"excl_vat": 4}


def test_a_session_by_a_misspelt_tariff_is_set_aside_with_the_field_and_a_suggestion() -> None:
    cpo = Network("CPO")
    cpo.join("evi", "EMSP")
    cpo.open_site()
    cpo.world.put_tariff("T1", **{**tariff(elements=[MISSPELT, element()]), "id": "T1"})
    cpo.put()
    cpo.stream()
    cpo.end()

    cpo.compile()

    (aside,) = sessions_set_aside(cpo.node.table)
    assert cpo.cdrs() == []
    assert (aside["field"], aside["reason"]) == (
        "tariffs.0.elements.0.restriction",
        "tariff T1, /elements/0/restriction: 'restriction' is no field of OCPI, did you mean restrictions?",
    )
