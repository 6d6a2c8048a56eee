"""Documents that are refused for another reason than their form are findings as well."""

from __future__ import annotations

import pytest

from chalicelib.modules.locations.receiver import INTERFACE as LOCATIONS
from chalicelib.modules.tokens.receiver import INTERFACE
from tests.harness.partner_api import CPO, EMSP, PartnerApi
from tests.harness.partners import register
from tests.logged import Logged
from tests.pushing.pushing import World
from tests.reading.shapes import whole


def test_a_refusal_is_logged_without_the_value_that_it_is_about(logged: Logged) -> None:
    node = World("CPO").node
    api = PartnerApi(node, INTERFACE, register(node, "emsp", ("EMSP", EMSP)))

    answer = api.call("PUT", *EMSP, "543210", document={**whole.token(), "uid": "012345"})

    assert answer.codes == (200, 2001)
    (line,) = [line for line in logged.lines if "was refused" in line["message"]]
    assert [(each["field"], each["kind"]) for each in line["findings"]] == [("uid", "STATUS_2001")]
    assert "012345" not in str(line["findings"])


def test_an_object_in_a_list_of_one_is_stored(logged: Logged) -> None:
    node = World("CPO").node
    api = PartnerApi(node, INTERFACE, register(node, "emsp", ("EMSP", EMSP)))

    answer = api.call("PUT", *EMSP, whole.token()["uid"], document=[whole.token()])

    assert answer.codes == (201, 1000)
    (line,) = [line for line in logged.lines if "findings" in line]
    assert [each["kind"] for each in line["findings"]] == ["LIST_OF_ONE"]


def test_the_answer_names_what_was_repaired_and_what_was_left_out() -> None:
    node = World("HUB").node
    api = PartnerApi(node, LOCATIONS, register(node, "cpo", ("CPO", CPO)))
    evse = {**whole.evse(), "status": "available", "floor_level": "Level -1, B"}

    answer = api.call("PUT", *CPO, "L1", document={**whole.location(), "id": "L1", "evses": [evse]})

    assert answer.message == (
        "not as OCPI has it; repaired: evses.*.status (ENUM); left out: evses.*.floor_level (UNREADABLE)"
    )


@pytest.mark.parametrize("path", [("L1",), ("L1", "E1"), ("L1", "E1", "1")])
def test_the_answer_to_a_patch_names_what_was_repaired(path: tuple[str, ...]) -> None:
    node = World("HUB").node
    api = PartnerApi(node, LOCATIONS, register(node, "cpo", ("CPO", CPO)))
    api.call("PUT", *CPO, "L1", document={**whole.location(), "id": "L1"})

    answer = api.call("PATCH", *CPO, *path, document={"last_updated": "2026-03-01 13:00:00+01:00"})

    assert answer.codes == (200, 1000)
    assert "repaired: last_updated (INSTANT)" in answer.message
