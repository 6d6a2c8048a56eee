"""OCPI 2.3.0: 2.2.1 with other words for money and hubs, and with more fields and values.

Up, money gets the words of 2.2.1, and what is only in 2.3.0 stays as additional fields (`parking_places`,
`tax_included`). `taxes` is kept beside `incl_vat` if it says more than one tax named VAT would.
`tax_included` NO is left out, because it is the rule of 2.2.1. The roles of a hub are the parties that can be
reached through it: they become `hub_clients`, beside its one role HUB. Down, all of this is undone.

Sums are exact. A document that came in one of the two versions comes back as it was.

Source: OCPI 2.3.0 types, Price; mod_tariffs, PriceLimit and TaxIncluded; credentials; V23-05 … V23-19
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Context, Decimal, InvalidOperation
from typing import Any

from chalicelib.errors import InvalidParameters
from chalicelib.protocol.kinds import Kind
from chalicelib.versions.version import NOTHING_KNOWN, Converted, Known

Document = dict[str, Any]

TAX_INCLUDED = ("YES", "NO", "N/A")
_VAT = "VAT"
_COSTS = (
    *("total_cost", "total_fixed_cost", "total_energy_cost", "total_time_cost", "total_parking_cost"),
    "total_reservation_cost",
)
_LIMITS = ("min_price", "max_price")
_LARGEST_EXPONENT = 400
"""As in `json_text.py`, whose limit does not see numbers that come as text."""
_EXACT = Context(prec=1000)
"""Adds amounts up to that exponent, either way, without rounding."""

_LIMIT_UP = {"before_taxes": "excl_vat", "after_taxes": "incl_vat"}
_LIMIT_DOWN = {ours: theirs for theirs, ours in _LIMIT_UP.items()}


def status_code(code: int) -> int:
    """Return the code unchanged."""
    return code


def up(kind: Kind, document: Mapping[str, Any], known: Known = NOTHING_KNOWN) -> Document:
    """Give money and hubs the words of 2.2.1.

    Raises: InvalidParameters for taxes that are no numbers, and a tariff without `tax_included`.
    """
    convert = _UP.get(kind)
    return convert(dict(document)) if convert else dict(document)


def down(kind: Kind, document: Mapping[str, Any], known: Known = NOTHING_KNOWN) -> Converted:
    """Give money and hubs the words of 2.3.0; nothing is lost."""
    convert = _DOWN.get(kind)
    return Converted(convert(dict(document)) if convert else dict(document))


def in_words_of_2_2_1(document: Any) -> Any:
    """A document that a person gave, with money in the words of 2.2.1; one of 2.2.1 stays as it is.

    document: a tariff, a session, a CDR, or an object with tariffs.
    Raises: InvalidParameters for taxes that are no numbers.
    """
    return _nested_tariff_up(_costs_up(dict(document))) if isinstance(document, Mapping) else document


def _tariff_up(tariff: Document) -> Document:
    value = tariff.get("tax_included")
    if value is None:
        raise InvalidParameters("required", field="tax_included")
    if value not in TAX_INCLUDED:
        raise InvalidParameters(f"expected one of {', '.join(TAX_INCLUDED)}", field="tax_included")
    return _nested_tariff_up(tariff)


def _nested_tariff_up(tariff: Document) -> Document:
    """A tariff inside a CDR, where the specification's own example lacks `tax_included`: NO is meant."""
    if tariff.get("tax_included") == "NO":
        del tariff["tax_included"]
    return _with(tariff, _LIMITS, lambda limit, _: _renamed(limit, _LIMIT_UP))


def _tariff_down(tariff: Document) -> Document:
    if "tax_included" not in tariff:
        # In the specification's place: a tariff that came in 2.3.0 comes back with the same bytes.
        names = [*tariff]
        place = names.index("elements") + 1 if "elements" in tariff else len(names)
        names.insert(place, "tax_included")
        tariff = {name: tariff.get(name, "NO") for name in names}
    return _with(tariff, _LIMITS, lambda limit, _: _renamed(limit, _LIMIT_DOWN))


def _costs_up(document: Document) -> Document:
    """A session or a CDR."""
    return _with_tariffs(_with(document, _COSTS, _price_up), _nested_tariff_up)


def _costs_down(document: Document) -> Document:
    return _with_tariffs(_with(document, _COSTS, _price_down), _tariff_down)


def _with(
    document: Document, names: tuple[str, ...], convert: Callable[[Mapping[str, Any], str], Document]
) -> Document:
    """Convert the objects in some fields. convert: is given the object and the name of its field."""
    for name in names:
        if isinstance(document.get(name), Mapping):
            document[name] = convert(document[name], name)
    return document


def _with_tariffs(document: Document, convert: Callable[[Document], Document]) -> Document:
    if isinstance(document.get("tariffs"), list):
        document["tariffs"] = [
            convert(dict(each)) if isinstance(each, Mapping) else each for each in document["tariffs"]
        ]
    return document


def _renamed(document: Mapping[str, Any], names: Mapping[str, str]) -> Document:
    return {names.get(name, name): value for name, value in document.items()}


def _price_up(price: Mapping[str, Any], at: str) -> Document:
    """A Price with `excl_vat`, `incl_vat`, and its taxes if they say more than that."""
    taxes = price.get("taxes")
    if "before_taxes" not in price:
        return dict(price)
    document: Document = {"excl_vat": price["before_taxes"]}
    if isinstance(taxes, list) and taxes:
        document["incl_vat"] = _EXACT.add(
            _number(price["before_taxes"], f"{at}.before_taxes"), _sum_of(taxes, at)
        )
    others = {name: value for name, value in price.items() if name not in ("before_taxes", "taxes")}
    if document.get("incl_vat") is not None and not _is_plain_vat(taxes):
        document["taxes"] = taxes
    return document | others


def _price_down(price: Mapping[str, Any], at: str) -> Document:
    if "excl_vat" not in price:
        return dict(price)
    before, after, taxes = price["excl_vat"], price.get("incl_vat"), price.get("taxes")
    document: Document = {"before_taxes": before}
    if after is not None:
        amount = _EXACT.subtract(_number(after, f"{at}.incl_vat"), _number(before, f"{at}.excl_vat"))
        document["taxes"] = taxes if _add_up_to(taxes, amount) else [{"name": _VAT, "amount": amount}]
    others = {name: value for name, value in price.items() if name not in ("excl_vat", "incl_vat", "taxes")}
    return document | others


def _is_plain_vat(taxes: Any) -> bool:
    """Tell whether taxes are what `_price_down` makes of two amounts."""
    return bool(len(taxes) == 1 and taxes[0].keys() == {"name", "amount"} and taxes[0]["name"] == _VAT)


def _add_up_to(taxes: Any, amount: Decimal) -> bool:
    """Tell whether kept taxes still belong to their price, which another partner may have changed."""
    try:
        return isinstance(taxes, list) and bool(taxes) and _sum_of(taxes, "") == amount
    except InvalidParameters:
        return False


def _sum_of(taxes: list[Any], at: str) -> Decimal:
    whole = Decimal(0)
    for place, tax in enumerate(taxes):
        if not isinstance(tax, Mapping):
            raise InvalidParameters("expected a JSON object", field=f"{at}.taxes.{place}")
        whole = _EXACT.add(whole, _number(tax.get("amount"), f"{at}.taxes.{place}.amount"))
    return whole


def _number(value: Any, at: str) -> Decimal:
    """A number, also if it came as text. Raises: InvalidParameters for anything else."""
    if isinstance(value, str | int | Decimal) and not isinstance(value, bool):
        try:
            number = Decimal(value)
        except InvalidOperation:
            number = Decimal("NaN")
        if number.is_finite() and abs(number.adjusted()) <= _LARGEST_EXPONENT:
            return number
    raise InvalidParameters("expected a number", field=at)


def _credentials_up(document: Document) -> Document:
    """Credentials. Those of a hub get the role HUB; the parties behind it are no roles of its own in 2.2.1.

    Raises: InvalidParameters for a `hub_party_id` that is no party.
    """
    hub, roles = document.pop("hub_party_id", None), document.get("roles")
    if hub is None or not isinstance(roles, list):
        return document
    if not isinstance(hub, str) or len(hub) != 5:
        raise InvalidParameters("expected a country code and a party id, such as PTMOB", field="hub_party_id")
    party = {"country_code": hub[:2], "party_id": hub[2:]}
    own = [each for each in roles if _has(each, party)]
    details = own[0].get("business_details") if own else {"name": hub}
    itself = ({"role": "HUB"}, {**party, "role": "OTHER"})
    clients = [each for each in roles if not any(_has(each, fields) for fields in itself)]
    role = {"role": "HUB", "business_details": details, **party}
    return {**document, "roles": [role], "hub_clients": clients}


def _has(value: Any, fields: Mapping[str, str]) -> bool:
    return isinstance(value, Mapping) and all(value.get(name) == text for name, text in fields.items())


def _credentials_down(document: Document) -> Document:
    """Credentials. A hub names itself in `hub_party_id`, and lists the parties that it connects as roles."""
    clients = document.pop("hub_clients", [])
    hubs = [each for each in document["roles"] if each["role"] == "HUB"]
    if not hubs:
        return document
    hub = hubs[0]
    roles = [*(each for each in document["roles"] if each["role"] != "HUB"), *clients]
    # At least one role is required, and a hub without clients has none.
    document["roles"] = roles or [{**hub, "role": "OTHER"}]
    return {**document, "hub_party_id": f"{hub['country_code']}{hub['party_id']}"}


_UP: dict[Kind, Callable[[Document], Document]] = {
    Kind.TARIFF: _tariff_up,
    Kind.SESSION: _costs_up,
    Kind.CDR: _costs_up,
    Kind.CREDENTIALS: _credentials_up,
}
_DOWN: dict[Kind, Callable[[Document], Document]] = {
    Kind.TARIFF: _tariff_down,
    Kind.SESSION: _costs_down,
    Kind.CDR: _costs_down,
    Kind.CREDENTIALS: _credentials_down,
}
