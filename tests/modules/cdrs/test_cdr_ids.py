"""Tests of the ids of CDRs.

Source: CDR-22
"""

from __future__ import annotations

from decimal import Decimal
from hashlib import sha256

import pytest

from chalicelib.modules.cdrs import earlier_cdrs
from chalicelib.modules.cdrs.due_sessions import sessions_set_aside
from chalicelib.protocol.json_text import JsonText
from chalicelib.storage.keys import Ref
from chalicelib.storage.objects import Write
from tests.modules.builders import T2
from tests.modules.cdrs.world import CPO, Network
from tests.pushing.pushing import OWN


def test_a_session_whose_cdr_id_is_taken_is_set_aside_with_that_id(hub: Network) -> None:
    """A partner cannot know the id, but even this unlikely case must give the operator a reason."""
    digest = hub.node.directory.keyed_digest
    taken = earlier_cdrs.cdr_id(digest, OWN["HUB"].key(), Ref("sessions", *CPO, "S1").key.pk, 1)
    write = Write(JsonText("{}"), T2)
    ref = Ref("cdrs", *CPO, taken)
    hub.node.objects.change(ref, lambda _: write, partition="cdrs#*#ignored", source="abc")
    hub.end()

    hub.compile()

    (aside,) = sessions_set_aside(hub.node.table)
    assert (aside["field"], taken in aside["reason"]) == ("id", True)
    assert hub.sent("evi") == []


def test_the_id_of_a_cdr_cannot_be_computed_without_the_key_of_the_node(hub: Network) -> None:
    """A partner that could guess the id could send a CDR under it first and so prevent ours."""
    pk, maker = Ref("sessions", *CPO, "S1").key.pk, OWN["HUB"].key()
    hub.end()

    hub.compile()

    (bill,) = hub.sent("evi")
    assert bill["id"] == earlier_cdrs.cdr_id(hub.node.directory.keyed_digest, maker, pk, 1)
    assert bill["id"] != earlier_cdrs.cdr_id(lambda text: sha256(text.encode()).hexdigest(), maker, pk, 1)
    assert bill["id"] != earlier_cdrs.keyless_cdr_id(maker, pk, 1)


def test_a_partner_s_cdr_under_an_id_of_an_earlier_release_does_not_block_ours(hub: Network) -> None:
    taken = earlier_cdrs.keyless_cdr_id(OWN["HUB"].key(), Ref("sessions", *CPO, "S1").key.pk, 1)
    write = Write(JsonText("{}"), T2)
    hub.node.objects.change(
        Ref("cdrs", *CPO, taken), lambda _: write, partition="cdrs#*#ignored", source="abc"
    )
    hub.end()

    hub.compile()

    assert (len(hub.sent("evi")), sessions_set_aside(hub.node.table)) == (1, [])


def test_a_session_whose_cdr_has_an_id_of_an_earlier_release_is_corrected_with_a_credit_cdr(
    cpo: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as formerly:
        formerly.setattr(earlier_cdrs, "cdr_id", lambda _, *names: earlier_cdrs.keyless_cdr_id(*names))
        cpo.end()
        cpo.compile()
    (first,) = cpo.cdrs()

    cpo.end(kwh=Decimal("20"))
    cpo.compile()

    _, credit, second = cpo.cdrs()
    assert (credit["credit_reference_id"], second["id"] != first["id"]) == (first["id"], True)
    assert second["total_energy"] == Decimal("20")


def test_a_partner_s_cdr_under_the_id_of_our_credit_cdr_does_not_count_as_credit(cpo: Network) -> None:
    cpo.end()
    cpo.compile()
    (first,) = cpo.cdrs()
    write = Write(JsonText("{}"), T2)
    forged = Ref("cdrs", *CPO, f"{first['id']}-C")
    cpo.node.objects.change(forged, lambda _: write, partition="cdrs#*#ignored", source="mob")

    cpo.end(kwh=Decimal("20"))
    cpo.compile()

    (aside,) = sessions_set_aside(cpo.node.table)
    assert (aside["field"], f"{first['id']}-C" in aside["reason"]) == ("id", True)


def test_hub_and_cpo_never_make_the_same_id(cpo: Network, hub: Network) -> None:
    """Source: CDR-22"""
    for network in (cpo, hub):
        network.end()
        network.compile()

    assert cpo.cdrs()[0]["id"] != hub.cdrs()[0]["id"]
