"""OCPI 2.2, which MOBI.E was seen to speak: 2.2.1 without a few fields and values.

Up, a document of 2.2 is one of 2.2.1 already; a `cdr_token` without an owner is completed when the document
is read (`policy/token_lookup.py`). Down, what 2.2 does not know is left out or expressed in its own values,
because a strict partner refuses unknown values of an enum. So is what came with 2.3.0. The owner of a
`cdr_token` stays, as fields that 2.2 does not know: a hub that ignores them finds the eMSP by the token.

Source: OCPI 2.2 and 2.2.1, object descriptions; V22-05 … V22-17
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from chalicelib.protocol.kinds import Kind
from chalicelib.versions import v2_2_1
from chalicelib.versions.version import NOTHING_KNOWN, Converted, Known, Loss

NOT_AVAILABLE = "#NA"
"""The text for a required field without a value (transport_and_format, No data available)."""

_NEW_CAPABILITIES = frozenset(("START_SESSION_CONNECTOR_REQUIRED",))
_NEW_STANDARDS = frozenset(
    (
        *("CHAOJI", "DOMESTIC_M", "DOMESTIC_N", "DOMESTIC_O", "GBT_AC", "GBT_DC", "NEMA_5_20", "NEMA_6_30"),
        *("NEMA_6_50", "NEMA_10_30", "NEMA_10_50", "NEMA_14_30", "NEMA_14_50", "MCS", "SAE_J3400"),
    )
)
_NEW_PARKING_RESTRICTIONS = frozenset(("EMPLOYEES", "TAXIS", "TENANTS"))
_COSTS = (
    *("total_cost", "total_fixed_cost", "total_energy_cost", "total_time_cost", "total_parking_cost"),
    "total_reservation_cost",
)
_POWER_TYPES = {"AC_2_PHASE": "AC_1_PHASE", "AC_2_PHASE_SPLIT": "AC_1_PHASE"}
_LONGEST_SIGNED = 512
_LONGEST = {"address": 45, "state": 20}

Document = dict[str, Any]


def _is_one_of(value: Any, values: frozenset[str]) -> bool:
    """Tell whether a value is one of these. What a hub relays is not validated, so it may be no text."""
    return isinstance(value, str) and value in values


class _Down:
    """A document on its way to 2.2, and its losses."""

    def __init__(self) -> None:
        self.losses: list[Loss] = []

    def lose(self, at: str, reason: str) -> None:
        self.losses.append(Loss(at, reason))

    def without(self, document: Document, at: str, *names: str) -> Document:
        """Leave fields out; those that were there are losses."""
        for name in names:
            if name in document:
                self.lose(f"{at}/{name}", "2.2 does not have this field")
        return {name: value for name, value in document.items() if name not in names}

    def location(self, document: Document, at: str = "") -> Document:
        document = self.without(document, at, "parking_places", "help_phone")
        document = {name: self._shortened(name, value, at) for name, value in document.items()}
        if isinstance(document.get("evses"), list):
            evses = [
                self.evse(each, f"{at}/evses/{place}") if isinstance(each, dict) else each
                for place, each in enumerate(document["evses"])
            ]
            document["evses"] = [each for each in evses if each is not None]
        return document

    def _shortened(self, name: str, value: Any, at: str) -> Any:
        longest = _LONGEST.get(name)
        if longest is None or not isinstance(value, str) or len(value) <= longest:
            return value
        self.lose(f"{at}/{name}", f"2.2 has at most {longest} characters")
        return value[:longest].rstrip()

    def evse(self, document: Document, at: str = "") -> Document | None:
        """An EVSE, None if 2.2 has a type for none of its connectors."""
        document = self.without(document, at, "parking", "accepted_service_providers")
        self._keep_known(document, "capabilities", _NEW_CAPABILITIES, at)
        self._keep_known(document, "parking_restrictions", _NEW_PARKING_RESTRICTIONS, at)
        if not isinstance(document.get("connectors"), list):
            return document
        connectors = [
            self.connector(each, f"{at}/connectors/{place}") if isinstance(each, dict) else each
            for place, each in enumerate(document["connectors"])
        ]
        document["connectors"] = [each for each in connectors if each is not None]
        return document if document["connectors"] else None

    def _keep_known(self, document: Document, name: str, new: frozenset[str], at: str) -> None:
        """Leave new values out of a list."""
        if not isinstance(values := document.get(name), list):
            return
        for place, value in enumerate(values):
            if _is_one_of(value, new):
                self.lose(f"{at}/{name}/{place}", f"2.2 does not have {value}")
        document[name] = [value for value in values if not _is_one_of(value, new)]

    def connector(self, document: Document, at: str = "") -> Document | None:
        """A connector, None if 2.2 has no type for its plug."""
        if _is_one_of(document.get("standard"), _NEW_STANDARDS):
            self.lose(at, f"2.2 does not have the connector type {document['standard']}")
            return None
        document = self.without(document, at, "capabilities")
        return self._with_power_type(document, "power_type", at)

    def _with_power_type(self, document: Document, name: str, at: str) -> Document:
        known = _POWER_TYPES.get(str(document.get(name)))
        if known is None:
            return document
        self.lose(f"{at}/{name}", f"2.2 does not have {document[name]}, it is sent as {known}")
        return {**document, name: known}

    def costs(self, document: Document) -> Document:
        """A document without the names of its taxes."""
        for name in _COSTS:
            if isinstance(document.get(name), dict):
                document[name] = self.without(document[name], f"/{name}", "taxes")
        return document

    def tariff(self, document: Document, at: str = "") -> Document:
        return self.without(document, at, "tax_included")

    def cdr(self, document: Document) -> Document:
        document = self.costs(self.without(document, "", "home_charging_compensation"))
        if isinstance(document.get("tariffs"), list):
            document["tariffs"] = [
                self.tariff(each, f"/tariffs/{place}") if isinstance(each, dict) else each
                for place, each in enumerate(document["tariffs"])
            ]
        if isinstance(document.get("cdr_location"), dict):
            document["cdr_location"] = self._cdr_location(document["cdr_location"], "/cdr_location")
        if isinstance(document.get("signed_data"), dict) and not self._fits(document["signed_data"]):
            self.lose("/signed_data", f"2.2 has at most {_LONGEST_SIGNED} characters for a signed value")
            del document["signed_data"]
        return document

    def _cdr_location(self, location: Document, at: str) -> Document:
        location = self._with_power_type(self.without(location, at, "state"), "connector_power_type", at)
        if not location.get("postal_code"):
            self.lose(f"{at}/postal_code", f"2.2 requires it, so it is sent as {NOT_AVAILABLE}")
            location = {**location, "postal_code": NOT_AVAILABLE}
        if _is_one_of(location.get("connector_standard"), _NEW_STANDARDS):
            # The connector cannot be left out of a CDR: it is sent as it is.
            self.lose(f"{at}/connector_standard", f"2.2 does not have {location['connector_standard']}")
        return location

    @staticmethod
    def _fits(signed: Document) -> bool:
        values = signed.get("signed_values")
        return all(
            len(str(value.get(name) or "")) <= _LONGEST_SIGNED
            for value in (values if isinstance(values, list) else ())
            for name in ("plain_data", "signed_data")
            if isinstance(value, dict)
        )

    def start_session(self, document: Document) -> Document:
        return self.without(document, "", "connector_id")


_BY_KIND: dict[Kind, Callable[[_Down, Document], Document | None]] = {
    Kind.LOCATION: _Down.location,
    Kind.EVSE: _Down.evse,
    Kind.CONNECTOR: _Down.connector,
    Kind.TARIFF: _Down.tariff,
    Kind.SESSION: _Down.costs,
    Kind.CDR: _Down.cdr,
    Kind.START_SESSION: _Down.start_session,
}


def up(kind: Kind, document: Mapping[str, Any], known: Known = NOTHING_KNOWN) -> Document:
    """Return the document unchanged: 2.2.1 has every field and value of 2.2."""
    return dict(document)


def down(kind: Kind, document: Mapping[str, Any], known: Known = NOTHING_KNOWN) -> Converted:
    """Leave out what 2.2 does not know, or express it in values of 2.2."""
    first = v2_2_1.down(kind, document)
    convert = _BY_KIND.get(kind)
    if convert is None or first.held:
        return first
    work = _Down()
    converted = convert(work, first.document)
    if converted is None:
        return Converted({}, held="2.2 has a type for none of its connectors")
    return Converted(converted, (*first.losses, *work.losses))


def status_code(code: int) -> int:
    """Answer 3000 for 4000, which 2.2 does not have (V22-29)."""
    return 3000 if code == 4000 else code
