"""Registers parties with each other and separates them: the probe and a node, the CPO and the hub.

What a scenario connects is disconnected when it ends. What it disconnects is connected again, with the
settings that both operators had given the other (name, token encoding, profiles and so on).
Source: OCPI 2.2.1 credentials_registration
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial

from certification.ocpi import Document, Party, discover
from certification.operator_apis import CONNECTED, OperatorApi
from certification.probe import NAME
from certification.probe_partner import ProbePartner
from certification.refuted import Refuted
from certification.trial import Trial

SENDS = (("locations", "SENDER"), ("tariffs", "SENDER"))
RECEIVES = (("locations", "RECEIVER"), ("tariffs", "RECEIVER"))
KEPT_SETTINGS = (
    "name", "token_encoding", "profiles", "strict", "pull", "trailing_slash", "credentials_listed_once",
    "endpoints_with_slash",
)  # fmt: skip


def new_party(
    trial: Trial, role: str, modules: Iterable[tuple[str, str]], party: Party | None = None
) -> ProbePartner:
    """Make up a probe party that none of the three nodes knows. Raises: Refuted without a probe.

    party: a party that a probe played before; None for a new one.
    """
    if trial.probe is None:
        raise Refuted("the nodes can reach a probe")
    if party is not None:
        return trial.probe.new_partner(role, modules, party)
    taken = {
        (str(entry.get("country_code")).upper(), str(entry.get("party_id")).upper())
        for api in (trial.cpo, trial.hub, trial.emsp)
        for partner in api.partners()
        for entry in partner.get("roles") or []
    }
    while True:
        partner = trial.probe.new_partner(role, modules)
        if partner.party not in taken:
            return partner


def invite(
    trial: Trial, api: OperatorApi, partner: ProbePartner, settings: Mapping[str, object] | None = None
) -> tuple[Document, str]:
    """Invite a probe party at a node. Returns the invitation and the partner's id there.

    The partner is removed when the scenario ends, registered or not. The operator states whether it is a hub,
    because a node may not trust a partner's own claim.
    """
    # By the letter, as OCPI has it (VER-04).
    asked = {"credentials_listed_once": True, **(settings or {}), "hub": partner.role == "HUB"}
    invitation = api.invite(partner.name, asked)
    partner_id = str(invitation["id"])
    trial.afterwards(f"{partner.name} leaves {api.name}", lambda: part(api, partner_id))
    return invitation, partner_id


def join(
    trial: Trial,
    api: OperatorApi,
    role: str,
    modules: Iterable[tuple[str, str]],
    settings: Mapping[str, object] | None = None,
    party: Party | None = None,
) -> tuple[ProbePartner, str]:
    """Register a probe party at a node until the scenario ends. Returns it and its id at that node.

    party: as for `new_party`.
    """
    partner = new_party(trial, role, modules, party)
    invitation, partner_id = invite(trial, api, partner, settings)
    details = discover(trial.web, invitation["versions_url"], invitation["token"])
    reply = partner.post_credentials(details, invitation["token"])
    trial.expect(reply.is_success, f"{reply}: a probe {role} registers at {api.name}")
    return partner, partner_id


def part(api: OperatorApi, partner_id: str) -> None:
    """Make a node end the relation with a partner, if there is one, and remove the partner.

    Raises: Refuted when the node still lists it as connected.
    """
    if api.partner(partner_id) is None:
        return
    api.forget(partner_id)
    row = api.partner(partner_id)
    if row is not None and row.get("status") in CONNECTED:
        raise Refuted(f"{api.name}'s operator API no longer lists {row.get('name')} as {row.get('status')}")


def forget_left_over_probes(apis: Iterable[OperatorApi]) -> int:
    """Remove the probe parties that an interrupted run left behind. Returns their number."""
    left_over = [
        (api, str(partner["id"]))
        for api in apis
        for partner in api.partners()
        if str(partner.get("name")).startswith(NAME)
    ]
    for api, partner_id in left_over:
        api.forget(partner_id)
    return len(left_over)


@dataclass(frozen=True)
class Relation:
    """The CPO and the hub as each other's partner: the hub's record at the CPO, and the CPO's at the hub."""

    hub_at_cpo: Document
    cpo_at_hub: Document

    @property
    def hub_id(self) -> str:
        """Id of the hub at the CPO."""
        return str(self.hub_at_cpo["id"])

    @property
    def cpo_id(self) -> str:
        """Id of the CPO at the hub."""
        return str(self.cpo_at_hub["id"])


def relation(trial: Trial) -> Relation | None:
    """Return the relation of the CPO and the hub; None unless each lists the other as connected."""
    hub_at_cpo = trial.cpo.partner_playing("HUB", trial.hub.party)
    cpo_at_hub = trial.hub.partner_playing("CPO", trial.cpo.party)
    if hub_at_cpo is None or cpo_at_hub is None:
        return None
    return Relation(hub_at_cpo, cpo_at_hub)


def connect(trial: Trial, before: Relation | None = None) -> Relation:
    """Register the hub at the CPO, unless they are registered with each other already.

    before: their earlier relation, whose settings are given again.
    """
    found = relation(trial)
    if found is None:
        for api, role, party in ((trial.cpo, "HUB", trial.hub.party), (trial.hub, "CPO", trial.cpo.party)):
            for half in api.partners_having(role, party):
                api.forget(str(half["id"]))
        invitation = trial.cpo.invite(
            "MOBI.E", {**_settings(before.hub_at_cpo if before else {}), "hub": True}
        )
        trial.hub.register(
            "CPO",
            invitation["versions_url"],
            invitation["token"],
            _settings(before.cpo_at_hub if before else {}),
        )
        found = relation(trial)
    if found is None:
        raise Refuted("after the hub has registered at the CPO, each lists the other as REGISTERED")
    return found


def reconnect_afterwards(trial: Trial, before: Relation) -> None:
    """Restore the registration of CPO and hub, and the hub's copies, when the scenario ends."""
    held = {module: owned_by(trial.hub, module, trial.cpo.party) for module in ("locations", "tariffs")}

    def again() -> None:
        after = connect(trial, before)
        for api, old, new in (
            (trial.cpo, before.hub_id, after.hub_id),
            (trial.hub, before.cpo_id, after.cpo_id),
        ):
            if new != old:
                part(api, old)
        for module, ids in held.items():
            # Objects that the CPO has deleted meanwhile stay deleted.
            wanted = ids & owned_by(trial.cpo, module, trial.cpo.party)
            what = f"registered again, the hub holds {len(wanted)} {module} of the CPO as before"
            trial.eventually(what, partial(holds, module, wanted), deadline_s=6 * trial.deadline_s)

    def holds(module: str, wanted: set[str]) -> bool:
        return wanted <= owned_by(trial.hub, module, trial.cpo.party)

    trial.afterwards("the CPO and the hub are registered again", again)


def owned_by(api: OperatorApi, module: str, owner: Party) -> set[str]:
    """Return the ids of the objects of one owner that a node has."""
    return {
        str(item["id"])
        for item in api.list_all(f"/{module}")
        if owner.is_same(item.get("country_code"), item.get("party_id"))
    }


def _settings(partner: Document) -> dict[str, object]:
    return {name: partner[name] for name in KEPT_SETTINGS if partner.get(name)}
