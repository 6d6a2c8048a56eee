"""Derives the time zone of a CDR from its country, because a CDR in OCPI has no time zone.

The zones of a country are those of `zone.tab` in the IANA database (package tzdata). For a country with
several zones, the zone of most of its people is taken. For the islands of Portugal and Spain the coordinates
decide.

Source: OCPI 2.2.1 mod_cdrs_cdr_location_class; TAR-12
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from functools import cache
from importlib import resources
from math import cos, hypot, radians
from typing import Any, NamedTuple


class Zone(NamedTuple):
    """A time zone, and where its city is."""

    name: str
    latitude: float
    longitude: float


# ISO 3166-1: the alpha-3 code of each country, then its alpha-2 code, by which `zone.tab` lists zones.
_CODES = """
ABWAW AFGAF AGOAO AIAAI ALAAX ALBAL ANDAD AREAE ARGAR ARMAM ASMAS ATAAQ ATFTF ATGAG AUSAU AUTAT AZEAZ BDIBI
BELBE BENBJ BESBQ BFABF BGDBD BGRBG BHRBH BHSBS BIHBA BLMBL BLRBY BLZBZ BMUBM BOLBO BRABR BRBBB BRNBN BTNBT
BVTBV BWABW CAFCF CANCA CCKCC CHECH CHLCL CHNCN CIVCI CMRCM CODCD COGCG COKCK COLCO COMKM CPVCV CRICR CUBCU
CUWCW CXRCX CYMKY CYPCY CZECZ DEUDE DJIDJ DMADM DNKDK DOMDO DZADZ ECUEC EGYEG ERIER ESHEH ESPES ESTEE ETHET
FINFI FJIFJ FLKFK FRAFR FROFO FSMFM GABGA GBRGB GEOGE GGYGG GHAGH GIBGI GINGN GLPGP GMBGM GNBGW GNQGQ GRCGR
GRDGD GRLGL GTMGT GUFGF GUMGU GUYGY HKGHK HMDHM HNDHN HRVHR HTIHT HUNHU IDNID IMNIM INDIN IOTIO IRLIE IRNIR
IRQIQ ISLIS ISRIL ITAIT JAMJM JEYJE JORJO JPNJP KAZKZ KENKE KGZKG KHMKH KIRKI KNAKN KORKR KWTKW LAOLA LBNLB
LBRLR LBYLY LCALC LIELI LKALK LSOLS LTULT LUXLU LVALV MACMO MAFMF MARMA MCOMC MDAMD MDGMG MDVMV MEXMX MHLMH
MKDMK MLIML MLTMT MMRMM MNEME MNGMN MNPMP MOZMZ MRTMR MSRMS MTQMQ MUSMU MWIMW MYSMY MYTYT NAMNA NCLNC NERNE
NFKNF NGANG NICNI NIUNU NLDNL NORNO NPLNP NRUNR NZLNZ OMNOM PAKPK PANPA PCNPN PERPE PHLPH PLWPW PNGPG POLPL
PRIPR PRKKP PRTPT PRYPY PSEPS PYFPF QATQA REURE ROURO RUSRU RWARW SAUSA SDNSD SENSN SGPSG SGSGS SHNSH SJMSJ
SLBSB SLESL SLVSV SMRSM SOMSO SPMPM SRBRS SSDSS STPST SURSR SVKSK SVNSI SWESE SWZSZ SXMSX SYCSC SYRSY TCATC
TCDTD TGOTG THATH TJKTJ TKLTK TKMTM TLSTL TONTO TTOTT TUNTN TURTR TUVTV TWNTW TZATZ UGAUG UKRUA UMIUM URYUY
USAUS UZBUZ VATVA VCTVC VENVE VGBVG VIRVI VNMVN VUTVU WLFWF WSMWS YEMYE ZAFZA ZMBZM ZWEZW
"""
_ALPHA_2 = {code[:3]: code[3:] for code in _CODES.split()}
# Countries in which most people do not live in the first zone of `zone.tab`.
_MOST_PEOPLE = {
    "AU": "Australia/Sydney",
    "BR": "America/Sao_Paulo",
    "CA": "America/Toronto",
    "RU": "Europe/Moscow",
    "UA": "Europe/Kyiv",
}
# Countries with several zones whose first one counts as certain: nearly all people there have its time.
_CERTAIN = frozenset({"AR", "CN", "CY", "DE", "MY", "UA"})
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
        longitude = _degrees(location.get("coordinates"), "longitude")
    if longitude is not None:
        for west_of, zone in _ISLANDS.get(str(country), ()):
            if west_of is None or longitude < west_of:
                return zone, True
    # Without a known country of the location, take that of the party: it is mostly the same.
    found = _main_zone(str(country)) or _main_zone(str(cdr.get("country_code")).upper())
    return found or (None, False)


def nearest_zone(country: str, coordinates: Any) -> str | None:
    """Return the zone of a country (alpha-3) whose city in `zone.tab` is nearest to coordinates.

    None for an unknown country, or coordinates that are none. Near a border of two zones it may be the other
    one.

    >>> nearest_zone("USA", {"latitude": "34.052", "longitude": "-118.243"})
    'America/Los_Angeles'
    """
    zones = _zones_by_country().get(_ALPHA_2.get(country, country), ())
    latitude, longitude = _degrees(coordinates, "latitude"), _degrees(coordinates, "longitude")
    if latitude is None or longitude is None:
        return None
    width = cos(radians(float(latitude)))

    def distance(zone: Zone) -> float:
        return hypot(zone.latitude - float(latitude), (zone.longitude - float(longitude)) * width)

    return min(zones, key=distance).name if zones else None


def alpha_3_of(alpha_2: str) -> str | None:
    """Return the alpha-3 code of a country, None for an unknown code.

    >>> alpha_3_of("PT")
    'PRT'
    """
    return _alpha_3().get(alpha_2)


def alpha_2_of(alpha_3: str) -> str | None:
    """Return the alpha-2 code of a country, None for an unknown code.

    >>> alpha_2_of("PRT")
    'PT'
    """
    return _ALPHA_2.get(alpha_3)


@cache
def _alpha_3() -> dict[str, str]:
    return {short: long for long, short in _ALPHA_2.items()}


def _main_zone(country: str) -> tuple[str, bool] | None:
    """Find the time zone of most people of a country, by its alpha-3 or alpha-2 code; None if unknown."""
    code = _ALPHA_2.get(country, country)
    zones = _zones_by_country().get(code)
    if zones is None:
        return None
    return _MOST_PEOPLE.get(code, zones[0].name), len(zones) == 1 or code in _CERTAIN


@cache
def _zones_by_country() -> dict[str, list[Zone]]:
    """Read the zones of each country, by its alpha-2 code, in the order of `zone.tab`."""
    table = resources.files("tzdata").joinpath("zoneinfo/zone.tab").read_text(encoding="ascii")
    found: dict[str, list[Zone]] = {}
    for line in table.splitlines():
        if not line.startswith("#"):
            country, city, name, *_ = line.split("\t")
            latitude, longitude = re.findall(r"[+-][0-9]+", city)
            zone = Zone(name, _in_degrees(latitude, 2), _in_degrees(longitude, 3))
            found.setdefault(country, []).append(zone)
    return found


def _in_degrees(text: str, digits: int) -> float:
    """Read `+DDMM` or `+DDDMMSS`. digits: of the degrees.

    >>> _in_degrees("-0930", 2)
    -9.5
    """
    sign, degrees, minutes = text[0], text[1 : digits + 1], text[digits + 1 : digits + 3]
    return float(f"{sign}1") * (int(degrees) + int(minutes) / 60)


def _degrees(coordinates: Any, name: str) -> Decimal | None:
    try:
        degrees = Decimal(str(coordinates[name]))
    except (TypeError, KeyError, InvalidOperation):
        return None
    return degrees if degrees.is_finite() else None
