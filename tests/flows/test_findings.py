"""An imperfect partner: its objects are taken, and the operator sees what is odd in them.

Source: docs/interop.md, Findings
"""

from __future__ import annotations

from typing import Any

from tests.flows.conftest import Guests, name_of
from tests.third_party.connection import Connection
from tests.third_party.faults import take_and_answer
from tests.third_party.objects import evse, location
from tests.third_party.operator_door import Node
from tests.third_party.waiting import eventually


def findings_of(line: Connection, node: Node) -> list[dict[str, Any]]:
    known = node.partner(name_of(line.partner))
    assert known is not None
    found: list[dict[str, Any]] = node.ask("GET", "partners", known["id"], "findings")
    return found


def odd_location(line: Connection, location_id: str) -> dict[str, Any]:
    return location(line.partner.party, location_id, evses=[evse("E1", status="available")])


def test_the_operator_sees_what_was_repaired_in_a_partner_s_objects(hub: Node, guests: Guests) -> None:
    line = guests.join("CPO", hub)

    for location_id in ("L1", "L2"):
        assert line.put("locations", odd_location(line, location_id)).codes == (201, 1000)

    (found,) = eventually(
        lambda: [each for each in findings_of(line, hub) if each["count"] == 2], what="both findings"
    )
    assert (found["module"], found["field"], found["outcome"]) == ("locations", "evses.*.status", "REPAIRED")
    assert found["example"] == "available"
    stored = line.look("locations", *line.owned("L1")).data
    assert stored["evses"][0]["status"] == "AVAILABLE"


def test_a_strict_partner_is_refused_by_the_letter_and_the_operator_sees_why(
    hub: Node, guests: Guests
) -> None:
    line = guests.connect(guests.partner("CPO"), hub, strict=True)

    answer = line.put("locations", odd_location(line, "L1"))

    assert answer.codes[1] == 2001
    (found,) = eventually(lambda: findings_of(line, hub), what="the finding")
    assert (found["field"], found["outcome"]) == ("evses.*.status", "REFUSED")


def test_the_operator_sees_a_partner_s_own_words_about_a_push(cpo: Node, guests: Guests) -> None:
    line = guests.join("EMSP", cpo)
    body = b'{"error": "the currency EUR is not configured"}'

    with line.partner.misbehaving("tariffs", take_and_answer(422, body)):
        cpo.offer(f"WORDS-{line.partner.party.party_id}")
        words = eventually(lambda: waiting_words(cpo, line), what="the words")

    assert words == {body.decode()}


def waiting_words(node: Node, line: Connection) -> set[str]:
    known = node.partner(name_of(line.partner))
    assert known is not None
    waiting = node.broadcasts_to(known["id"]).get("waiting", [])
    return {each["partner_words"] for each in waiting if "partner_words" in each}
