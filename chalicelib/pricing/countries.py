"""Derives the time zone of a CDR from its country, because a CDR in OCPI has no time zone.

For a country with several zones, the zone of most of its people is taken. For the islands of Portugal and
Spain the coordinates decide.

Source: OCPI 2.2.1 mod_cdrs_cdr_location_class; TAR-12
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

# ISO 3166-1 alpha-3 and alpha-2 code, then the zone; `*` marks a country with several zones.
_ZONES = """
ALB AL Europe/Tirane;AND AD Europe/Andorra;ARE AE Asia/Dubai;ARG AR America/Argentina/Buenos_Aires;
AUS AU Australia/Sydney*;AUT AT Europe/Vienna;BEL BE Europe/Brussels;BGR BG Europe/Sofia;
BIH BA Europe/Sarajevo;BLR BY Europe/Minsk;BRA BR America/Sao_Paulo*;CAN CA America/Toronto*;
CHE CH Europe/Zurich;CHL CL America/Santiago*;CHN CN Asia/Shanghai;COL CO America/Bogota;
CRI CR America/Costa_Rica;CYP CY Asia/Nicosia;CZE CZ Europe/Prague;DEU DE Europe/Berlin;
DNK DK Europe/Copenhagen;EGY EG Africa/Cairo;ESP ES Europe/Madrid*;EST EE Europe/Tallinn;
FIN FI Europe/Helsinki;FRA FR Europe/Paris;FRO FO Atlantic/Faroe;GBR GB Europe/London;
GEO GE Asia/Tbilisi;GIB GI Europe/Gibraltar;GRC GR Europe/Athens;HKG HK Asia/Hong_Kong;
HRV HR Europe/Zagreb;HUN HU Europe/Budapest;IDN ID Asia/Jakarta*;IND IN Asia/Kolkata;
IRL IE Europe/Dublin;ISL IS Atlantic/Reykjavik;ISR IL Asia/Jerusalem;ITA IT Europe/Rome;
JOR JO Asia/Amman;JPN JP Asia/Tokyo;KOR KR Asia/Seoul;LIE LI Europe/Vaduz;
LTU LT Europe/Vilnius;LUX LU Europe/Luxembourg;LVA LV Europe/Riga;MAR MA Africa/Casablanca;
MCO MC Europe/Monaco;MDA MD Europe/Chisinau;MEX MX America/Mexico_City*;MKD MK Europe/Skopje;
MLT MT Europe/Malta;MNE ME Europe/Podgorica;MYS MY Asia/Kuala_Lumpur;NLD NL Europe/Amsterdam;
NOR NO Europe/Oslo;NPL NP Asia/Kathmandu;NZL NZ Pacific/Auckland*;POL PL Europe/Warsaw;
PRT PT Europe/Lisbon*;QAT QA Asia/Qatar;ROU RO Europe/Bucharest;RUS RU Europe/Moscow*;
SAU SA Asia/Riyadh;SGP SG Asia/Singapore;SMR SM Europe/San_Marino;SRB RS Europe/Belgrade;
SVK SK Europe/Bratislava;SVN SI Europe/Ljubljana;SWE SE Europe/Stockholm;THA TH Asia/Bangkok;
TUN TN Africa/Tunis;TUR TR Europe/Istanbul;TWN TW Asia/Taipei;UKR UA Europe/Kyiv;
USA US America/New_York*;VAT VA Europe/Vatican;VNM VN Asia/Ho_Chi_Minh;ZAF ZA Africa/Johannesburg
"""
_ZONE_BY_CODE = {
    code: zone
    for alpha_3, alpha_2, zone in (each.split() for each in _ZONES.split(";"))
    for code in (alpha_3, alpha_2)
}
# (west of this longitude, zone); the first that fits counts.
_ISLANDS = {
    "PRT": ((Decimal(-24), "Atlantic/Azores"), (Decimal(-15), "Atlantic/Madeira"), (None, "Europe/Lisbon")),
    "ESP": ((Decimal(-13), "Atlantic/Canary"), (None, "Europe/Madrid")),
}


def zone_of(cdr: Mapping[str, Any]) -> tuple[str | None, bool]:
    """Find the time zone of a CDR's location, and whether it is certain.

    >>> zone_of({"cdr_location": {"country": "PRT", "coordinates": {"longitude": "-25.668"}}})
    ('Atlantic/Azores', True)
    >>> zone_of({"country_code": "pt"})
    ('Europe/Lisbon', False)
    """
    location = cdr.get("cdr_location")
    country = longitude = None
    if isinstance(location, Mapping):
        country = location.get("country")
        longitude = _longitude(location.get("coordinates"))
    if longitude is not None:
        for west_of, zone in _ISLANDS.get(str(country), ()):
            if west_of is None or longitude < west_of:
                return zone, True
    # Without a known country of the location, take that of the party: it is mostly the same.
    named = _ZONE_BY_CODE.get(str(country)) or _ZONE_BY_CODE.get(str(cdr.get("country_code")).upper())
    return (None, False) if named is None else (named.removesuffix("*"), not named.endswith("*"))


def _longitude(coordinates: Any) -> Decimal | None:
    try:
        return Decimal(str(coordinates["longitude"]))
    except (TypeError, KeyError, InvalidOperation):
        return None
