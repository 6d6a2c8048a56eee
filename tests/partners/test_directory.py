"""Partners in the table: found by their tokens, changed in one transaction.

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
from tests.harness.account import aws
from tests.harness.nodes import make_network

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
    ("flag", "encoding", "is_accepted"),
    [
        ("base64", "base64", True),
        ("base64", "raw", False),
        ("base64", "loose", False),
        ("raw", "raw", True),
        ("raw", "base64", True),
        ("raw", "loose", False),
    ],
)
@pytest.mark.parametrize("strict", [True, False])
def test_a_strict_partner_s_token_is_accepted_in_its_encoding_only(
    directory: Directory, flag: str, encoding: Any, is_accepted: bool, strict: bool
) -> None:
    """TRN-05"""
    directory.save(make(token_encoding=flag, strict=strict, held_tokens=[held(directory, "secret")]))
    is_accepted = is_accepted or not strict

    if is_accepted:
        caller, _ = directory.find_caller([(encoding, "secret")])
        assert (caller.partner.id, caller.token, caller.kind) == ("evi", "secret", "C")
    else:
        with pytest.raises(Unauthorized):
            directory.find_caller([(encoding, "secret")])


@pytest.mark.parametrize("named", [{"version": "2.1.1"}, {"only_version": "2.1.1"}])
def test_a_strict_partner_of_2_1_1_may_send_its_token_raw(
    directory: Directory, named: dict[str, str]
) -> None:
    """Source: V211-04"""
    directory.save(make(strict=True, held_tokens=[held(directory, "secret")], **named))

    assert directory.find_caller([("raw", "secret")])[0].partner.id == "evi"
    with pytest.raises(Unauthorized):
        directory.find_caller([("loose", "secret")])


def test_of_two_readings_of_a_token_the_one_that_a_partner_holds_counts(directory: Directory) -> None:
    """TRP-02: a raw token that is also Base64, of a partner that sends raw ones."""
    directory.save(make(token_encoding="raw", held_tokens=[held(directory, "YWJj")]))

    caller, _ = directory.find_caller([("base64", "abc"), ("raw", "YWJj")])

    assert caller.token == "YWJj"


def test_an_endpoint_is_found_by_module_and_role() -> None:
    """VER-05: the credentials module has one URL, for any role."""
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


def test_the_parties_of_a_partner_can_be_filtered_by_role() -> None:
    partner = make(roles=[EVI, MOB])

    assert partner.parties() == [EVI.party, MOB.party]
    assert partner.parties("HUB") == [MOB.party]
    assert partner.plays_as(EVI.party, "EMSP") and not partner.plays_as(EVI.party, "HUB")


# -- changing


def test_a_save_fails_when_the_partner_was_changed_meanwhile(directory: Directory) -> None:
    before = directory.save(make())
    directory.update("evi", rename("first"))

    with pytest.raises(Conflict):
        directory.save(before.model_copy(update={"name": "second"}), before)

    stored = directory.get("evi")
    assert stored is not None and stored.name == "first"


def test_a_new_partner_does_not_overwrite_one_with_the_same_id(directory: Directory) -> None:
    directory.save(make())

    with pytest.raises(Conflict):
        directory.save(make(name="other"))


def test_a_change_is_repeated_on_the_state_that_was_stored_meanwhile(directory: Directory) -> None:
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


def test_an_update_that_changes_nothing_writes_nothing(directory: Directory) -> None:
    before = directory.save(make())

    assert directory.update("evi", lambda _: None) == before
    assert directory.update("unknown", rename("x")) is None


def test_a_partner_that_changed_meanwhile_is_removed_with_its_current_tokens_and_claims(
    directory: Directory,
) -> None:
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


def test_removing_a_removed_partner_is_no_error(directory: Directory) -> None:
    gone = directory.save(make())
    directory.remove(gone)

    directory.remove(gone)

    assert directory.get("evi") is None


# -- replaced tokens


def with_retry(directory: Directory) -> Partner:
    return directory.save(
        make(held_tokens=[held(directory, "new"), held(directory, "other"), held(directory, "old", "RETRY")])
    )


def test_only_the_newest_token_makes_the_replaced_one_invalid(directory: Directory) -> None:
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


def test_the_first_use_of_a_new_token_removes_the_replaced_one(directory: Directory) -> None:
    partner = with_retry(directory)

    proved = directory.end_retry(caller_with(directory, partner, "new"))

    assert [token.kind for token in proved.held_tokens] == ["C", "C"]
    assert not directory.made("old") and directory.made("other")


def test_an_older_token_does_not_remove_the_replaced_one(directory: Directory) -> None:
    """Another rotation happened meanwhile, and its new token is not used yet."""
    partner = with_retry(directory)

    kept = directory.end_retry(caller_with(directory, partner, "other"))

    assert kept.held_tokens == partner.held_tokens and directory.made("old")


def test_a_caller_that_is_removed_during_its_call_is_still_served(directory: Directory) -> None:
    partner = with_retry(directory)
    directory.remove(partner)

    assert directory.end_retry(caller_with(directory, partner, "new")) == partner


# -- secrets


def test_two_processes_that_create_the_hash_key_at_the_same_time_use_the_same_one(
    directory: Directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With two keys, each process could not find the tokens of the other."""
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
def test_a_validation_error_does_not_show_stored_values(model: Any) -> None:
    """The text of the error is logged."""
    with pytest.raises(ValidationError) as caught:
        model.model_validate({"fingerprint": ["f-secret"], "id": ["f-secret"], "url": ["f-secret"]})

    assert "f-secret" not in str(caught.value)


# -- released roles


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
def test_objects_of_a_released_role_may_be_changed_by_other_partners(
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
def test_records_of_a_partner_are_immutable(model: Any, field: str) -> None:
    with pytest.raises(ValidationError):
        setattr(model, field, "other")
