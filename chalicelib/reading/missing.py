"""Values for required fields that are missing, where they follow from the rest of the document.

A missing field is filled only where its value is certain or harmless: from its parent, from the URL, from a
field that says the same, or with the value of OCPI that says "not known". `publish` becomes false, because a
location that may be hidden must not be shown.

Source: docs/interop.md; OCPI 2.2.1, object descriptions; LOC-16, SES-16, CDR-18
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from chalicelib.pricing.countries import alpha_3_of, nearest_zone, zone_of
from chalicelib.protocol.types import is_datetime, parse_datetime
from chalicelib.reading.fields import Field, Path
from chalicelib.reading.instants import read_datetime_leniently

_NOT_ASSIGNED = "#NA"
"""The EVSE and connector of a session that has none yet (SES-16)."""

_MOST_NAMES = 500
"""An object with more fields is not searched for names in other letters: it would cost seconds of CPU."""

_TIMEOUT_S = 30
"""The timeout of a CommandResponse that names none, in seconds."""


@dataclass(frozen=True)
class Context:
    """Facts about a document that it does not contain itself.

    now: its arrival, as a DateTime. fills: values of missing fields by dotted path, such as the ids of its
    URL; a function is called with the document when its field is missing, and may return None.
    """

    now: str = ""
    fills: Mapping[str, Any] = field(default_factory=dict)


Fill = Callable[[Mapping[str, Any]], Any]
"""Returns the value of a field that is missing in an object, None where it is not known."""


def fill_missing(described: Field, path: Path, document: Any, context: Context) -> Any:
    """The value of a missing required field; None where it would have to be guessed.

    What the object itself says, if only under a name in other letters, comes first: an id that is taken from
    elsewhere could be that of another object or another eMSP.
    """
    owner = _owner(document, path)
    if not isinstance(owner, Mapping):
        return None
    same = _of_the_same_letters(owner, described.name)
    if same is not None:
        return same
    given = context.fills.get(".".join(str(step) for step in path))
    if given is not None:
        return given(document) if callable(given) else given
    if described.name == "last_updated":
        return _time_of_parent(document, path) or context.now or None
    fill = _FILLS.get(described.key)
    return None if fill is None else fill(owner)


def _of_the_same_letters(owner: Mapping[str, Any], name: str) -> Any:
    """The value of a field whose name differs in case and underscores only, such as `kWh` or `partyId`."""
    if len(owner) > _MOST_NAMES:
        return None
    letters = name.replace("_", "").lower()
    names = [other for other in owner if other != name and other.replace("_", "").lower() == letters]
    value = owner[names[0]] if len(names) == 1 else None
    return None if isinstance(value, str) and not value.strip() else value


def _owner(document: Any, path: Path) -> Any:
    for step in path[:-1]:
        document = document[step]
    return document


def _time_of_parent(document: Any, path: Path) -> str | None:
    """The `last_updated` of the nearest object around a path that has one."""
    around = [document]
    for step in path[:-1]:
        around.append(around[-1][step])
    for parent in reversed(around[:-1]):
        stamp = parent.get("last_updated") if isinstance(parent, Mapping) else None
        if isinstance(stamp, str):
            try:
                return read_datetime_leniently(stamp)
            except ValueError:
                continue
    return None


def _from(*names: str) -> Fill:
    """A fill from another field of the object, the first that is there."""
    return lambda owner: next((owner[name] for name in names if owner.get(name)), None)


def _always(value: Any) -> Fill:
    return lambda owner: value


def _auth_method(owner: Mapping[str, Any]) -> str:
    return "AUTH_REQUEST" if owner.get("authorization_reference") else "WHITELIST"


def _is_always_open(owner: Mapping[str, Any]) -> bool | None:
    hours = owner.get("regular_hours")
    return False if isinstance(hours, list) and hours else None


def _party_as_name(owner: Mapping[str, Any]) -> dict[str, str]:
    """Business details of a party without any: they are only shown, and need a name."""
    return {"name": f"{owner.get('country_code')}*{owner.get('party_id')}"}


def _country(owner: Mapping[str, Any]) -> str | None:
    return alpha_3_of(str(owner.get("country_code", "")).strip().upper())


def _time_zone(owner: Mapping[str, Any]) -> str | None:
    """The time zone of a location's country, None if the country has several."""
    place = {"country": _alpha_3(owner), "coordinates": owner.get("coordinates")}
    zone, is_certain = zone_of({"country_code": owner.get("country_code"), "cdr_location": place})
    return zone if is_certain else None


def time_zone_near(owner: Mapping[str, Any]) -> str | None:
    """The time zone of a location that need not name one: its country's, or the nearest of several."""
    return _time_zone(owner) or nearest_zone(_alpha_3(owner), owner.get("coordinates"))


def _alpha_3(owner: Mapping[str, Any]) -> str:
    country = str(owner.get("country") or "").strip().upper()
    return alpha_3_of(country) or country


def _image_type(owner: Mapping[str, Any]) -> str | None:
    ending = str(owner.get("url", "")).partition("?")[0].rpartition(".")[2].lower()
    return ending if ending in ("gif", "jpeg", "jpg", "png", "svg", "webp") and len(ending) <= 4 else None


def _total_time(owner: Mapping[str, Any]) -> Decimal | None:
    """The hours between the start and the end of a CDR."""
    start, end = owner.get("start_date_time"), owner.get("end_date_time")
    if not (is_datetime(start) and is_datetime(end)):
        return None
    seconds = Decimal(str((parse_datetime(str(end)) - parse_datetime(str(start))).total_seconds()))
    return (seconds / 3600).quantize(Decimal("0.0001"))


_FILLS: dict[tuple[str, str], Fill] = {
    ("Cdr", "auth_method"): _auth_method,
    ("Cdr", "total_time"): _total_time,
    ("CdrLocation", "connector_id"): _always(_NOT_ASSIGNED),
    ("CdrLocation", "evse_id"): _from("evse_uid"),
    ("CdrLocation", "evse_uid"): _from("evse_id"),
    ("CdrToken", "contract_id"): _from("auth_id"),
    ("CommandResponse", "timeout"): _always(_TIMEOUT_S),
    ("Connector", "max_amperage"): _from("amperage"),
    ("Connector", "max_voltage"): _from("voltage"),
    ("CredentialsRole", "business_details"): _party_as_name,
    ("Evse", "status"): _always("UNKNOWN"),
    ("Hours", "twentyfourseven"): _is_always_open,
    ("Image", "category"): _always("OTHER"),
    ("Image", "type"): _image_type,
    ("Location", "address"): _always(""),
    ("Location", "city"): _always(""),
    ("Location", "country"): _country,
    ("Location", "publish"): _always(False),
    ("Location", "time_zone"): _time_zone,
    ("Price", "excl_vat"): _from("before_taxes"),
    ("PriceComponent", "step_size"): _always(1),
    ("Session", "auth_method"): _auth_method,
    ("Session", "connector_id"): _always(_NOT_ASSIGNED),
    ("Session", "evse_uid"): _always(_NOT_ASSIGNED),
    ("Token", "contract_id"): _from("auth_id"),
    ("Token", "issuer"): _always(""),
    ("Token", "whitelist"): _always("NEVER"),
}

ALSO_WHEN_UNREADABLE = frozenset(
    (("Evse", "status"), ("Image", "category"), ("Image", "type"), ("Location", "time_zone"))
)
"""Fields whose fill also replaces a value that cannot be read; that value is kept beside the object."""
