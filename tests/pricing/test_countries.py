"""Time zone of a CDR's country. Source: OCPI 2.2.1 mod_cdrs_cdr_location_class; TAR-12"""

from __future__ import annotations

from importlib import resources
from zoneinfo import ZoneInfo

import pytest

from chalicelib.pricing import countries
from chalicelib.pricing.countries import zone_of

# ISO 3166-1 alpha-3 and alpha-2 code, then the zone; `*` marks a country whose CDRs get a warning.
CHECKED = """
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
EXPECTED = [tuple(line.split()) for line in CHECKED.split(";")]


@pytest.mark.parametrize(("alpha_3", "alpha_2", "marked"), EXPECTED)
def test_a_country_has_the_zone_of_most_of_its_people(alpha_3: str, alpha_2: str, marked: str) -> None:
    expected = (marked.removesuffix("*"), not marked.endswith("*"))

    assert zone_of({"cdr_location": {"country": alpha_3}}) == expected
    assert zone_of({"cdr_location": {"country": alpha_2}}) == expected
    assert zone_of({"country_code": alpha_2.lower()}) == expected


def test_every_country_of_the_iana_database_has_one_alpha_3_code() -> None:
    table = resources.files("tzdata").joinpath("zoneinfo/iso3166.tab").read_text(encoding="utf-8")
    listed = [line[:2] for line in table.splitlines() if line[:1] not in ("", "#")]

    assert sorted(countries._ALPHA_2.values()) == sorted(listed)
    assert len(countries._ALPHA_2) == len(countries._CODES.split())


def test_every_zone_of_the_table_exists() -> None:
    zones = [zone.name for listed in countries._zones_by_country().values() for zone in listed]

    assert len(zones) > 400
    assert {ZoneInfo(zone).key for zone in zones} == set(zones)
    assert {*countries._MOST_PEOPLE.values()} <= set(zones)


@pytest.mark.parametrize(
    ("country", "longitude", "zone"),
    [
        ("PRT", "-25.668", "Atlantic/Azores"),
        ("PRT", "-24", "Atlantic/Madeira"),
        ("PRT", "-16.9", "Atlantic/Madeira"),
        ("PRT", "-15", "Europe/Lisbon"),
        ("ESP", "-15.4", "Atlantic/Canary"),
        ("ESP", "-13", "Europe/Madrid"),
    ],
)
def test_the_longitude_decides_for_the_islands(country: str, longitude: str, zone: str) -> None:
    location = {"country": country, "coordinates": {"longitude": longitude}}

    assert zone_of({"cdr_location": location}) == (zone, True)


def test_an_unknown_country_has_the_zone_of_the_party_or_none() -> None:
    assert zone_of({"cdr_location": {"country": "XXX"}, "country_code": "PT"}) == ("Europe/Lisbon", False)
    assert zone_of({"cdr_location": {"country": "XXX"}, "country_code": "XX"}) == (None, False)
    assert zone_of({}) == (None, False)


def test_a_country_outside_europe_has_the_first_zone_of_the_table() -> None:
    assert zone_of({"cdr_location": {"country": "KAZ"}}) == ("Asia/Almaty", False)
    assert zone_of({"cdr_location": {"country": "KEN"}}) == ("Africa/Nairobi", True)
