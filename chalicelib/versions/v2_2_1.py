"""OCPI 2.2.1: the canonical version. Documents stay as they are, except where 2.3.0 would mislead.

Fields of 2.3.0 that 2.2.1 does not know are kept, and ignored there. Two of its values are not harmless:

- prices of a tariff with `tax_included` YES would be read as prices without taxes. They are sent without
  taxes; a tariff that does not say how much VAT they include is not sent.
- the type EMAID of a token is sent as OTHER where a token is mentioned, because TokenType is a closed enum in
  2.2.1. The token itself is not sent: its type is a part of its key.

`supported.py` finds out by two marks whether a text has any of this: all others are sent as they are stored.
The `down` of older versions begins with this one.

Source: OCPI 2.3.0 mod_tariffs, TaxIncluded; mod_tokens, TokenType; V23-14, V23-16, V23-30
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from chalicelib.protocol.kinds import Kind
from chalicelib.versions.version import NOTHING_KNOWN, Converted, Known, Loss

Document = dict[str, Any]

_DECIMALS = Decimal("0.0001")
_TYPE_OF_2_3_0 = "EMAID"
_UNKNOWN_VAT = "its prices include taxes, and it does not say how much of them is VAT"
_TOKEN_AT = {
    Kind.SESSION: "cdr_token",
    Kind.CDR: "cdr_token",
    Kind.AUTHORIZATION_INFO: "token",
    Kind.START_SESSION: "token",
    Kind.RESERVE_NOW: "token",
}


def up(kind: Kind, document: Mapping[str, Any], known: Known = NOTHING_KNOWN) -> Document:
    """Return the document unchanged."""
    return dict(document)


def status_code(code: int) -> int:
    """Return the code unchanged."""
    return code


def down(kind: Kind, document: Mapping[str, Any], known: Known = NOTHING_KNOWN) -> Converted:
    """Express what 2.2.1 would misread; everything else stays as it is."""
    if kind is Kind.TARIFF:
        return _tariff(dict(document), "")
    if kind is Kind.TOKEN:
        if document.get("type") == _TYPE_OF_2_3_0:
            return Converted({}, held="2.2.1 has no tokens of this type")
        return Converted(dict(document))
    losses: list[Loss] = []
    converted = dict(document)
    if kind is Kind.CDR and isinstance(document.get("tariffs"), list):
        converted["tariffs"] = _tariffs(document["tariffs"], losses)
    if (name := _TOKEN_AT.get(kind)) is not None and isinstance(document.get(name), Mapping):
        converted[name] = _token(document[name], f"/{name}", losses)
    return Converted(converted, tuple(losses))


def _token(token: Mapping[str, Any], at: str, losses: list[Loss]) -> Document:
    if token.get("type") != _TYPE_OF_2_3_0:
        return dict(token)
    losses.append(Loss(f"{at}/type", "2.2.1 does not have EMAID, it is sent as OTHER"))
    return {**token, "type": "OTHER"}


def _tariffs(tariffs: list[Any], losses: list[Loss]) -> list[Any]:
    """The tariffs of a CDR. One that cannot be expressed is left out: the CDR's own costs are whole."""
    kept = []
    for place, each in enumerate(tariffs):
        at = f"/tariffs/{place}"
        converted = _tariff(dict(each), at) if isinstance(each, Mapping) else Converted(each)
        losses += [Loss(at, converted.held)] if converted.held else converted.losses
        if not converted.held:
            kept.append(converted.document)
    return kept


def _tariff(tariff: Document, at: str) -> Converted:
    """A tariff whose prices are without taxes."""
    losses: list[Loss] = []
    is_gross = tariff.get("tax_included") == "YES"
    if not is_gross and tariff.get("tax_included") != "N/A":
        return Converted(tariff)
    try:
        tariff = _each_component(tariff, at, losses, _net if is_gross else _without_vat)
    except _Unreadable:
        return Converted({}, held=_UNKNOWN_VAT) if is_gross else Converted(tariff)
    if is_gross:
        del tariff["tax_included"]
    return Converted(tariff, tuple(losses))


class _Unreadable(Exception):
    """Error for a tariff that is none, or a price that includes an unknown amount of taxes."""


Convert = Callable[[Document, str, list[Loss]], Document]


def _each_component(tariff: Document, at: str, losses: list[Loss], convert: Convert) -> Document:
    """Convert every price component of a tariff. Raises: _Unreadable."""
    elements = []
    for number, element in enumerate(_objects(tariff.get("elements"))):
        components = [
            convert(component, f"{at}/elements/{number}/price_components/{index}", losses)
            for index, component in enumerate(_objects(element.get("price_components")))
        ]
        elements.append({**element, "price_components": components})
    return {**tariff, "elements": elements}


def _objects(value: Any) -> list[Document]:
    """A list of objects. What a hub relays is not validated, so it may be anything else."""
    if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
        raise _Unreadable
    return value


def _without_vat(component: Document, at: str, losses: list[Loss]) -> Document:
    if component.get("vat") is None:
        return component
    losses.append(Loss(f"{at}/vat", "no taxes are applicable (tax_included N/A)"))
    return {name: value for name, value in component.items() if name != "vat"}


def _net(component: Document, at: str, losses: list[Loss]) -> Document:
    """A price component without taxes, with four decimals. Raises: _Unreadable."""
    gross, vat = component.get("price"), component.get("vat")
    if gross == 0:
        return component
    if not isinstance(gross, int | Decimal) or not isinstance(vat, int | Decimal) or vat <= -100:
        raise _Unreadable
    rate = (100 + Decimal(vat)) / 100
    try:
        net = (gross / rate).quantize(_DECIMALS, ROUND_HALF_UP)
    except ArithmeticError as error:
        raise _Unreadable from error
    if net * rate != gross:
        losses.append(Loss(f"{at}/price", f"2.2.1 has prices without taxes: {gross} is sent as {net}"))
    return {**component, "price": net}
