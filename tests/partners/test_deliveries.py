"""What a partner has been told. Source: docs/design.md, A broadcast; TRN-32"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from chalicelib.partners.deliveries import (
    Delivery,
    Known,
    Status,
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
from tests.partners.pushing import START, World, broadcast

REF = Ref("locations", "PT", "ABC", "L1")
DELIVERED = Delivery(ref=str(REF), status=Status.DELIVERED, version=5)
SHOWN, HIDDEN = Known(5, visible=True), Known(5, visible=False)


def step(after: int, version: int) -> object:
    return broadcast(REF, after=after, version=version)


def test_a_change_that_follows_what_was_told_takes_the_version_on() -> None:
    assert DELIVERED.advance([step(5, 6), step(6, 7)]) == 7  # type: ignore[list-item]


def test_a_change_is_not_claimed_while_an_older_one_is_owed() -> None:
    assert DELIVERED.advance([step(6, 7)]) == 5  # type: ignore[list-item]


def test_a_change_that_does_not_say_what_it_followed_claims_nothing() -> None:
    assert replace(DELIVERED, version=0).advance([step(0, 7)]) == 0  # type: ignore[list-item]


@pytest.mark.parametrize(
    ("row", "known", "owed"),
    [
        (Delivery(), SHOWN, True),
        (Delivery(), HIDDEN, False),
        (Delivery(), None, False),
        (DELIVERED, SHOWN, False),
        (DELIVERED, Known(6, visible=True), True),
        (DELIVERED, Known(6, visible=False), True),
        (DELIVERED, None, True),
        (replace(DELIVERED, status=Status.REFUSED), SHOWN, False),
        (replace(DELIVERED, status=Status.REFUSED), Known(6, visible=True), True),
        (replace(DELIVERED, status=Status.REFUSED), None, True),
        (replace(DELIVERED, status=Status.REFUSED, method="DELETE"), None, False),
        (replace(DELIVERED, status=Status.MISSED), SHOWN, True),
        (replace(DELIVERED, status=Status.WAITING), SHOWN, True),
        (replace(DELIVERED, status=Status.DEAD), SHOWN, True),
        (replace(DELIVERED, status=Status.DELETED), None, False),
        (replace(DELIVERED, status=Status.DELETED), SHOWN, True),
        (replace(DELIVERED, status=Status.WITHDRAWN), HIDDEN, False),
        (replace(DELIVERED, status=Status.WITHDRAWN), SHOWN, True),
        (Delivery(ref=str(REF), status=Status.MISSED), HIDDEN, True),
        (Delivery(ref=str(REF), status=Status.MISSED), None, True),
    ],
)
def test_what_is_owed_follows_from_the_row_and_the_object(
    row: Delivery, known: Known | None, owed: bool
) -> None:
    assert is_pending(row, known) is owed


@pytest.mark.parametrize(("known", "method"), [(SHOWN, "PUT"), (HIDDEN, "PUT"), (None, "DELETE")])
def test_what_was_refused_is_owed_only_when_the_refusals_are_asked_for(
    known: Known | None, method: str
) -> None:
    refused = replace(DELIVERED, status=Status.REFUSED, http=404, code=2001, method=method)

    assert not is_pending(refused, known)
    assert is_pending(refused, known, refused_too=True)
    assert not is_pending(DELIVERED, SHOWN, refused_too=True)


@pytest.mark.parametrize("http_status", [401, 403])
def test_a_token_that_was_not_accepted_is_no_refusal_in_rows_of_earlier_releases(http_status: int) -> None:
    assert is_pending(replace(DELIVERED, status=Status.REFUSED, http=http_status), SHOWN)


def test_a_refusal_is_known_when_the_same_was_refused_for_the_same_reason() -> None:
    refused = replace(DELIVERED, status=Status.REFUSED, code=2001, http=200)

    assert refused.is_refused_as(replace(refused, version=9, at="2026-03-01T12:00:00Z"))
    assert not refused.is_refused_as(replace(refused, code=2003))
    assert not refused.is_refused_as(replace(refused, http=404))
    assert not refused.is_refused_as(replace(refused, method="DELETE"))
    assert not DELIVERED.is_refused_as(DELIVERED)


def test_a_row_comes_back_as_it_was_written() -> None:
    table = World().table
    key = key_of("one", REF.key.pk)
    row = replace(
        DELIVERED, reason="answered 2001", code=2001, http=200, evse_uid="E1", at="2026-03-01T12:00:00Z"
    )

    write_delivery(table, key, Delivery(), row)

    assert read_delivery(table.get(key)) == replace(row, writes=1)
    assert read_deliveries(table, "one") == {REF.key.pk: replace(row, writes=1)}


def test_a_row_that_was_written_meanwhile_is_not_overwritten() -> None:
    table = World().table
    key = key_of("one", REF.key.pk)
    write_delivery(table, key, Delivery(), DELIVERED)

    with pytest.raises(Conflict):
        write_delivery(table, key, Delivery(), DELIVERED)


def test_a_row_can_be_made_to_know_nothing() -> None:
    table = World().table
    key = key_of("one", REF.key.pk)
    write_delivery(table, key, Delivery(), replace(DELIVERED, evse="E#0#00000@5"))

    table.write(unknown_delivery(key, str(REF)))

    row = read_delivery(table.get(key))
    assert (row.status, row.version, row.writes) == (Status.MISSED, 0, 2)
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
        (Status.DEAD, "2026-03-01T12:00:01Z", True),
        (Status.DEAD, "2026-03-01T12:00:00Z", False),
        (Status.DEAD, "2026-03-01T11:59:59Z", False),
        (Status.DEAD, "", False),
        (Status.REFUSED, "2026-03-01T12:00:01Z", False),
    ],
)
def test_only_what_was_given_up_waits_and_only_until_its_time(
    status: Status, retry_at: str, waits: bool
) -> None:
    assert replace(DELIVERED, status=status, retry_at=retry_at).waits(START) is waits
    assert replace(DELIVERED, status=status, retry_at=retry_at).waits(START + timedelta(seconds=1)) is False


@pytest.mark.parametrize(("version", "told"), [(4, True), (5, True), (6, False)])
def test_a_last_word_counts_for_the_versions_up_to_its_own(version: int, told: bool) -> None:
    deleted, withdrawn = (replace(DELIVERED, status=each) for each in (Status.DELETED, Status.WITHDRAWN))
    refused = replace(DELIVERED, status=Status.REFUSED, method="DELETE")

    assert deleted.is_deletion_sent(version) is told
    assert refused.is_deletion_sent(version) is told
    assert withdrawn.is_withdrawal_sent(version) is told
    assert not withdrawn.is_deletion_sent(version) and not deleted.is_withdrawal_sent(version)
    assert not replace(DELIVERED, method="DELETE").is_deletion_sent(version)


@pytest.mark.parametrize(
    ("status", "version", "holds"),
    [
        (None, 4, False),
        (Status.DELETED, 4, False),
        (Status.WITHDRAWN, 4, False),
        (Status.DELIVERED, 4, True),
        (Status.DELIVERED, 5, False),
        (Status.REFUSED, 5, False),
        (Status.MISSED, 5, True),
        (Status.WAITING, 5, True),
    ],
)
def test_a_partner_may_hold_what_it_was_sent_and_was_not_told_the_end_of(
    status: Status | None, version: int, holds: bool
) -> None:
    assert replace(DELIVERED, status=status).may_hold(version) is holds


def test_some_rows_are_read_and_forgotten_at_a_time() -> None:
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
