"""Steps that the conversions of all objects of 2.1.1 share.

Source: OCPI 2.1.1 types; V211-12, V211-20, V211-26, V211-33
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from decimal import Decimal
from typing import Any

from chalicelib.protocol.json_text import JsonText, read_json, write_json
from chalicelib.protocol.message import Party
from chalicelib.versions.version import Converted, Known, Loss

Document = dict[str, Any]


def words(text: str) -> frozenset[str]:
    """The words of a text, as values of an enum."""
    return frozenset(text.split())


def is_one_of(value: Any, values: Collection[str]) -> bool:
    """Tell whether a value, which may be anything, is one of an enum's."""
    return isinstance(value, str) and value in values


OWNER = ("country_code", "party_id")
"""Fields of an owner. 2.1.1 has them in URLs only."""

_TIMES = (
    *("end_date_time", "end_datetime", "expiry_date", "last_updated", "period_begin", "period_end"),
    *("start_date_time", "start_datetime", "stop_date_time"),
)
_FRACTION = re.compile(rf'("(?:{"|".join(_TIMES)})":"\d{{4}}-\d\d-\d\dT\d\d:\d\d:\d\d)\.\d+(Z?")', re.ASCII)
"""A field with a time that has fractions of a second, in JSON text. Inside of a text, quotes are escaped."""
_ANY_FRACTION = re.compile(r"\.(?<=T\d\d:\d\d:\d\d\.)\d", re.ASCII)
_OTHER_DEGREES = re.compile(r"-?\d{1,3}\.(\d{5}|\d{7})", re.ASCII)
_SIX_DECIMALS = Decimal("0.000001")


class Down:
    """A document on its way to 2.1.1: its losses, and the reason why it is not sent, if there is one.

    Its methods change the document that they are given, which must be a copy of the stored one.
    """

    def __init__(self, known: Known, losses: Iterable[Loss] = ()) -> None:
        self.known = known
        self.losses = list(losses)
        self.held = self.held_until = ""
        self.whole_needed = False

    def lose(self, at: str, reason: str) -> None:
        """Note a loss."""
        self.losses.append(Loss(at, reason))

    def hold(self, reason: str, until: str = "") -> None:
        """Note a reason why the document is not sent; the first one counts."""
        if not self.held:
            self.held, self.held_until = reason, until

    def need_whole(self, document: Mapping[str, Any], *names: str) -> None:
        """Ask for the whole object if a PATCH has one of these fields."""
        if self.known.is_patch and any(name in document for name in names):
            self.whole_needed = True

    def without(self, document: Document, at: str, *names: str) -> Document:
        """Remove fields; those that had a value are losses."""
        for name in names:
            if document.pop(name, None) is not None:
                self.lose(f"{at}/{name}", "2.1.1 does not have this field")
        return document

    def only(self, document: Document, at: str, name: str, allowed: Collection[str]) -> None:
        """Leave values of a list out that 2.1.1 does not have."""
        values = document.get(name)
        if not isinstance(values, list):
            return
        kept = [value for value in values if isinstance(value, str) and value in allowed]
        if len(kept) == len(values):
            return
        document[name] = kept
        for place, value in enumerate(values):
            if not is_one_of(value, allowed):
                self.lose(f"{at}/{name}/{place}", f"2.1.1 does not have {value}")

    def instead(self, document: Document, at: str, name: str, values: Mapping[str, str]) -> None:
        """Replace a value that 2.1.1 does not have by the nearest that it has."""
        sent = values.get(str(document.get(name)))
        if sent is not None:
            self.lose(f"{at}/{name}", f"2.1.1 does not have {document[name]}, it is sent as {sent}")
            document[name] = sent

    def cut(self, document: Document, at: str, name: str, longest: int) -> None:
        """Cut a text that is too long for 2.1.1."""
        value = document.get(name)
        if isinstance(value, str) and len(value) > longest:
            self.lose(f"{at}/{name}", f"2.1.1 has at most {longest} characters")
            document[name] = value[:longest].rstrip()

    def point(self, point: Document, at: str) -> Document:
        """A place with exactly six decimals (V211-26)."""
        for name in ("latitude", "longitude"):
            degrees = point.get(name)
            if not isinstance(degrees, str) or not (other := _OTHER_DEGREES.fullmatch(degrees)):
                continue
            if len(other[1]) == 5:
                point[name] = f"{degrees}0"
            elif degrees.endswith("0"):
                point[name] = degrees[:-1]
            else:
                point[name] = str(Decimal(degrees).quantize(_SIX_DECIMALS))
                self.lose(f"{at}/{name}", "2.1.1 has six decimals")
        return point

    def result(self, document: Document) -> Converted:
        """The outcome."""
        if self.held:
            return Converted({}, held=self.held, held_until=self.held_until)
        if self.whole_needed:
            return Converted({}, whole_needed=True)
        text = write_json(document)
        if _ANY_FRACTION.search(text):
            # A look at the text costs less than one at every field.
            text = in_whole_seconds(text)
            document = read_json(text)
        return Converted(document, tuple(self.losses), text=JsonText(text))


def in_whole_seconds(text: str) -> str:
    """JSON text whose times have no fractions. They are cut off, so that no time passes another one."""
    return _FRACTION.sub(r"\1\2", text)


def convert_list(
    document: Document, name: str, convert: Callable[[Document, str], Any], at: str = ""
) -> None:
    """Convert the objects of a list, if the document has it. A None is left out.

    convert: is called with an object and its pointer. at: the pointer of the document.
    """
    if isinstance(document.get(name), list):
        converted = [
            convert(dict(one), f"{at}/{name}/{place}") if isinstance(one, dict) else one
            for place, one in enumerate(document[name])
        ]
        document[name] = [one for one in converted if one is not None]


def objects(value: Any) -> list[Mapping[str, Any]]:
    """The objects of a list, none if it is no list."""
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def renamed(document: Document, names: Mapping[str, str]) -> Document:
    """Rename fields, in their places. A field that has the new name already is replaced."""
    taken = [names[name] for name in names if name in document]
    if not taken:
        return document
    return {names.get(name, name): value for name, value in document.items() if name not in taken}


def with_owner(document: Document, known: Known) -> Document:
    """Add the owner to a whole object that does not name it, if it is known."""
    if known.is_patch or known.owner is None:
        return document
    missing = {name: getattr(known.owner, name) for name in OWNER if not document.get(name)}
    return {**missing, **document, **missing}


def owner_of(document: Mapping[str, Any], known: Known) -> Party | None:
    """The owner that an object names, else the one that is known."""
    country_code, party_id = document.get("country_code"), document.get("party_id")
    if isinstance(country_code, str) and isinstance(party_id, str):
        return Party(country_code, party_id)
    return known.owner


def ownerless(document: Document) -> Document:
    """Remove the owner. It is no loss: the URL or the connection says it."""
    for name in OWNER:
        document.pop(name, None)
    return document


def amount_up(document: Document) -> None:
    """Make a Price of a total cost, which 2.1.1 has as a number without VAT."""
    cost = document.get("total_cost")
    if cost is not None and not isinstance(cost, dict):
        document["total_cost"] = {"excl_vat": cost}


def amount_down(work: Down, document: Document) -> None:
    """Make a number without VAT of a total cost."""
    cost = document.get("total_cost")
    if isinstance(cost, dict):
        for name in ("incl_vat", "taxes"):
            if cost.get(name) is not None:
                work.lose(f"/total_cost/{name}", "2.1.1 has costs without VAT only")
        document["total_cost"] = cost.get("excl_vat")


def mix_up(document: Document) -> None:
    """Call the category of an environmental impact `category` (V211-33)."""
    _rename_impacts(document, {"source": "category"})


def mix_down(document: Document) -> None:
    """Call the category of an environmental impact `source` (V211-33)."""
    _rename_impacts(document, {"category": "source"})


def _rename_impacts(document: Document, names: Mapping[str, str]) -> None:
    mix = document.get("energy_mix")
    impacts = mix.get("environ_impact") if isinstance(mix, dict) else None
    if isinstance(mix, dict) and isinstance(impacts, list):
        converted = [renamed(each, names) if isinstance(each, dict) else each for each in impacts]
        document["energy_mix"] = {**mix, "environ_impact": converted}
