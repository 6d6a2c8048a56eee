"""Tests of who makes the CDR of record, for whom, and with which reading of time prices.

Source: docs/design.md, A CDR; CDR-01, CDR-22
"""

from __future__ import annotations

from decimal import Decimal

import pytest

from chalicelib.modules.cdrs.assembly import read_reasons
from chalicelib.policy.cdr_makers import CPO_MAKES_CDR
from chalicelib.policy.time_prices import TIME_PRICES_PER_MINUTE
from chalicelib.protocol.message import Routing
from chalicelib.storage.keys import Ref
from tests.modules.builders import component, element
from tests.modules.cdrs.world import CPO, Network
from tests.pushing.pushing import OWN


def test_a_cpo_under_a_hub_that_makes_cdrs_does_not_push_its_own() -> None:
    network = Network("CPO")
    hub = network.join("mob", "HUB")
    network.open_site()
    network.end()

    network.compile()

    assert len(network.cdrs()) == 1
    assert (network.sent("mob"), network.shown(hub)) == ([], [])


def test_a_cpo_that_makes_its_cdrs_pushes_them_to_the_hub() -> None:
    network = Network("CPO")
    hub = network.join("mob", "HUB", profiles=(CPO_MAKES_CDR,))
    network.open_site()
    network.end()

    network.compile()

    (cdr,) = network.cdrs()
    assert (network.sent("mob"), network.shown(hub)) == ([cdr], [cdr["id"]])


def test_a_hub_s_cdr_goes_only_to_the_emsp_and_to_the_cpo(hub: Network) -> None:
    """Source: CDR-01, CDR-22"""
    hub.end()

    hub.compile()

    (cdr,) = hub.cdrs()
    assert (cdr["country_code"], cdr["party_id"]) == tuple(CPO)
    assert (hub.sent("evi"), hub.sent("abc"), hub.sent("xyz")) == ([cdr], [cdr], [])
    shown = {each: hub.shown(hub.world.partner(each)) for each in ("evi", "abc", "xyz")}
    assert shown == {"evi": [cdr["id"]], "abc": [cdr["id"]], "xyz": []}
    (to_cpo,) = [sent for sent in hub.world.partners.to("abc") if sent.module == "cdrs"]
    assert (to_cpo.method, to_cpo.routing) == ("POST", Routing(OWN["HUB"], CPO))


def test_a_hub_makes_no_cdr_for_a_cpo_that_makes_its_own() -> None:
    hub = Network("HUB")
    hub.join("abc", "CPO", profiles=(CPO_MAKES_CDR,))
    hub.open_site()
    hub.end()

    hub.compile()

    assert hub.cdrs() == []


@pytest.mark.parametrize(("profiles", "expected"), [((), "0.1"), ((TIME_PRICES_PER_MINUTE,), "6")])
@pytest.mark.parametrize("role", ["CPO", "HUB"])
def test_a_profile_of_the_partner_decides_whether_time_prices_are_per_minute(
    role: str, profiles: tuple[str, ...], expected: str
) -> None:
    """At a CPO it is the profile of the hub that receives the session, at a hub that of the CPO that sent it.

    The tariff stays as it was sent.
    """
    network = Network(role)
    other = ("mob", "HUB") if role == "CPO" else ("abc", "CPO")
    network.join(*other, profiles=profiles)
    network.open_site()
    elements = [element(component("TIME", price=Decimal("0.05")))]
    network.world.put_tariff("T1", source=network.source, elements=elements)
    network.end()

    network.compile()

    (cdr,) = network.cdrs()
    assert cdr["total_cost"]["excl_vat"] == cdr["total_time_cost"]["excl_vat"] == Decimal(expected)
    assert [tariff["elements"] for tariff in cdr["tariffs"]] == [elements]
    stored = network.node.objects.get(Ref("cdrs", *CPO, cdr["id"]))
    assert stored is not None
    assert ("per minute" in str(read_reasons(stored.extra["why"]))) is bool(profiles)


def test_the_time_price_profile_of_one_cpo_does_not_affect_another(hub: Network) -> None:
    hub.join("xcp", "CPO", profiles=(TIME_PRICES_PER_MINUTE,))
    elements = [element(component("TIME", price=Decimal("0.05")))]
    hub.world.put_tariff("T1", source=hub.source, elements=elements)
    hub.end()

    hub.compile()

    assert hub.cdrs()[0]["total_cost"]["excl_vat"] == Decimal("0.1")


def test_the_time_price_profile_of_the_hub_does_not_affect_a_direct_emsp() -> None:
    network = Network("CPO")
    network.join("mob", "HUB", profiles=(TIME_PRICES_PER_MINUTE,))
    network.join("evi", "EMSP")
    network.open_site()
    network.world.put_tariff("T1", elements=[element(component("TIME", price=Decimal("0.05")))])
    network.end()

    network.compile()

    (cdr,) = network.cdrs()
    assert cdr["total_cost"]["excl_vat"] == Decimal("0.1")
    assert network.sent("evi") == [cdr]
