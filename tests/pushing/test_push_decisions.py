"""Decision on one broadcast message.

Source: OCPI 2.2.1 transport_and_format_offline_behaviour; TRN-32, LOC-09, LOC-16
"""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.protocol.message import Party
from chalicelib.pushing.deliveries import Delivery, DeliveryStatus
from chalicelib.pushing.push_decisions import Act, PushDecision, Seen, decide
from chalicelib.settings import OwnRole, Settings
from chalicelib.storage.keys import Ref
from tests.pushing.pushing import broadcast, partner

CPO = Settings((OwnRole("CPO", Party("PT", "ABC"), {}),), "t", "q", "k")
TARIFF, LOCATION = Ref("tariffs", "PT", "ABC", "T1"), Ref("locations", "PT", "ABC", "L1")
EVSE = "E#0#00000"


def item(ref: Ref, version: int = 5, hidden: bool = False, **more: Any) -> dict[str, Any]:
    place = f"{ref.module}#PT*ABC{'#unpublished' if hidden else ''}"
    return {"ref": str(ref), "v": version, "src": "", "lp": place, "wv": 3, **more}


def evse(version: int = 5, **more: Any) -> dict[str, Any]:
    return {"sk": EVSE, "uid": "E1", "v": version, "wv": 3, "via": "evse", **more}


def row(status: DeliveryStatus = DeliveryStatus.DELIVERED, version: int = 4, **more: Any) -> Delivery:
    return Delivery(status=status, version=version, **more)


def act(
    ref: Ref, main: Any, delivery: Delivery, child: Any = None, role: str = "EMSP", **fields: Any
) -> PushDecision:
    message = broadcast(ref, sk=EVSE if child else "#", **fields)
    return decide(CPO, message, Seen(partner(role), main, child, delivery))


def test_a_change_is_put() -> None:
    assert act(TARIFF, item(TARIFF), row()) == (Act.PUT, DeliveryStatus.DELIVERED)
    assert act(LOCATION, item(LOCATION), Delivery()) == (Act.PUT, DeliveryStatus.DELIVERED)


@pytest.mark.parametrize("status", [DeliveryStatus.DELIVERED, DeliveryStatus.REFUSED])
def test_a_message_about_a_version_that_the_partner_has_is_dropped(status: DeliveryStatus) -> None:
    assert act(TARIFF, item(TARIFF), row(status, version=5)).act is Act.DROP


@pytest.mark.parametrize("status", [DeliveryStatus.WAITING, DeliveryStatus.MISSED, DeliveryStatus.DEAD])
def test_an_object_that_was_not_delivered_is_put_in_any_version(status: DeliveryStatus) -> None:
    assert act(TARIFF, item(TARIFF), row(status, version=5)).act is Act.PUT


def test_a_deleted_tariff_is_deleted_at_the_partner_even_without_a_row() -> None:
    assert act(TARIFF, None, Delivery(), version=5) == (Act.DELETE, DeliveryStatus.DELETED)
    assert act(TARIFF, None, row(), version=5) == (Act.DELETE, DeliveryStatus.DELETED)


def test_a_deletion_that_was_sent_is_dropped_but_not_that_of_a_later_version() -> None:
    """A worker may have died after it put the tariff that was created again."""
    assert act(TARIFF, None, row(DeliveryStatus.DELETED, version=5), version=5).act is Act.DROP
    assert act(TARIFF, None, row(DeliveryStatus.DELETED, version=5), version=6).act is Act.DELETE


def test_a_location_is_never_deleted() -> None:
    """Source: LOC-09"""
    assert act(LOCATION, None, row()).act is Act.DROP


def test_an_evse_is_put_alone() -> None:
    assert act(LOCATION, item(LOCATION), row(), evse()).act is Act.PUT_EVSE


def test_an_evse_of_a_location_that_was_never_sent_is_put_with_its_location() -> None:
    assert act(LOCATION, item(LOCATION), Delivery(), evse()) == (Act.PUT, DeliveryStatus.DELIVERED)


@pytest.mark.parametrize(
    "child", [evse(wv=2), evse(via="location")], ids=["older than the location", "written with the location"]
)
def test_an_evse_written_with_its_location_is_left_to_the_push_of_the_location(child: Any) -> None:
    assert act(LOCATION, item(LOCATION), row(), child).act is Act.DROP


def test_an_evse_that_was_pushed_with_its_location_is_dropped() -> None:
    assert act(LOCATION, item(LOCATION), row(version=5), evse(version=5)).act is Act.DROP


@pytest.mark.parametrize("version", [5, 6])
def test_an_evse_that_was_refused_is_dropped_until_it_changes(version: int) -> None:
    refused = row(DeliveryStatus.REFUSED, version=version)

    assert act(LOCATION, item(LOCATION), refused, evse(version=5)).act is Act.DROP
    assert act(LOCATION, item(LOCATION), refused, evse(version=7)).act is Act.PUT_EVSE


def test_a_refused_object_is_put_again_when_the_message_asks_for_it() -> None:
    refused = row(DeliveryStatus.REFUSED, version=5)

    assert act(TARIFF, item(TARIFF), refused, again=True) == (Act.PUT, DeliveryStatus.DELIVERED)
    assert act(TARIFF, item(TARIFF), row(version=5), again=True).act is Act.DROP


def test_a_refused_deletion_is_sent_again_when_the_message_asks_for_it() -> None:
    refused = row(DeliveryStatus.REFUSED, version=5, method="DELETE")

    assert act(TARIFF, None, refused, version=5).act is Act.DROP
    assert act(TARIFF, None, refused, again=True) == (Act.DELETE, DeliveryStatus.DELETED)
    assert act(TARIFF, None, row(DeliveryStatus.DELETED, version=5), version=5, again=True).act is Act.DROP


def test_a_display_that_refused_a_withdrawal_is_not_sent_it_again() -> None:
    """Source: LOC-16"""
    hidden, refused = item(LOCATION, hidden=True), row(DeliveryStatus.REFUSED, version=5)

    assert act(LOCATION, hidden, refused, role="NSP", version=5).act is Act.DROP
    assert act(LOCATION, hidden, refused, role="NSP").act is Act.DROP
    assert act(LOCATION, hidden, refused, role="NSP", again=True) == (Act.PUT, DeliveryStatus.WITHDRAWN)


def test_an_evse_that_was_just_sent_in_this_version_is_only_recorded() -> None:
    assert act(LOCATION, item(LOCATION), row(evse=f"{EVSE}@5"), evse(version=5)).act is Act.SKIP


def test_a_display_is_sent_a_hidden_location_once_and_only_if_it_has_it() -> None:
    """Source: LOC-16"""
    hidden = item(LOCATION, hidden=True)

    assert act(LOCATION, hidden, row(), role="NSP") == (Act.PUT, DeliveryStatus.WITHDRAWN)
    assert act(LOCATION, hidden, row(DeliveryStatus.WITHDRAWN), role="NSP").act is Act.DROP
    assert (
        act(LOCATION, hidden, row(DeliveryStatus.WITHDRAWN, version=5), role="NSP", version=5).act is Act.DROP
    )
    assert (
        act(LOCATION, hidden, row(DeliveryStatus.WITHDRAWN, version=4), role="NSP", version=5).act is Act.PUT
    )
    assert act(LOCATION, hidden, Delivery(), role="NSP", version=5).act is Act.PUT
    assert act(LOCATION, hidden, Delivery(), role="NSP").act is Act.DROP
    assert act(LOCATION, hidden, row(), evse(), role="NSP").act is Act.DROP
    assert act(LOCATION, hidden, row(), role="EMSP") == (Act.PUT, DeliveryStatus.DELIVERED)


@pytest.mark.parametrize(
    ("status", "expected"), [(DeliveryStatus.DELIVERED, Act.MISS), (DeliveryStatus.MISSED, Act.DROP)]
)
def test_an_object_that_an_offline_partner_misses_is_recorded_once(
    status: DeliveryStatus, expected: Act
) -> None:
    """Source: HCI-09"""
    offline = partner("EMSP", connection="OFFLINE")
    seen = Seen(offline, item(TARIFF), None, row(status))

    assert decide(CPO, broadcast(TARIFF), seen).act is expected


@pytest.mark.parametrize(
    "who",
    [None, partner("EMSP", status="UNREGISTERED"), partner("EMSP", endpoints=()), partner("CPO")],
    ids=["gone", "unregistered", "without the interface", "of the same role"],
)
def test_a_partner_outside_the_audience_is_sent_nothing(who: Any) -> None:
    assert decide(CPO, broadcast(TARIFF), Seen(who, item(TARIFF), None, row())).act is Act.DROP
    assert decide(CPO, broadcast(TARIFF), Seen(who, None, None, row())).act is Act.DROP


@pytest.mark.parametrize("status", [DeliveryStatus.WAITING, DeliveryStatus.MISSED, DeliveryStatus.DEAD])
def test_an_evse_that_was_not_delivered_is_put_in_any_version(status: DeliveryStatus) -> None:
    assert act(LOCATION, item(LOCATION), row(status, version=5), evse(version=5)).act is Act.PUT_EVSE


def test_an_evse_that_no_longer_exists_is_left_to_the_push_of_the_location() -> None:
    seen = Seen(partner("EMSP"), item(LOCATION), None, row())

    assert decide(CPO, broadcast(LOCATION, sk=EVSE), seen).act is Act.DROP


@pytest.mark.parametrize(
    ("main", "child", "delivery", "expected"),
    [
        (item(TARIFF), None, row(version=5), Act.DROP),
        (item(TARIFF), None, row(DeliveryStatus.MISSED, version=5), Act.DROP),
        (item(TARIFF), None, row(DeliveryStatus.REFUSED), Act.MISS),
        (None, None, row(), Act.MISS),
        (None, None, row(DeliveryStatus.DELETED, version=5), Act.DROP),
    ],
)
def test_an_offline_partner_misses_only_what_it_would_be_sent(
    main: Any, child: Any, delivery: Delivery, expected: Act
) -> None:
    """Source: HCI-09"""
    seen = Seen(partner("EMSP", connection="OFFLINE"), main, child, delivery)

    assert decide(CPO, broadcast(TARIFF, version=5), seen).act is expected


def test_an_evse_sent_before_the_partner_went_offline_is_recorded_as_missed() -> None:
    offline = partner("EMSP", connection="OFFLINE")
    seen = Seen(offline, item(LOCATION), evse(version=5), row(evse=f"{EVSE}@5"))

    assert decide(CPO, broadcast(LOCATION, sk=EVSE), seen).act is Act.MISS


def test_a_deletion_is_sent_to_a_partner_that_has_a_later_version_than_was_deleted_there() -> None:
    refused = row(DeliveryStatus.REFUSED, version=5, method="DELETE")

    assert act(TARIFF, None, refused, version=6).act is Act.DELETE
    assert act(TARIFF, None, row(DeliveryStatus.REFUSED, version=5), version=5).act is Act.DELETE
