"""Finds unknown fields and values of a tariff that may change a price.

A tariff with a misspelt `restrictions` must not be priced as if it had none. So these are *doubts*, and the
part of the tariff that has one cannot be judged:

- a field whose name is close to one that prices depend on;
- an unknown key inside `restrictions`, because each restriction limits when its element matches;
- an unknown dimension or reservation value;
- a `tax_included` of an unknown value, and prices with taxes of an unknown amount (`taxes.py`).

Other unknown fields of a price component, an element or a limit are only a remark. Other fields of the tariff
and vendors' own ones (`x_…`, `mobie_…`, `custom…`) do not affect a price. A field without a value (null,
`{}`, `[]`) is ignored.

Source: OCPI 2.2.1 mod_tariffs, Tariff Object; TYP-14, TAR-07, TAR-11
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache

from chalicelib.pricing.json_fields import JsonObject, Remark

TARIFF, LIMIT, ELEMENT, COMPONENT, RESTRICTIONS = "", "limit", "element", "component", "restrictions"

_RESTRICTIONS = (
    "start_time", "end_time", "start_date", "end_date", "min_kwh", "max_kwh", "min_current", "max_current",
    "min_power", "max_power", "min_duration", "max_duration", "day_of_week", "reservation",
)  # fmt: skip
_COMPONENT = ("type", "price", "vat", "step_size")
_LIMIT = ("excl_vat", "incl_vat")
_ELEMENT = ("price_components", "restrictions")
_PRICED = (
    "currency", "type", "min_price", "max_price", "elements", "start_date_time", "end_date_time",
    "tax_included",
)  # fmt: skip
_OF_ALL = ("min_price", "max_price", "start_date_time", "end_date_time", "tax_included")
_KNOWN = {
    TARIFF: frozenset(
        {
            *_PRICED, "country_code", "party_id", "id", "tariff_alt_text", "tariff_alt_url", "energy_mix",
            "last_updated", "preauthorize_amount",
        }
    ),
    LIMIT: frozenset(_LIMIT),
    ELEMENT: frozenset(_ELEMENT),
    COMPONENT: frozenset(_COMPONENT),
    RESTRICTIONS: frozenset(_RESTRICTIONS),
}  # fmt: skip
_OWN = {
    TARIFF: _PRICED,
    LIMIT: _LIMIT,
    ELEMENT: _ELEMENT,
    COMPONENT: _COMPONENT,
    RESTRICTIONS: _RESTRICTIONS,
}
# Names of fields in other languages and on other platforms.
_ALIASES = {
    "iva": "vat", "tva": "vat", "mwst": "vat", "tax": "vat", "taxrate": "vat", "vatrate": "vat",
    "vatpercentage": "vat", "taxpercentage": "vat", "vatincluded": "tax_included",
    "taxesincluded": "tax_included", "taxincl": "tax_included", "vatincl": "tax_included",
    "taxes": "vat", "condition": "restrictions", "conditions": "restrictions", "constraints": "restrictions",
    "weekdays": "day_of_week", "daysofweek": "day_of_week",
}  # fmt: skip
_VENDORS = ("x_", "x-", "_", "mobie_", "custom")
_NOTHING: tuple[object, ...] = (None, {}, [])
_ROOT = re.compile(r"(tariff|tariffs\.\d+)\.")
_MOST_NAMED = 20
_LONGEST = 40


def find_unknown(document: JsonObject, level: str, at: str, remarks: list[Remark]) -> tuple[Remark, ...]:
    """Find the fields of a part of a tariff that may change its price. Returns the doubts.

    level: kind of the part. at: its dotted path. remarks: doubts and harmless oddities are added to it.
    """
    known = _KNOWN[level]
    if document.keys() <= known:
        return ()
    unknown = [
        name
        for name in document
        if name not in known
        and document[name] not in _NOTHING
        and (level == RESTRICTIONS or not name.lower().startswith(_VENDORS))
    ]
    found = [_judge(document, name, level, at) for name in unknown[:_MOST_NAMED]]
    if len(unknown) > _MOST_NAMED:
        text = f"there are {len(unknown)} unknown fields here, only the first {_MOST_NAMED} are checked"
        found.append((Remark("unknown_field", at, text), True))
    remarks += [remark for remark, _ in found if remark is not None]
    return tuple(remark for remark, is_doubt in found if remark is not None and is_doubt)


def _judge(document: JsonObject, name: str, level: str, at: str) -> tuple[Remark | None, bool]:
    field, shown = f"{at}.{name[:_LONGEST]}", repr(name[:_LONGEST])
    meant = suggest_field(name, level)
    if level == RESTRICTIONS:
        more = (
            f", did you mean {meant}?" if meant else ": the element cannot be judged and matches no session"
        )
        return Remark("unknown_restriction", field, f"{shown} is no restriction of OCPI{more}"), True
    if _is_repetition(document, name, meant):
        return None, False
    if meant is not None:
        text = f"{shown} is no field of OCPI, did you mean {meant}?"
        return Remark("unknown_field", field, text), True
    if level == TARIFF:
        return None, False
    return Remark("ignored_field", field, f"{shown} is no field of OCPI, it is ignored in the price"), False


def _is_repetition(document: JsonObject, name: str, meant: str | None) -> bool:
    """Check whether an unknown field only repeats a known one or its default."""
    if meant == "tax_included" and document[name] is False:
        return True
    return meant is not None and document.get(meant) == document[name]


def pointer_of(field: str) -> str:
    """Write a field's dotted path as a JSON pointer (RFC 6901) into its tariff.

    >>> pointer_of("tariffs.0.elements.1.restriction"), pointer_of("tariff.minPrice")
    ('/elements/1/restriction', '/minPrice')
    """
    inside = _ROOT.sub("", field)
    return "/" + inside.replace("~", "~0").replace("/", "~1").replace(".", "/")


def unknown_value(value: object, known: Sequence[str], code: str, at: str, what: str) -> Remark:
    """Make a remark on an unknown value, with the known one that may be meant."""
    shown = str(value)[:_LONGEST]
    meant = _closest(shown, tuple(known))
    more = f", did you mean {meant}?" if meant else ": it cannot be judged"
    return Remark(code, at, f"{shown!r} is no {what} of OCPI{more}")


@lru_cache(4096)
def suggest_field(name: str, level: str) -> str | None:
    """Name the known field that an unknown one may stand for, with a prefix if it belongs to another part.

    >>> suggest_field("restriction", ELEMENT), suggest_field("dayOfWeek", ELEMENT)
    ('restrictions', 'restrictions.day_of_week')
    >>> suggest_field("target_operator_party_id", TARIFF) is None
    True
    """
    alias = _ALIASES.get(_normal(name))
    return next(
        (
            shown
            for names, prefix in _searched(level)
            if (meant := alias if alias in names else _closest(name, names)) is not None
            and (shown := prefix + meant)
        ),
        None,
    )


def _searched(level: str) -> Iterator[tuple[tuple[str, ...], str]]:
    """The names to compare with: those of the part itself, then those of other parts."""
    yield _OWN[level], ""
    for names, prefix, place in (
        (_RESTRICTIONS, "restrictions.", RESTRICTIONS),
        (_ELEMENT, "elements.", ELEMENT),
        (_COMPONENT, "price_components.", COMPONENT),
        (_LIMIT, "min_price.", LIMIT),
        (_OF_ALL, "the tariff's ", TARIFF),
    ):
        if place != level:
            yield names, prefix


def _closest(name: str, names: tuple[str, ...]) -> str | None:
    if len(name) > _LONGEST:
        return None
    written = _normal(name)
    letters = frozenset(written)
    # Two wrong letters make the sets differ by four letters at most. This skips most names quickly.
    close = [each for each in names if len(letters ^ _letters(each)) <= 4]
    found = [(distance, each) for each in close if (distance := _misspelt_by(written, _normal(each))) < 3]
    return min(found, key=lambda pair: pair[0])[1] if found else None


@lru_cache(256)
def _letters(name: str) -> frozenset[str]:
    return frozenset(_normal(name))


@lru_cache(1024)
def _normal(name: str) -> str:
    letters = "".join(letter for letter in name.lower() if letter.isalnum())
    return letters.replace("minimum", "min").replace("maximum", "max")


def _misspelt_by(written: str, meant: str) -> int:
    """Count wrong letters. Returns 3 when there are too many for a typing error in a word of this length."""
    if written == meant:
        return 0
    allowed = 2 if len(meant) > 8 else 1
    is_short = len(meant) <= 4
    if abs(len(written) - len(meant)) > allowed or (is_short and written[:1] != meant[:1]):
        return 3
    distance = _edit_distance(written, meant)
    return distance if distance <= allowed else 3


def _edit_distance(one: str, other: str) -> int:
    """Count letters that are wrong, missing, too many or swapped with the next one."""
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, letter in enumerate(one, 1):
        earlier, before, row = before, row, [i]
        for j, wanted in enumerate(other, 1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (letter != wanted))
            if i > 1 and j > 1 and letter == other[j - 2] and one[i - 2] == wanted:
                cost = min(cost, earlier[j - 2] + 1)
            row.append(cost)
    return row[-1]
