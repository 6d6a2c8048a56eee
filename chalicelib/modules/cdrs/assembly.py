"""Draft of a CDR and the explanation of its price, made from a session and its start snapshot.

Pure functions. The pricing engine computes the price, with the time zone of the location and the tariffs that
were recorded when the session began.

CDR and explanation are in one DynamoDB item of at most 400 KB. So the explanation is compressed, and what
would be too large is shortened.

Source: OCPI 2.2.1 mod_cdrs_cdr_object; CDR-10, CDR-13 … CDR-16, TRP-36
"""

from __future__ import annotations

import zlib
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, NamedTuple

from chalicelib.errors import InvalidParameters, NotEnoughInformation
from chalicelib.modules.cdr_comparison import compare_total_cost
from chalicelib.modules.cdrs.session_periods import ToPrice, has_all_energy, to_price
from chalicelib.modules.cdrs.start_snapshots import StartSnapshot
from chalicelib.pricing.costs import Priced, refuse_undecided
from chalicelib.pricing.joining import join_same_prices
from chalicelib.pricing.json_fields import Remark
from chalicelib.pricing.plausibility import Implausible, find_impossible, usual_power_kw
from chalicelib.pricing.price_request import TIME_PRICES_PER_MINUTE, price_request
from chalicelib.pricing.statement import cdr_fields, write_statement
from chalicelib.pricing.work_limits import Work
from chalicelib.protocol.json_text import Document, read_json, write_json
from chalicelib.protocol.types import fold, parse_datetime
from chalicelib.settings import Tolerance
from chalicelib.storage.items import LARGEST_ITEM

_LARGEST_CDR = LARGEST_ITEM - 8 * 1024
"""Most bytes of a CDR with its price explanation; the other 8 KB are for the item's other attributes."""

_KWH_DECIMALS = 4
_MADE_OF_PERIODS = ("meter_readings", "charging_states")
_OF_SESSION = ("cdr_token", "auth_method", "authorization_reference", "meter_id")
_TOKEN_KEY = ("country_code", "party_id", "uid", "type")


@dataclass(frozen=True)
class CdrDraft:
    """A CDR without `id` and `last_updated`.

    why: the price explanation, that is the breakdown and the warnings. priced: the result of the pricing
    engine.
    """

    cdr: Document
    why: Document
    priced: Priced


class FinishedDraft(NamedTuple):
    """A draft that fits into an item. reasons: its price explanation, packed."""

    cdr: Document
    reasons: str


class PricedSession(NamedTuple):
    """A session with its price. price: the fields of a CDR that the pricing engine computed.

    remarks: warnings about the session itself.
    """

    priced: Priced
    price: Document
    remarks: list[Document]


def price_session(
    session: Mapping[str, Any],
    start: StartSnapshot,
    profile: str | None = None,
    time_prices_per_minute: bool = False,
    *,
    now: datetime | None = None,
    is_released: bool = False,
    work: Work | None = None,
) -> PricedSession:
    """Price a session that has ended.

    profile: `profile_type` of the accepted charging preferences. time_prices_per_minute: see
    `time_prices.py`. now: needed to recognise an end in the future. is_released: the operator wants a CDR
    although the quantities are impossible. work: limit on the work of the pricing engine.

    Raises: Implausible when quantities are impossible; InvalidParameters, NotEnoughInformation, with the
    field, when the session has no price.
    """
    _refuse_incomplete(session, start)
    impossible = _find_impossible(session, start, now)
    if impossible and not is_released:
        raise Implausible(impossible[0].message, field=impossible[0].field)
    priceable = to_price(session, start.time_zone, start.reserved_from, profile)
    priced = _extend_to_end(
        _price(start, priceable.session, time_prices_per_minute, work), priceable, session
    )
    refuse_undecided(priced)
    price = cdr_fields(priced)
    _refuse_mismatch(session, price)
    released = _release_remarks(impossible) if is_released else []
    return PricedSession(priced, price, [*released, *priceable.remarks])


def draft_cdr(
    session: Mapping[str, Any],
    start: StartSnapshot,
    profile: str | None = None,
    time_prices_per_minute: bool = False,
    *,
    now: datetime | None = None,
    is_released: bool = False,
    work: Work | None = None,
) -> CdrDraft:
    """Price a session that has ended and draft its CDR. Arguments and errors: as in `price_session`."""
    priced, price, remarks = price_session(
        session, start, profile, time_prices_per_minute, now=now, is_released=is_released, work=work
    )
    return CdrDraft(_cdr(session, start, price), _explain(priced, remarks), priced)


def _refuse_incomplete(session: Mapping[str, Any], start: StartSnapshot) -> None:
    """Refuse a session that lacks what a price needs. Raises: NotEnoughInformation."""
    if start.location is None:
        text = f"connector {session['evse_uid']}/{session['connector_id']} of the session is unknown"
        raise NotEnoughInformation(text, field="location_id")
    if not start.tariffs:
        raise NotEnoughInformation("no tariff is known for this session", field="tariffs")
    if session.get("end_date_time") is None:
        raise NotEnoughInformation("the session has no end", field="end_date_time")


def _find_impossible(session: Mapping[str, Any], start: StartSnapshot, now: datetime | None) -> list[Remark]:
    """List the impossible quantities of a session."""
    assert start.location is not None
    max_kw = start.max_kw or usual_power_kw(start.location.get("connector_power_type"))
    begins = parse_datetime(start.reserved_from) if start.reserved_from else None
    return list(find_impossible(session, session["kwh"], max_kw, begins, now))


def _refuse_mismatch(session: Mapping[str, Any], price: Document) -> None:
    """Refuse a price that does not fit its session.

    Raises: NotEnoughInformation when no tariff was used; InvalidParameters when currency or energy differ.
    """
    if price["currency"] is None:
        raise NotEnoughInformation("no tariff is relevant to any part of this session", field="tariffs")
    if price["currency"].upper() != session["currency"].upper():
        text = f"the tariff is in {price['currency']}, the session in {session['currency']}"
        raise InvalidParameters(text, field="currency")
    count = len(session.get("charging_periods") or ())
    if not has_all_energy(session["kwh"], price["total_energy"], count):
        text = f"of {session['kwh']} kWh only {price['total_energy']} kWh can be priced"
        raise InvalidParameters(text, field="kwh")


def _cdr(session: Mapping[str, Any], start: StartSnapshot, price: Document) -> Document:
    """Build a priced CDR, with the tariffs that its charging periods name."""
    assert start.location is not None
    relevant = {fold(period.get("tariff_id") or "") for period in price["charging_periods"]}
    return make_cdr(
        session,
        price["charging_periods"][0]["start_date_time"],
        start.location,
        token_of(session, start.token),
        [tariff for tariff in start.tariffs if fold(tariff["id"]) in relevant],
        price,
    )


def token_of(session: Mapping[str, Any], at_start: Mapping[str, Any] | None) -> Document:
    """Choose the token as recorded at the start, unless the session has another token now (CDR-13)."""
    token: Document = session["cdr_token"]
    if at_start is not None and all(fold(at_start[name]) == fold(token[name]) for name in _TOKEN_KEY):
        return dict(at_start)
    return token


def make_cdr(
    session: Mapping[str, Any],
    start_date_time: str,
    place: Mapping[str, Any],
    token: Mapping[str, Any],
    tariffs: Sequence[Mapping[str, Any]],
    price: Mapping[str, Any],
) -> Document:
    """Build a CDR without `id` and `last_updated`. price: the fields that the pricing engine computed."""
    copied = {name: session[name] for name in _OF_SESSION if session.get(name) is not None}
    return {
        "country_code": session["country_code"],
        "party_id": session["party_id"],
        "start_date_time": start_date_time,
        "end_date_time": session["end_date_time"],
        "session_id": session["id"],
        **copied,
        "cdr_token": token,
        "cdr_location": place,
        "tariffs": list(tariffs),
        **price,
    }


def _explain(priced: Priced, remarks: Sequence[Document]) -> Document:
    """Write the price explanation of a CDR. remarks: warnings that come before those of the price."""
    statement = write_statement(priced)
    warnings = [{**each, "field": _in_session(each["field"])} for each in statement["warnings"]]
    return {"breakdown": statement["breakdown"], "warnings": [*remarks, *warnings]}


def _release_remarks(impossible: Sequence[Remark]) -> list[Document]:
    text = "the operator has this session billed though its quantities looked impossible"
    release = Remark("released_by_operator", impossible[0].field if impossible else "", text)
    return [each.to_document() for each in (release, *impossible)]


def _price(
    start: StartSnapshot, priceable: Document, time_prices_per_minute: bool, work: Work | None
) -> Priced:
    request = {
        "tariffs": list(start.tariffs),
        "session": priceable,
        TIME_PRICES_PER_MINUTE: time_prices_per_minute,
    }
    try:
        return price_request(request, kwh_decimals=_KWH_DECIMALS, work=work)
    except (InvalidParameters, NotEnoughInformation) as error:
        raise type(error)(error.detail, field=_in_session(error.field or "session")) from error


def _extend_to_end(priced: Priced, priceable: ToPrice, session: Mapping[str, Any]) -> Priced:
    """Extend a priced session to its end, when it lasted longer than its periods without charging energy."""
    end = parse_datetime(session["end_date_time"])
    if priceable.until == end or priced.usage.is_expired:
        return priced
    return replace(priced, usage=replace(priced.usage, end=end))


def _in_session(field: str) -> str:
    """Map a field of the price request to the field of the session that it was made from.

    >>> _in_session("session.end_date_time"), _in_session("session.meter_readings.2.kwh")
    ('end_date_time', 'charging_periods')
    """
    name = field.removeprefix("session.")
    return "charging_periods" if name.partition(".")[0] in _MADE_OF_PERIODS else name


# -- ready for the table --------------------------------------------------------------------------------


def finish_draft(draft: CdrDraft, session: Mapping[str, Any], tolerance: Tolerance) -> FinishedDraft:
    """Shorten a draft that is too large, compare it with its session's cost, and pack its explanation."""
    draft = _remark_on_session_cost(_shrink_to_fit(draft), session, tolerance)
    return FinishedDraft(draft.cdr, _pack_beside(draft.cdr, draft.why))


def _shrink_to_fit(draft: CdrDraft) -> CdrDraft:
    """Join neighbouring charging periods of one price, with a warning, if a draft is too large to store."""
    if _fits(draft.cdr):
        return draft
    cdr = {**draft.cdr, **cdr_fields(join_same_prices(draft.priced))}
    before, after = (len(each["charging_periods"]) for each in (draft.cdr, cdr))
    if before == after:
        return draft
    text = (
        f"the CDR would be too large with {before} charging periods: those of one price are joined to {after}"
    )
    remark = Remark("periods_joined", "charging_periods", text).to_document()
    return replace(draft, cdr=cdr, why={**draft.why, "warnings": [*draft.why["warnings"], remark]})


def _remark_on_session_cost(draft: CdrDraft, session: Mapping[str, Any], tolerance: Tolerance) -> CdrDraft:
    """Add a warning for each amount in which the `total_cost` of the session differs from that of the CDR."""
    if session.get("total_cost") is None:
        return draft
    differences = compare_total_cost(draft.cdr, session, tolerance)
    remarks = [
        {
            "code": "total_cost_disagrees",
            "field": each.field,
            "message": f"the session has {each.theirs}, its CDR {each.ours}",
        }
        for each in differences
        if each.theirs is not None
    ]
    return replace(draft, why={**draft.why, "warnings": [*draft.why["warnings"], *remarks]})


def _fits(cdr: Document, packed: str = "") -> bool:
    """Return whether a CDR can be stored. packed: its price explanation, if it has one."""
    return len(write_json(cdr).encode()) + len(packed) <= _LARGEST_CDR


def _pack_beside(cdr: Document, why: Document) -> str:
    """Pack the price explanation of a CDR; without its lines for periods if both would be too large."""
    packed = pack_reasons(why)
    if _fits(cdr, packed):
        return packed
    text = "the breakdown of the charging periods is left out: it is too large to be kept beside the CDR"
    warnings = [*why["warnings"], {"code": "breakdown_cut", "field": "", "message": text}]
    return pack_reasons({**why, "breakdown": {**why["breakdown"], "periods": []}, "warnings": warnings})


def pack_reasons(why: Mapping[str, Any]) -> str:
    """Compress a price explanation to text.

    It has a line for each charging period, so it can be several times as long as the CDR.
    """
    return b64encode(zlib.compress(write_json(why).encode())).decode()


def read_reasons(text: str) -> dict[str, Any]:
    """Read a price explanation that `pack_reasons` wrote."""
    why: dict[str, Any] = read_json(zlib.decompress(b64decode(text)))
    return why
