"""The OCPI version that a run speaks: its calls use it, and its probes offer no other.

Scenarios are written in the words of 2.2.1. In a run of 2.3.0, what they send gets the words of 2.3.0, and
what they receive must have them. This is not the node's own conversion, so that the two check each other.

Source: OCPI 2.3.0 types, Price; mod_tariffs, TaxIncluded; credentials; V23-05, V23-12, V23-14
"""

from __future__ import annotations

from typing import Any

from certification.refuted import Refuted

VERSIONS = ("2.2.1", "2.2", "2.3.0")

_spoken = [VERSIONS[0]]


def spoken_version() -> str:
    """The version of this run, 2.2.1 unless `speak` was called."""
    return _spoken[0]


def speak(version: str) -> None:
    """Set the version of this run."""
    _spoken[0] = version


def fields_of_start() -> frozenset[str]:
    """The fields of START_SESSION that name a place; OCPI 2.2 has no connector_id."""
    names = {"location_id", "evse_uid"}
    return frozenset(names if spoken_version() == "2.2" else {*names, "connector_id"})


def in_spoken_words(document: Any) -> Any:
    """A document of 2.2.1 in the words of this run's version."""
    return _to_2_3_0(document) if spoken_version() == "2.3.0" else document


def in_words_of_scenarios(document: Any) -> Any:
    """A document of this run's version in the words of 2.2.1.

    Raises: Refuted when it has words that this run's version does not have.
    """
    return _from_2_3_0(document) if spoken_version() == "2.3.0" else document


def _to_2_3_0(value: Any) -> Any:
    if isinstance(value, list):
        return [_to_2_3_0(each) for each in value]
    if not isinstance(value, dict):
        return value
    if "excl_vat" in value:
        before, after = value["excl_vat"], value.get("incl_vat")
        taxes = {} if after is None else {"taxes": [{"name": "VAT", "amount": after - before}]}
        return {"before_taxes": before, **taxes}
    document = {name: _to_2_3_0(each) for name, each in value.items()}
    if _is_tariff(document):
        document.setdefault("tax_included", "NO")
    return _without_role_hub(document)


def _without_role_hub(document: dict[str, Any]) -> dict[str, Any]:
    roles = document.get("roles")
    hubs = [each for each in roles if each.get("role") == "HUB"] if isinstance(roles, list) else []
    if not hubs:
        return document
    party = f"{hubs[0]['country_code']}{hubs[0]['party_id']}"
    return {**document, "hub_party_id": party, "roles": [{**hubs[0], "role": "OTHER"}]}


def _from_2_3_0(value: Any) -> Any:
    if isinstance(value, list):
        return [_from_2_3_0(each) for each in value]
    if not isinstance(value, dict):
        return value
    if value.keys() & {"excl_vat", "incl_vat"}:
        raise Refuted(f"a price has the words of 2.3.0, not {', '.join(value)}")
    if _is_tariff(value) and value.get("tax_included") not in ("YES", "NO", "N/A"):
        raise Refuted("a tariff says whether its prices include taxes (tax_included)")
    if "before_taxes" in value:
        return _price_from_2_3_0(value)
    document = {name: _from_2_3_0(each) for name, each in value.items()}
    if document.get("tax_included") == "NO":
        del document["tax_included"]
    return _with_role_hub(document)


def _price_from_2_3_0(value: dict[str, Any]) -> dict[str, Any]:
    before, taxes = value["before_taxes"], value.get("taxes")
    after = value.get("after_taxes")
    if taxes:
        after = before + sum(tax["amount"] for tax in taxes)
    return {"excl_vat": before} if after is None else {"excl_vat": before, "incl_vat": after}


def _with_role_hub(document: dict[str, Any]) -> dict[str, Any]:
    hub, roles = document.pop("hub_party_id", None), document.get("roles")
    if isinstance(roles, list) and any(each.get("role") == "HUB" for each in roles):
        raise Refuted("2.3.0 has no role HUB")
    if not isinstance(hub, str) or not isinstance(roles, list):
        return document
    party = {"country_code": hub[:2], "party_id": hub[2:]}
    own = [each for each in roles if party.items() <= each.items()] or [{"business_details": {"name": hub}}]
    return {**document, "roles": [{**own[0], **party, "role": "HUB"}]}


def _is_tariff(document: dict[str, Any]) -> bool:
    return "elements" in document and "currency" in document
