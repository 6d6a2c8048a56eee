"""Delivery rows. Source: docs/design.md, A broadcast; TRN-32"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from chalicelib.pushing.deliveries import (
    Delivery,
    DeliveryStatus,
    ObjectState,
    delete_deliveries,
    is_pending,
    key_of,
    read_deliveries,
    read_delivery,
    some_deliveries,
    unknown_delivery,
    write_delivery,
)
from chalicelib.storage.keys import Ref
from chalicelib.storage.table import Conflict
from tests.harness.nodes import START
from tests.pushing.pushing import World, broadcast

REF = Ref("locations", "PT", "ABC", "L1")
DELIVERED = Delivery(ref=str(REF), status=DeliveryStatus.DELIVERED, version=5)
SHOWN, HIDDEN = ObjectState(5, visible=True), ObjectState(5, visible=False)


def step(after: int, version: int) -> object:
    return broadcast(REF, after=after, version=version)


def test_a_change_that_follows_the_delivered_version_advances_it() -> None:
    assert DELIVERED.advance([step(5, 6), step(6, 7)]) == 7  # type: ignore[list-item]


def test_the_version_stays_while_an_older_change_is_pending() -> None:
    assert DELIVERED.advance([step(6, 7)]) == 5  # type: ignore[list-item]


def test_a_change_without_the_version_it_followed_advances_nothing() -> None:
    assert replace(DELIVERED, version=0).advance([step(0, 7)]) == 0  # type: ignore[list-item]


@pytest.mark.parametrize(
    ("row", "known", "pending"),
    [
        (Delivery(), SHOWN, True),
        (Delivery(), HIDDEN, False),
        (Delivery(), None, False),
        (DELIVERED, SHOWN, False),
        (DELIVERED, ObjectState(6, visible=True), True),
        (DELIVERED, ObjectState(6, visible=False), True),
        (DELIVERED, None, True),
        (replace(DELIVERED, status=DeliveryStatus.REFUSED), SHOWN, False),
        (replace(DELIVERED, status=DeliveryStatus.REFUSED), ObjectState(6, visible=True), True),
        (replace(DELIVERED, status=DeliveryStatus.REFUSED), None, True),
        (replace(DELIVERED, status=DeliveryStatus.REFUSED, method="DELETE"), None, False),
        (replace(DELIVERED, status=DeliveryStatus.MISSED), SHOWN, True),
        (replace(DELIVERED, status=DeliveryStatus.WAITING), SHOWN, True),
        (replace(DELIVERED, status=DeliveryStatus.DEAD), SHOWN, True),
        (replace(DELIVERED, status=DeliveryStatus.DELETED), None, False),
        (replace(DELIVERED, status=DeliveryStatus.DELETED), SHOWN, True),
        (replace(DELIVERED, status=DeliveryStatus.WITHDRAWN), HIDDEN, False),
        (replace(DELIVERED, status=DeliveryStatus.WITHDRAWN), SHOWN, True),
        (Delivery(ref=str(REF), status=DeliveryStatus.MISSED), HIDDEN, True),
        (Delivery(ref=str(REF), status=DeliveryStatus.MISSED), None, True),
    ],
)
def test_an_object_is_pending_by_its_row_and_its_version(
    row: Delivery, known: ObjectState | None, pending: bool
) -> None:
    assert is_pending(row, known) is pending


@pytest.mark.parametrize(("known", "method"), [(SHOWN, "PUT"), (HIDDEN, "PUT"), (None, "DELETE")])
def test_a_refused_object_is_pending_only_when_refusals_are_included(
    known: ObjectState | None, method: str
) -> None:
    refused = replace(DELIVERED, status=DeliveryStatus.REFUSED, http=404, code=2001, method=method)

    assert not is_pending(refused, known)
    assert is_pending(refused.reopened("2.2.1"), known)
    assert not is_pending(DELIVERED.reopened("2.2.1"), SHOWN)


@pytest.mark.parametrize("http_status", [401, 403])
def test_a_rejected_token_in_rows_of_earlier_releases_is_no_refusal(http_status: int) -> None:
    assert is_pending(replace(DELIVERED, status=DeliveryStatus.REFUSED, http=http_status), SHOWN)


def test_two_refusals_are_the_same_when_method_and_reason_are_equal() -> None:
    refused = replace(DELIVERED, status=DeliveryStatus.REFUSED, code=2001, http=200)

    assert refused.is_refused_as(replace(refused, version=9, at="2026-03-01T12:00:00Z"))
    assert not refused.is_refused_as(replace(refused, code=2003))
    assert not refused.is_refused_as(replace(refused, http=404))
    assert not refused.is_refused_as(replace(refused, method="DELETE"))
    assert not DELIVERED.is_refused_as(DELIVERED)


def test_a_row_is_read_as_it_was_written() -> None:
    table = World().table
    key = key_of("one", REF.key.pk)
    row = replace(
        DELIVERED, reason="answered 2001", code=2001, http=200, evse_uid="E1", at="2026-03-01T12:00:00Z"
    )

    write_delivery(table, key, Delivery(), row)

    assert read_delivery(table.get(key)) == replace(row, writes=1)
    assert read_deliveries(table, "one") == {REF.key.pk: replace(row, writes=1)}


def test_a_new_row_that_another_worker_wrote_meanwhile_is_not_overwritten() -> None:
    table = World().table
    key = key_of("one", REF.key.pk)
    write_delivery(table, key, Delivery(), DELIVERED)

    with pytest.raises(Conflict):
        write_delivery(table, key, Delivery(), DELIVERED)


def test_a_row_can_be_reset_to_unknown() -> None:
    table = World().table
    key = key_of("one", REF.key.pk)
    write_delivery(table, key, Delivery(), replace(DELIVERED, evse="E#0#00000@5"))

    table.write(unknown_delivery(key, str(REF)))

    row = read_delivery(table.get(key))
    assert (row.status, row.version, row.writes) == (DeliveryStatus.MISSED, 0, 2)
    assert is_pending(row, SHOWN)
    assert row.evse == ""


def test_a_row_that_was_written_since_it_was_read_is_not_overwritten() -> None:
    table = World().table
    key = key_of("one", REF.key.pk)
    write_delivery(table, key, Delivery(), DELIVERED)
    first = read_delivery(table.get(key))
    write_delivery(table, key, first, replace(first, version=6))

    with pytest.raises(Conflict):
        write_delivery(table, key, first, replace(first, version=7))

    assert (read_delivery(table.get(key)).version, read_delivery(table.get(key)).writes) == (6, 2)


@pytest.mark.parametrize(
    ("status", "retry_at", "waits"),
    [
        (DeliveryStatus.DEAD, "2026-03-01T12:00:01Z", True),
        (DeliveryStatus.DEAD, "2026-03-01T12:00:00Z", False),
        (DeliveryStatus.DEAD, "2026-03-01T11:59:59Z", False),
        (DeliveryStatus.DEAD, "", False),
        (DeliveryStatus.REFUSED, "2026-03-01T12:00:01Z", False),
    ],
)
def test_only_a_given_up_object_waits_and_only_until_its_retry(
    status: DeliveryStatus, retry_at: str, waits: bool
) -> None:
    assert replace(DELIVERED, status=status, retry_at=retry_at).waits(START) is waits
    assert replace(DELIVERED, status=status, retry_at=retry_at).waits(START + timedelta(seconds=1)) is False


@pytest.mark.parametrize(("version", "is_sent"), [(4, True), (5, True), (6, False)])
def test_a_deletion_or_withdrawal_counts_for_the_versions_up_to_its_own(version: int, is_sent: bool) -> None:
    deleted, withdrawn = (
        replace(DELIVERED, status=each) for each in (DeliveryStatus.DELETED, DeliveryStatus.WITHDRAWN)
    )
    refused = replace(DELIVERED, status=DeliveryStatus.REFUSED, method="DELETE")

    assert deleted.is_deletion_sent(version) is is_sent
    assert refused.is_deletion_sent(version) is is_sent
    assert withdrawn.is_withdrawal_sent(version) is is_sent
    assert not withdrawn.is_deletion_sent(version) and not deleted.is_withdrawal_sent(version)
    assert not replace(DELIVERED, method="DELETE").is_deletion_sent(version)


@pytest.mark.parametrize(
    ("status", "version", "holds"),
    [
        (None, 4, False),
        (DeliveryStatus.DELETED, 4, False),
        (DeliveryStatus.WITHDRAWN, 4, False),
        (DeliveryStatus.DELIVERED, 4, True),
        (DeliveryStatus.DELIVERED, 5, False),
        (DeliveryStatus.REFUSED, 5, False),
        (DeliveryStatus.MISSED, 5, True),
        (DeliveryStatus.WAITING, 5, True),
    ],
)
def test_a_partner_may_hold_an_object_whose_deletion_or_withdrawal_was_not_sent(
    status: DeliveryStatus | None, version: int, holds: bool
) -> None:
    assert replace(DELIVERED, status=status).may_hold(version) is holds


def test_a_limited_number_of_rows_is_read_and_deleted_at_a_time() -> None:
    table = World().table
    for number in range(3):
        pk = Ref("tariffs", "PT", "ABC", f"T{number}").key.pk
        write_delivery(table, key_of("one", pk), Delivery(), replace(DELIVERED, version=number + 1))
    write_delivery(table, key_of("one", REF.key.pk), Delivery(), DELIVERED)

    first, after = some_deliveries(table, "one", "tariffs", 2, None)
    second, _ = some_deliveries(table, "one", "tariffs", 2, after)

    assert [sorted(row.version for row in rows.values()) for rows in (first, second)] == [[1, 2], [3]]
    assert [delete_deliveries(table, "one", 3), delete_deliveries(table, "one", 3)] == [True, False]
    assert read_deliveries(table, "one") == {}
