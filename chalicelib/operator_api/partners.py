"""Partners in the operator API: list them, change their settings, start and end the connections.

A partner is shown without its tokens and their hashes. The only token in an answer is token A of an
invitation, once, because the operator has to give it to the partner (CRD-01).

Source: OCPI 2.2.1 credentials; CRD-01, CRD-14, CRD-17, CRD-27
"""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, StringConstraints

from chalicelib.calls.urls import Unresolvable, UrlPolicy
from chalicelib.errors import InvalidParameters, NotFound
from chalicelib.findings.counters import delete_counts
from chalicelib.modules.credentials import called_side, calling_side
from chalicelib.modules.credentials.objects import MAX_ROLES
from chalicelib.modules.locations.reservation import PROFILE
from chalicelib.modules.registry import missing_of, pushed_modules
from chalicelib.node import Node
from chalicelib.operator_api.lists import whole_list_reply
from chalicelib.operator_api.partner_roles import (
    NamedRole,
    approve_roles,
    expected_roles,
    reject_roles,
    release_roles,
    show_roles,
)
from chalicelib.operator_api.problems import Problem
from chalicelib.partners.directory import Directory, Partner
from chalicelib.partners.roles import Expectation
from chalicelib.partners.settings import PartnerSettings
from chalicelib.policy.cdr_makers import CPO_MAKES_CDR
from chalicelib.policy.time_prices import TIME_PRICES_PER_MINUTE
from chalicelib.protocol.auth import is_credentials_token
from chalicelib.protocol.message import Reply, Request
from chalicelib.protocol.types import (
    OcpiObject,
    closed_enum,
    format_datetime,
    ocpi_string,
    parse_datetime,
    validate,
)
from chalicelib.routes import OperatorCall, OperatorRoute
from chalicelib.settings import Settings
from chalicelib.versions.supported import supported_numbers

_PATH = "/partners"
_LONGEST_HANDSHAKE = timedelta(minutes=1)
"""API Gateway ends a request, and the function its work, long before."""

Name: Any = ocpi_string(100, shortest=1)
Profile: Any = closed_enum(
    "the profiles that this node knows", f"{PROFILE} {CPO_MAKES_CDR} {TIME_PRICES_PER_MINUTE}"
)


def _tuple(value: object) -> tuple[object, ...]:
    if not isinstance(value, list):
        raise ValueError("expected a list")
    return tuple(value)


def _without_repetitions(values: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(values))


Profiles: Any = Annotated[tuple[Profile, ...], BeforeValidator(_tuple), AfterValidator(_without_repetitions)]


PulledModule: Any = closed_enum("the modules that are read", " ".join(pushed_modules()))
OneRole: Any = closed_enum("the roles of a partner of OCPI 2.1.1", "CPO EMSP")
HowOften: Any = closed_enum("how often a list is read", "off nightly hourly")


OnlyVersion: Any = Annotated[str, StringConstraints(strict=True, max_length=20)]


def _token(value: str) -> str:
    if not is_credentials_token(value):
        raise ValueError("expected 1 to 64 printable ASCII characters without spaces")
    return value


class ChangedSettings(PartnerSettings, OcpiObject):
    """The settings that a PATCH changes, each checked; a setting that is not sent stays."""

    model_config = ConfigDict(extra="forbid")
    name: Name = ""
    profiles: Profiles = ()
    pull: dict[PulledModule, HowOften] = {}
    only_version: OnlyVersion = ""


class Described(ChangedSettings):
    """The operator's description of a new partner.

    expected_roles: the roles that are approved when the partner claims them. hub: the partner is a hub. role:
    its only role, which a partner of OCPI 2.1.1 cannot say itself.
    partner_id: of a known partner that begins anew, and keeps what is not named here, the name included.
    """

    partner_id: Annotated[str, StringConstraints(strict=True, min_length=1, max_length=100)] | None = None
    expected_roles: Annotated[list[NamedRole], Field(max_length=MAX_ROLES)] = []
    hub: Annotated[bool, Field(strict=True)] = False
    role: OneRole = ""


class Invitation(Described):
    """The body of an invitation."""


class Registration(Described):
    """The body of a registration: the partner's versions URL and the token A that it gave us."""

    versions_url: Annotated[str, StringConstraints(strict=True, min_length=1)]
    token: Annotated[str, StringConstraints(strict=True), AfterValidator(_token)]


class Rotation(OcpiObject):
    """The body of an exchange of tokens: empty, or the version to agree on from now on."""

    model_config = ConfigDict(extra="forbid")
    only_version: OnlyVersion = ""


def list_partners(call: OperatorCall) -> Reply:
    """List all partners, in pages."""
    return whole_list_reply(call.request, [show(call.node, partner) for partner in call.node.directory.all()])


def get_partner(call: OperatorCall) -> Reply:
    """One partner."""
    return Reply(data=show(call.node, find_partner(call.node, call.request.path["id"])))


def patch_partner(call: OperatorCall) -> Reply:
    """Change settings of a partner."""
    settings = validate(ChangedSettings, call.request.json_object())
    _check_version(call.node.settings, settings.only_version)
    changes: dict[str, Any] = {name: getattr(settings, name) for name in settings.model_fields_set}
    if "token_encoding" in changes:
        changes |= {"encoding_origin": "OPERATOR", "sends_raw_tokens": False}

    def change(partner: Partner) -> Partner | None:
        if not changes:
            return None
        return partner.model_copy(update={**changes, "last_updated": format_datetime(call.node.clock())})

    changed = call.node.directory.update(call.request.path["id"], change)
    if changed is None:
        raise NotFound("unknown partner")
    return Reply(data=show(call.node, changed))


def post_invitation(call: OperatorCall) -> Reply:
    """Create a partner with token A, and show the token and the versions URL that it needs to register.

    No later answer shows the token.
    """
    wanted = validate(Invitation, call.request.json_object())
    _check_version(call.node.settings, wanted.only_version)
    returning = _returning(call.node, wanted)
    expected = _expectation(call.node, wanted, wanted.partner_id)
    partner, token = called_side.invite(call.node, wanted, expected, returning)
    invitation = {"id": partner.id, "versions_url": f"{call.request.base_url}/versions", "token": token}
    return Reply(data=invitation, http_status=201, headers=_place(call.request, partner))


def post_registration(call: OperatorCall) -> Reply:
    """Register at a partner that gave us its versions URL and token A."""
    wanted = validate(Registration, call.request.json_object())
    _check_version(call.node.settings, wanted.only_version)
    _check_url(call.node.settings, wanted.versions_url)
    _refuse_registered(call.node.directory, wanted)
    returning = _returning(call.node, wanted)
    expected = _expectation(call.node, wanted, wanted.partner_id)
    partner = calling_side.register(
        call.node, wanted, wanted.versions_url, wanted.token, call.request.base_url, expected, returning
    )
    return Reply(data=show(call.node, partner), http_status=201, headers=_place(call.request, partner))


def post_approval(call: OperatorCall) -> Reply:
    """Approve roles that a partner has claimed."""
    return Reply(data=show(call.node, approve_roles(call.node, call.request)))


def post_rejection(call: OperatorCall) -> Reply:
    """Reject roles that a partner has claimed."""
    return Reply(data=show(call.node, reject_roles(call.node, call.request)))


def post_release(call: OperatorCall) -> Reply:
    """Release roles that are reserved for a partner."""
    return Reply(data=show(call.node, release_roles(call.node, call.request)))


def put_credentials(call: OperatorCall) -> Reply:
    """Exchange new tokens with a partner, and have it read our endpoints again."""
    wanted = validate(Rotation, call.request.json_object() if call.request.body else {})
    _check_version(call.node.settings, wanted.only_version)
    partner = find_partner(call.node, call.request.path["id"])
    if not partner.is_registered:
        raise Problem(409, f"this partner is {_status(partner)}: there are no credentials to change")
    only_version = wanted.only_version if wanted.model_fields_set else None
    rotated = calling_side.rotate(call.node, partner, call.request.base_url, only_version)
    return Reply(data=show(call.node, rotated))


def delete_partner(call: OperatorCall) -> Reply:
    """Unregister a partner, or withdraw its invitation.

    The partner is removed here even when our DELETE to it fails; the answer then has a `warning`.
    """
    partner = find_partner(call.node, call.request.path["id"])
    warning = calling_side.unregister(call.node, partner)
    delete_counts(call.node.table, partner.id)
    if warning is None:
        return Reply(http_status=204)
    text = f"the partner was not notified: {warning}"
    return Reply(data={"id": partner.id, "status": "UNREGISTERED", "warning": text})


def find_partner(node: Node, partner_id: str) -> Partner:
    """A partner by its id.

    Raises: NotFound.
    """
    partner = node.directory.get(partner_id) if 0 < len(partner_id) <= 100 else None
    if partner is None:
        raise NotFound("unknown partner")
    return partner


def show(node: Node, partner: Partner) -> dict[str, Any]:
    """A partner as the operator may see it, without tokens and their hashes."""
    settings = partner.settings_json()
    return {
        "id": partner.id,
        "name": settings.pop("name"),
        "status": _status(partner),
        "versions_url": partner.versions_url,
        "version": partner.version,
        **show_roles(partner),
        **({"hub_clients": list(partner.hub_clients)} if partner.hub_clients else {}),
        "endpoints": [endpoint.model_dump() for endpoint in partner.endpoints],
        "endpoint_notes": [note.model_dump() for note in partner.endpoint_notes],
        "missing_endpoints": _missing(node, partner),
        **settings,
        "encoding_origin": partner.encoding_origin,
        "sends_raw_tokens": partner.sends_raw_tokens,
        "odd_answers": list(partner.odd_answers),
        "stamp_ahead": partner.stamp_ahead.model_dump() if partner.stamp_ahead else None,
        "last_updated": partner.last_updated,
        **({"breaker": partner.breaker.model_dump(exclude_none=True)} if partner.breaker else {}),
    }


def _missing(node: Node, partner: Partner) -> list[dict[str, str]]:
    """The interfaces that a registered partner lacks, of those that this node can use of its roles."""
    if not partner.is_registered:
        return []
    has = ((endpoint.identifier, endpoint.role) for endpoint in partner.endpoints)
    theirs, ours = (role.role for role in partner.roles), (own.role for own in node.settings.roles)
    missing = missing_of(has, theirs, ours, partner.version)
    return [{"identifier": module, "role": role} for module, role in missing]


def _status(partner: Partner) -> str:
    if partner.is_registered and partner.connection == "OFFLINE":
        return "OFFLINE"
    # REGISTERING lasts seconds, while our own handshake runs: it is no state of the documented API.
    return "INVITED" if partner.status == "REGISTERING" else partner.status


def _returning(node: Node, wanted: Described) -> Partner | None:
    """The known partner that begins anew; None for a new one.

    Raises: InvalidParameters for a new one without a name, Problem (409) when no partner has this id, or a
    handshake with it runs.
    """
    if wanted.partner_id is None:
        if not wanted.name:
            raise InvalidParameters("required", field="name")
        return None
    partner = node.directory.get(wanted.partner_id)
    if partner is None or _is_registering(node, partner):
        raise Problem(
            409, "partner_id: no partner has this id, or its registration runs; leave it out for a new one",
            errors=[("partner_id", "not a partner that can begin anew")],
        )  # fmt: skip
    return partner


def _is_registering(node: Node, partner: Partner) -> bool:
    """Tell whether a handshake of ours with a partner runs; one that was killed leaves this status."""
    lasts = node.clock() - parse_datetime(partner.last_updated)
    return partner.status == "REGISTERING" and lasts < _LONGEST_HANDSHAKE


def _expectation(node: Node, wanted: Described, partner_id: str | None) -> Expectation:
    roles = tuple(expected_roles(node, wanted.expected_roles, partner_id))
    return Expectation(roles, wanted.hub, wanted.role)


def _check_version(settings: Settings, number: str) -> None:
    """Check that this node offers a version. number: "" for none in particular."""
    offered = supported_numbers(settings.ocpi_versions)
    if number and number not in offered:
        raise InvalidParameters(f"this node offers OCPI {', '.join(offered)}", field="only_version")


def _check_url(settings: Settings, versions_url: str) -> None:
    """Check the text of a URL against the rules for URLs that may be called.

    The handshake resolves the host name and checks its addresses.
    """
    policy = UrlPolicy(settings.allow_loopback, resolve=lambda *_, **__: ())
    with suppress(Unresolvable):
        policy.check(versions_url, field="versions_url")


def _refuse_registered(directory: Directory, wanted: Registration) -> None:
    versions_url = wanted.versions_url
    for partner in directory.all():
        if (
            partner.id != wanted.partner_id
            and partner.is_registered
            and (partner.versions_url or "").rstrip("/") == versions_url.rstrip("/")
        ):
            raise Problem(
                409,
                f"this node is registered there already, as partner {partner.id}; "
                f"to change tokens or endpoints, PUT /operator{_PATH}/{partner.id}/credentials",
                errors=[("versions_url", "already registered")],
            )


def _place(request: Request, partner: Partner) -> dict[str, str]:
    return {"Location": f"{request.base_url.removesuffix('/ocpi')}/operator{_PATH}/{partner.id}"}


ROUTES = (
    OperatorRoute("GET", _PATH, list_partners),
    OperatorRoute("POST", f"{_PATH}/invitations", post_invitation),
    OperatorRoute("POST", f"{_PATH}/registrations", post_registration),
    OperatorRoute("GET", f"{_PATH}/{{id}}", get_partner),
    OperatorRoute("PATCH", f"{_PATH}/{{id}}", patch_partner),
    OperatorRoute("DELETE", f"{_PATH}/{{id}}", delete_partner),
    OperatorRoute("PUT", f"{_PATH}/{{id}}/credentials", put_credentials),
    OperatorRoute("POST", f"{_PATH}/{{id}}/roles/approve", post_approval),
    OperatorRoute("POST", f"{_PATH}/{{id}}/roles/reject", post_rejection),
    OperatorRoute("POST", f"{_PATH}/{{id}}/release", post_release),
)
