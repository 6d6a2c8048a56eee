"""Scenarios 1.1 to 1.5: a CPO and MOBI.E register with each other, update their credentials, and separate.

Each row runs twice. First with a probe as the other side, because only a partner knows the tokens, sees the
callbacks of a handshake, and can try an old token. Then between the CPO and the hub themselves, as their
operators see it. If that ends their relation, it is restored before the scenario ends.

A new token is always used before the old one is tried, because a node may keep the old pair until the new one
was used.
Source: OCPI 2.2.1 credentials; CRD-03 to CRD-14, CRD-19, CRD-22
"""

from __future__ import annotations

import time

from certification.handshake import (
    RECEIVES,
    SENDS,
    Relation,
    connect,
    invite,
    join,
    new_party,
    reconnect_afterwards,
    relation,
)
from certification.ocpi import Caller, Details, Reply, discover
from certification.operator_apis import OperatorApi
from certification.own_objects import create_tariff
from certification.probe import NAME
from certification.probe_partner import ProbePartner
from certification.trial import Trial


def scenario_1_1_register_cpo(trial: Trial) -> None:
    """MOBI.E registers at the CPO (POST), and once more (PUT): both tokens change."""
    if trial.has_probe("tokens A, B and C, and the callback during the handshake"):
        _register_probe_hub_twice(trial)

    was_registered = relation(trial) is not None
    before = connect(trial)
    trial.note(
        "the hub and the CPO were registered with each other already"
        if was_registered
        else "the hub registered at the CPO by the CPO's invitation; both operator APIs show REGISTERED"
    )
    trial.hub.renew(before.cpo_id)
    _check_renewed(trial, before, "after the hub's PUT credentials")


def scenario_1_2_update_endpoint(trial: Trial) -> None:
    """The CPO adds an interface, then removes it, with a PUT each: the hub knows each change."""
    if trial.has_probe("an endpoint gained and lost"):
        _change_endpoints_of_probe_cpo(trial)

    before = connect(trial)
    trial.cpo.renew(before.hub_id)
    after = _check_renewed(trial, before, "after the CPO's PUT credentials")
    offered = {
        (each.identifier, each.role, each.url.rstrip("/"))
        for each in _details_of_cpo(trial, str(after.cpo_at_hub.get("version"))).endpoints
        if each.identifier != "credentials"
    }
    stored = {
        (each.get("identifier"), each.get("role"), str(each.get("url")).rstrip("/"))
        for each in after.cpo_at_hub.get("endpoints") or []
        if each.get("identifier") != "credentials"
    }
    trial.expect(stored == offered, f"the hub's endpoints of the CPO are what it offers: {sorted(offered)}")
    trial.note(f"the hub holds the {len(stored)} interfaces that the CPO's version details list")


def scenario_1_3_update_credentials(trial: Trial) -> None:
    """The CPO PUTs a new token and name: the old token stops working, the name arrives."""
    if trial.has_probe("the old token's 401"):
        _rename_probe_cpo(trial)
        _renew_at_probe_hub(trial)

    before = connect(trial)
    trial.cpo.renew(before.hub_id)
    _check_renewed(trial, before, "after the CPO's PUT credentials")
    tariff_id = create_tariff(trial)
    trial.eventually(
        "with the new tokens, a tariff of the CPO's is seen at the hub's operator API",
        lambda: trial.hub.find("tariffs", trial.cpo.party, tariff_id),
    )


def scenario_1_4_delete_credentials(trial: Trial) -> None:
    """The CPO DELETEs its credentials: both tokens stop working, and a second DELETE is refused."""
    if trial.has_probe("the dead tokens"):
        cpo, cpo_id = join(trial, trial.hub, "CPO", SENDS)
        _leave(trial, trial.hub, cpo, cpo_id)
        _leave_probe_hub(trial)

    _disconnect(trial, trial.cpo)


def scenario_1_5_delete_credentials(trial: Trial) -> None:
    """MOBI.E DELETEs its credentials; and a handshake that fails half-way registers nothing."""
    if trial.has_probe("the handshake that breaks half-way"):
        hub, hub_id = _break_handshake(trial)
        _leave(trial, trial.cpo, hub, hub_id)

    _disconnect(trial, trial.hub)


def _register_probe_hub_twice(trial: Trial) -> None:
    """Row 1.1 with a probe hub."""
    hub = new_party(trial, "HUB", (*SENDS, *RECEIVES))
    invitation, hub_id = invite(trial, trial.cpo, hub)
    token_a = invitation["token"]
    details = discover(trial.web, invitation["versions_url"], token_a)
    refused = Caller(trial.web, token_a).call("GET", details.url("tariffs", "SENDER"))
    trial.expect(refused.http_status == 401, f"{refused}: token A is valid for versions and credentials only")

    first = hub.post_credentials(details, token_a)
    _check_exchange(trial, trial.cpo, hub, "POST", first)
    first_b, first_c = hub.accepted[0], hub.registered_token()
    trial.expect(len({token_a, first_b, first_c}) == 3, "token C is a new one")
    _check_alive(trial, details, first_c, "token C")
    _check_dead(trial, details, token_a, "token A, after the registration,")
    _check_registered(trial, trial.cpo, hub, hub_id)
    again = Caller(trial.web, first_c).call("POST", details.url("credentials", "SENDER"), {"token": "x"})
    trial.expect(again.http_status == 405, f"{again}: POST by a registered party is 405")

    second = hub.put_credentials()
    _check_exchange(trial, trial.cpo, hub, "PUT", second)
    trial.expect(hub.registered_token() != first_c, "PUT gives the hub a new token")
    trial.expect(hub.accepted[0] != first_b, "PUT gives the CPO a new token")
    _check_alive(trial, details, hub.registered_token(), "the new token C")
    _check_dead(trial, details, first_c, "the old token C")


def _change_endpoints_of_probe_cpo(trial: Trial) -> None:
    """Row 1.2 with a probe CPO."""
    cpo, cpo_id = join(trial, trial.hub, "CPO", SENDS)
    known = _endpoints(trial.hub, cpo_id)
    trial.expect(known >= {*SENDS}, f"the hub's operator API shows the CPO's endpoints, not {sorted(known)}")
    one_more = ("sessions", "SENDER")
    for change, modules in (("added", (*SENDS, one_more)), ("removed", SENDS)):
        cpo.modules = set(modules)
        _check_exchange(trial, trial.hub, cpo, "PUT", cpo.put_credentials())
        changed, known = known ^ _endpoints(trial.hub, cpo_id), _endpoints(trial.hub, cpo_id)
        trial.expect(
            changed == {one_more} and (one_more in known) == (change == "added"),
            f"the hub's endpoints of the CPO have sessions SENDER {change}, not {sorted(changed)}",
        )
        trial.note(
            f"sessions SENDER {change} by the probe CPO: the hub's endpoints differ by exactly that one"
        )


def _rename_probe_cpo(trial: Trial) -> None:
    """Row 1.3 as the hub receives it."""
    cpo, cpo_id = join(trial, trial.hub, "CPO", SENDS)
    old_b, old_c = cpo.accepted[0], cpo.registered_token()
    cpo.business_details = {"name": f"{cpo.name} renamed", "website": "https://example.com/renamed"}
    _check_exchange(trial, trial.hub, cpo, "PUT", cpo.put_credentials())
    details, new_c = cpo.registered_details(), cpo.registered_token()
    trial.expect(cpo.accepted[0] != old_b and new_c != old_c, "both tokens are new")
    _check_alive(trial, details, new_c, "the CPO's new token at the hub")
    _check_dead(trial, details, old_c, "the CPO's old token at the hub")
    names = _business_names(trial.hub, cpo_id)
    trial.expect(
        names == [cpo.business_details["name"]],
        f"the hub's operator API shows the CPO's new business details, not {names}",
    )
    trial.note("the hub's operator API shows the new business details")


def _renew_at_probe_hub(trial: Trial) -> None:
    """Row 1.3 as the CPO does it."""
    hub, hub_id = join(trial, trial.cpo, "HUB", (*SENDS, *RECEIVES))
    old_b, old_c = hub.accepted[0], hub.registered_token()
    trial.cpo.renew(hub_id)
    trial.expect(
        _credentials_received(hub) == ["PUT"],
        "the CPO's operator has it PUT its credentials at the probe hub",
    )
    details, new_c = hub.registered_details(), hub.registered_token()
    trial.expect(hub.accepted[0] != old_b and new_c != old_c, "the CPO's PUT renews both tokens")
    _check_alive(trial, details, new_c, "the token of the CPO's PUT")
    _check_dead(trial, details, old_c, "the token from before the CPO's PUT")


def _leave_probe_hub(trial: Trial) -> None:
    """Row 1.4 as the CPO does it: the hub's token stops working, and the CPO no longer uses its own."""
    hub, hub_id = join(trial, trial.cpo, "HUB", (*SENDS, *RECEIVES))
    details, token_c = hub.registered_details(), hub.registered_token()
    trial.cpo.forget(hub_id)
    trial.expect(
        _credentials_received(hub) == ["DELETE"],
        "the CPO's operator has it DELETE its credentials at the probe hub",
    )
    _check_dead(trial, details, token_c, "the hub's token at the CPO, after the CPO's DELETE,")
    _check_not_connected(trial, trial.cpo, hub_id)

    left = time.monotonic()
    connect(trial)
    tariff_id = create_tariff(trial)
    trial.eventually(
        "a tariff that the CPO creates afterwards is seen at the hub's operator API",
        lambda: trial.hub.find("tariffs", trial.cpo.party, tariff_id),
    )
    trial.expect(not hub.received_since(left), "the CPO sends nothing more to a hub that it left")
    trial.note("the probe hub received nothing more")


def _break_handshake(trial: Trial) -> tuple[ProbePartner, str]:
    """A handshake that fails half-way, for row 1.5. Returns the hub, registered in the end, and its id."""
    hub = new_party(trial, "HUB", (*SENDS, *RECEIVES))
    invitation, hub_id = invite(trial, trial.cpo, hub)
    token_a = invitation["token"]
    details = discover(trial.web, invitation["versions_url"], token_a)
    for broken in ("versions", "details"):
        hub.failing = {broken}
        reply = hub.post_credentials(details, token_a)
        trial.expect(
            not reply.is_success and reply.status_code == 3001,
            f"{reply}: POST is answered with 3001 when the hub's {broken} cannot be read",
        )
        trial.expect(reply.data is None, f"{reply}: a broken handshake gives out no token")
        _check_alive(trial, details, token_a, f"token A, after the hub's {broken} failed,")
        row = trial.cpo.partner(hub_id) or {}
        trial.expect(
            row.get("status") == "INVITED" and not row.get("roles") and not row.get("endpoints"),
            "the CPO's operator API shows nothing registered, "
            f"but {row.get('status')} with {row.get('roles')}",
        )
    trial.note("the CPO's operator API shows the invitation as before, no role and no endpoint")
    hub.failing = set()
    reply = hub.post_credentials(details, token_a)
    trial.expect(reply.is_success, f"{reply}: a repeated handshake with token A succeeds")
    return hub, hub_id


def _check_exchange(trial: Trial, api: OperatorApi, partner: ProbePartner, method: str, reply: Reply) -> None:
    """Check an answer to POST or PUT credentials (CRD-04, CRD-05, CRD-11, CRD-12)."""
    trial.expect(reply.is_success, f"{reply}: {method} credentials is answered with 1000")
    credentials = reply.object()
    roles = credentials.get("roles")
    trial.expect(
        isinstance(roles, list)
        and any(
            each.get("role") == api.node.role
            and api.party.is_same(each.get("country_code"), each.get("party_id"))
            for each in roles
        ),
        f"{reply}: {api.name}'s credentials name its role and party, not {roles}",
    )
    trial.expect(
        str(credentials.get("url", "")).startswith("http"), f"{reply}: credentials have the versions URL"
    )
    for path in ("versions", "details"):
        fetched = [
            each
            for each in partner.received_since(reply.answer.started, path)
            if each.at <= reply.answer.ended and each.token == partner.accepted[0]
        ]
        trial.expect(
            fetched,
            f"before it answers {method}, {api.name} fetches the partner's {path} with its new token",
        )
    trial.note(
        f"{method} credentials at {api.name} by {partner.name}: HTTP {reply.http_status}, "
        f"{reply.status_code}, after {reply.answer.seconds:.2f} s; meanwhile {api.name} fetched versions "
        "and details with the new token"
    )


def _check_alive(trial: Trial, details: Details, token: str, what: str) -> None:
    reply = Caller(trial.web, token).call("GET", details.versions_url)
    trial.expect(reply.is_success, f"{reply}: {what} works")
    trial.note(f"{what} works: GET versions answers HTTP {reply.http_status}, {reply.status_code}")


def _check_dead(trial: Trial, details: Details, token: str, what: str) -> None:
    reply = Caller(trial.web, token).call("GET", details.versions_url)
    trial.expect(reply.http_status == 401, f"{reply}: {what} is refused with 401")
    trial.note(f"{what} is refused: GET versions answers HTTP 401")


def _check_registered(trial: Trial, api: OperatorApi, partner: ProbePartner, partner_id: str) -> None:
    row = api.partner(partner_id) or {}
    trial.expect(
        row.get("status") == "REGISTERED",
        f"{api.name}'s operator API shows REGISTERED, not {row.get('status')}",
    )
    trial.expect(
        row.get("versions_url") == partner.versions_url and _endpoints(api, partner_id) >= partner.modules,
        f"{api.name}'s operator API shows the partner's versions URL and endpoints",
    )
    trial.note(
        f"{api.name}'s operator API shows the partner REGISTERED with its {len(partner.modules)} interfaces"
    )


def _check_renewed(trial: Trial, before: Relation, when: str) -> Relation:
    """Expect the CPO and the hub to be registered as before, each with a renewed record of the other."""
    after = relation(trial)
    trial.expect(after is not None, f"{when}, each lists the other as connected")
    assert after is not None
    for api, old, new in (
        (trial.cpo, before.hub_at_cpo, after.hub_at_cpo),
        (trial.hub, before.cpo_at_hub, after.cpo_at_hub),
    ):
        trial.expect(
            new.get("status") == "REGISTERED",
            f"{when}, {api.name}'s operator API shows REGISTERED, not {new.get('status')}",
        )
        trial.expect(
            new.get("last_updated") != old.get("last_updated"),
            f"{when}, {api.name}'s record of its partner is new",
        )
    trial.note(
        f"{when}, both operator APIs show REGISTERED, last changed {after.cpo_at_hub.get('last_updated')}"
    )
    return after


def _leave(trial: Trial, api: OperatorApi, partner: ProbePartner, partner_id: str) -> None:
    """DELETE a probe's credentials at a node, and check the state afterwards."""
    details, token = partner.registered_details(), partner.registered_token()
    reply = partner.delete_credentials()
    trial.expect(reply.is_success, f"{reply}: DELETE credentials is answered with 1000")
    _check_dead(trial, details, token, f"the token of {partner.name}, after its DELETE,")
    again = Caller(trial.web, token).call("DELETE", details.url("credentials", "SENDER"))
    trial.expect(again.http_status in (401, 405), f"{again}: a second DELETE is 401 or 405")
    trial.note(f"a second DELETE answers HTTP {again.http_status}")
    _check_not_connected(trial, api, partner_id)


def _check_not_connected(trial: Trial, api: OperatorApi, partner_id: str) -> None:
    status = (api.partner(partner_id) or {}).get("status", "nothing")
    trial.expect(
        status in ("UNREGISTERED", "nothing"),
        f"{api.name}'s operator API no longer lists the partner as connected: {status}",
    )
    trial.note(f"{api.name}'s operator API shows the partner as {status}")


def _disconnect(trial: Trial, leaving: OperatorApi) -> None:
    """End the relation of the CPO and the hub from one side, and restore it when the scenario ends."""
    before = connect(trial)
    reconnect_afterwards(trial, before)
    leaving.forget(before.hub_id if leaving is trial.cpo else before.cpo_id)
    trial.all_eventually(
        f"after {leaving.name}'s DELETE, the other is not listed as connected",
        {
            "at the CPO's operator API": lambda: trial.cpo.partner_playing("HUB", trial.hub.party) is None,
            "at the hub's operator API": lambda: trial.hub.partner_playing("CPO", trial.cpo.party) is None,
        },
    )


def _details_of_cpo(trial: Trial, version: str) -> Details:
    """Read the CPO's version details with the token of an invitation, which is withdrawn afterwards.

    version: the one that CPO and hub have agreed on, which may be newer than the one of the probes.
    """
    invitation = trial.cpo.invite(f"{NAME} reader")
    trial.afterwards("the invitation is withdrawn", lambda: trial.cpo.forget(str(invitation["id"])))
    return discover(trial.web, invitation["versions_url"], invitation["token"], version)


def _endpoints(api: OperatorApi, partner_id: str) -> set[tuple[str, str]]:
    """Return a partner's interfaces as a node knows them; the role of credentials means nothing."""
    row = api.partner(partner_id) or {}
    return {
        (str(each.get("identifier")), str(each.get("role")))
        for each in row.get("endpoints") or []
        if each.get("identifier") != "credentials"
    }


def _business_names(api: OperatorApi, partner_id: str) -> list[object]:
    row = api.partner(partner_id) or {}
    return [(each.get("business_details") or {}).get("name") for each in row.get("roles") or []]


def _credentials_received(partner: ProbePartner) -> list[str]:
    """Return the methods of a node's calls to a probe's credentials endpoint."""
    return [each.method for each in partner.received if each.segments == ("credentials",)]
