"""The partners in the table: found by their tokens, changed all or nothing.

Source: OCPI 2.2.1 credentials; TRN-05, TRN-07, CRD-22, CRD-25
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import ValidationError

from chalicelib.errors import Unauthorized
from chalicelib.partners.directory import (
    Caller,
    Directory,
    Endpoint,
    HeldToken,
    Partner,
    PartnerRole,
    TokenKind,
)
from chalicelib.protocol.message import Party
from chalicelib.storage.table import Conflict
from tests.account import aws
from tests.nodes import make_network

EVI = PartnerRole(role="EMSP", country_code="PT", party_id="EVI")
MOB = PartnerRole(role="HUB", country_code="PT", party_id="MOB")


@pytest.fixture
def directory() -> Iterator[Directory]:
    with aws() as account:
        yield make_network(account, (), cpo="CPO")["cpo"].node.directory


def held(directory: Directory, token: str, kind: TokenKind = "C") -> HeldToken:
    return HeldToken(fingerprint=directory.fingerprint(token), kind=kind)


def make(**fields: Any) -> Partner:
    known = {"id": "evi", "name": "Evia", "status": "REGISTERED", "last_updated": "2026-03-01T12:00:00Z"}
    return Partner.model_validate({**known, **fields})


def rename(name: str) -> Any:
    return lambda current: current.model_copy(update={"name": name})


# -- finding


@pytest.mark.parametrize(
    ("flag", "encoding", "is_let_in"),
    [("base64", "base64", True), ("base64", "raw", False), ("raw", "raw", True), ("raw", "base64", True)],
)
def test_a_token_is_taken_in_the_encoding_of_the_partner(
    directory: Directory, flag: str, encoding: Any, is_let_in: bool
) -> None:
    """TRN-05"""
    directory.save(make(token_encoding=flag, held_tokens=[held(directory, "secret")]))

    if is_let_in:
        caller, _ = directory.find_caller([(encoding, "secret")])
        assert (caller.partner.id, caller.token, caller.kind) == ("evi", "secret", "C")
    else:
        with pytest.raises(Unauthorized):
            directory.find_caller([(encoding, "secret")])


def test_the_reading_that_a_partner_holds_decides_between_two(directory: Directory) -> None:
    """TRP-02: a raw token that is also Base64, of a partner that sends raw ones."""
    directory.save(make(token_encoding="raw", held_tokens=[held(directory, "YWJj")]))

    caller, _ = directory.find_caller([("base64", "abc"), ("raw", "YWJj")])

    assert caller.token == "YWJj"


def test_an_interface_is_found_by_its_module_and_its_role() -> None:
    """VER-05: credentials have one, whatever its role says."""
    partner = make(
        endpoints=[
            Endpoint(identifier="tariffs", role="SENDER", url="https://evi.example/s"),
            Endpoint(identifier="tariffs", role="RECEIVER", url="https://evi.example/r"),
            Endpoint(identifier="credentials", role="SENDER", url="https://evi.example/c"),
        ]
    )

    assert partner.endpoint("tariffs", "RECEIVER") == "https://evi.example/r"
    assert partner.endpoint("credentials", "RECEIVER") == "https://evi.example/c"
    assert partner.endpoint("locations", "SENDER") is None


def test_the_parties_of_a_partner_are_those_of_the_roles_that_are_asked_for() -> None:
    partner = make(roles=[EVI, MOB])

    assert partner.parties() == [EVI.party, MOB.party]
    assert partner.parties("HUB") == [MOB.party]
    assert partner.plays_as(EVI.party, "EMSP") and not partner.plays_as(EVI.party, "HUB")


# -- changing


def test_a_partner_that_somebody_changed_meanwhile_is_not_overwritten(directory: Directory) -> None:
    before = directory.save(make())
    directory.update("evi", rename("first"))

    with pytest.raises(Conflict):
        directory.save(before.model_copy(update={"name": "second"}), before)

    stored = directory.get("evi")
    assert stored is not None and stored.name == "first"


def test_a_new_partner_does_not_overwrite_another_of_its_id(directory: Directory) -> None:
    directory.save(make())

    with pytest.raises(Conflict):
        directory.save(make(name="other"))


def test_a_change_is_made_again_on_what_somebody_else_stored_meanwhile(directory: Directory) -> None:
    directory.save(make())
    seen: list[str] = []

    def change(current: Partner) -> Partner:
        seen.append(current.name)
        if len(seen) == 1:
            directory.update("evi", rename("meanwhile"))
        return current.model_copy(update={"profiles": ("ptmob",)})

    changed = directory.update("evi", change)

    assert seen == ["Evia", "meanwhile"]
    assert changed is not None and (changed.name, changed.profiles) == ("meanwhile", ("ptmob",))


def test_a_party_that_another_partner_has_cannot_be_taken(directory: Directory) -> None:
    """CRD-25"""
    directory.save(make(id="first", roles=[EVI]))
    directory.save(make(id="second"))

    with pytest.raises(Conflict, match="belongs to another partner"):
        directory.update("second", lambda current: current.model_copy(update={"roles": (EVI,)}))

    assert set(directory.owner_of([EVI]).values()) == {"first"}


def test_a_change_of_nothing_writes_nothing(directory: Directory) -> None:
    before = directory.save(make())

    assert directory.update("evi", lambda _: None) == before
    assert directory.update("nobody", rename("x")) is None


def test_a_partner_that_changed_meanwhile_is_removed_with_all_that_it_has_now(directory: Directory) -> None:
    before = directory.save(make(held_tokens=[held(directory, "old")]))
    directory.update(
        "evi",
        lambda current: current.model_copy(
            update={"held_tokens": (held(directory, "new"),), "roles": (EVI,)}
        ),
    )

    directory.remove(before)

    assert directory.all() == []
    assert not directory.made("new") and not directory.made("old")
    assert directory.owner_of([EVI]) == {}


def test_a_partner_that_is_gone_is_removed_without_an_error(directory: Directory) -> None:
    gone = directory.save(make())
    directory.remove(gone)

    directory.remove(gone)

    assert directory.get("evi") is None


# -- the time of a replaced token


def with_retry(directory: Directory) -> Partner:
    return directory.save(
        make(held_tokens=[held(directory, "new"), held(directory, "other"), held(directory, "old", "RETRY")])
    )


def test_only_the_newest_token_ends_the_time_of_the_replaced_one(directory: Directory) -> None:
    """CRD-22"""
    partner = with_retry(directory)

    assert partner.awaits_proof(directory.fingerprint("new"))
    assert not partner.awaits_proof(directory.fingerprint("other"))
    assert not make(held_tokens=[held(directory, "new")]).awaits_proof(directory.fingerprint("new"))
    two = make(held_tokens=[held(directory, "new"), held(directory, "other")])
    assert not two.awaits_proof(directory.fingerprint("new"))
    assert not make().awaits_proof(directory.fingerprint("new"))


def caller_with(directory: Directory, partner: Partner, token: str) -> Caller:
    return Caller(partner, token, "C", directory.fingerprint(token))


def test_the_first_use_of_a_new_token_ends_the_replaced_one(directory: Directory) -> None:
    partner = with_retry(directory)

    proved = directory.end_retry(caller_with(directory, partner, "new"))

    assert [token.kind for token in proved.held_tokens] == ["C", "C"]
    assert not directory.made("old") and directory.made("other")


def test_a_token_that_is_not_the_newest_any_more_ends_nothing(directory: Directory) -> None:
    """Another rotation came between: its own replaced token has yet to be proved."""
    partner = with_retry(directory)

    kept = directory.end_retry(caller_with(directory, partner, "other"))

    assert kept.held_tokens == partner.held_tokens and directory.made("old")


def test_a_caller_that_is_removed_while_it_calls_is_served_as_it_was(directory: Directory) -> None:
    partner = with_retry(directory)
    directory.remove(partner)

    assert directory.end_retry(caller_with(directory, partner, "new")) == partner


# -- secrets


def test_two_processes_that_make_the_first_key_at_once_agree_on_one(
    directory: Directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise the tokens of one of them would be unknown to the other for ever."""
    first = Directory(directory._table, directory._vault, lambda: "secret-of-the-first")
    late = Directory(directory._table, directory._vault, lambda: "secret-of-the-second")
    read = late._table.get
    answers = iter([None])

    def read_before_it_is_there(*arguments: Any, **options: Any) -> Any:
        for answer in answers:
            first.fingerprint("token")
            return answer
        return read(*arguments, **options)

    monkeypatch.setattr(late._table, "get", read_before_it_is_there)

    fingerprint = late.fingerprint("token")

    monkeypatch.undo()
    assert fingerprint == first.fingerprint("token") == directory.fingerprint("token")


@pytest.mark.parametrize("model", [Endpoint, PartnerRole, HeldToken, Partner])
def test_an_error_about_a_stored_partner_does_not_repeat_what_stands_in_it(model: Any) -> None:
    """Errors are logged."""
    with pytest.raises(ValidationError) as caught:
        model.model_validate({"fingerprint": ["f-secret"], "id": ["f-secret"], "url": ["f-secret"]})

    assert "f-secret" not in str(caught.value)


# -- what the operator released


@pytest.mark.parametrize(
    ("released", "role", "may_be_changed"),
    [
        ((), "CPO", False),
        (("claim#PT*ABC#CPO",), "CPO", True),
        (("claim#PT*ABC#CPO",), "EMSP", False),
        (("claim#PT*XYZ#CPO",), "CPO", False),
        (("*",), "EMSP", True),
    ],
)
def test_the_objects_of_a_role_may_be_changed_by_others_when_it_was_released(
    released: tuple[str, ...], role: str, may_be_changed: bool
) -> None:
    assert make(released=released).has_released(Party("PT", "ABC"), role) is may_be_changed


@pytest.mark.parametrize(
    ("model", "field"),
    [
        (Endpoint(identifier="tariffs", role="SENDER", url="https://evi.example"), "url"),
        (EVI, "party_id"),
        (HeldToken(fingerprint="f", kind="C"), "kind"),
        (make(), "status"),
    ],
    ids=lambda each: each if isinstance(each, str) else type(each).__name__,
)
def test_what_was_read_is_changed_by_the_directory_only(model: Any, field: str) -> None:
    with pytest.raises(ValidationError):
        setattr(model, field, "other")
