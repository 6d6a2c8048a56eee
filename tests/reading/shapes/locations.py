"""Odd locations, EVSEs and connectors. Seen in feeds, mock hubs, libraries and code of OCPI 2.1.1."""

from __future__ import annotations

from decimal import Decimal

from tests.reading.shapes.shape import GONE, Shape, aside, kept, read_as, refused
from tests.reading.shapes.times import instants, missing
from tests.reading.shapes.whole import connector, evse

_HOURS = "opening_times.regular_hours"
_MONDAY_LATE = {
    _HOURS: [
        {"weekday": 1, "period_begin": "08:00", "period_end": "00:00"},
        {"weekday": 2, "period_begin": "00:00", "period_end": "02:00"},
    ]
}
_MONDAY_TO_TUESDAY = {"weekday": 1, "period_begin": "08:00", "period_end": "02:00"}
_FULL_DAY = {"weekday": 1, "period_begin": "00:00", "period_end": "24:00"}


def locations(arrived: str) -> list[Shape]:
    """Make the shapes of a whole location. arrived: the time of its arrival."""
    return [*_identity(), *_place(), *_texts(), *_hours(), *_parts(), *instants(), *missing(arrived)]


def _identity() -> list[Shape]:
    return [
        read_as("country_code missing, as it is in the URL", {"country_code": GONE}),
        read_as("party_id missing, as it is in the URL", {"party_id": GONE}),
        read_as("id missing, as it is in the URL", {"id": GONE}),
        read_as("no ids at all", {"country_code": GONE, "party_id": GONE, "id": GONE}),
        read_as("party_id null", {"party_id": None}),
        read_as("country_code empty", {"country_code": ""}),
        read_as("publish missing: not published", {"publish": GONE}, {"publish": False}),
        read_as("publish null: not published", {"publish": None}, {"publish": False}),
        read_as('publish "true"', {"publish": "true"}),
        read_as('publish "False"', {"publish": "False"}, {"publish": False}),
        refused("two EVSEs with one uid", {"evses": [evse(), evse()]}, "evses"),
        refused("another id than in the URL", {"id": "L2"}, "id"),
        refused("another party than in the URL", {"party_id": "XYZ"}, "party_id"),
        refused("an id that is a list", {"id": ["L1", "L2"]}, "id"),
    ]


def _place() -> list[Shape]:
    latitude, longitude = "coordinates.latitude", "coordinates.longitude"
    return [
        read_as("country alpha-2", {"country": "PT"}),
        read_as("country alpha-2 in small letters", {"country": "pt"}),
        read_as("country alpha-3 in small letters", {"country": "prt"}),
        read_as("country with a space", {"country": "PRT "}),
        refused("country that is no country", {"country": "Iberia"}, "country"),
        read_as("coordinates with 3 decimals", {latitude: "38.720"}),
        read_as("coordinates with 2 decimals", {latitude: "38.72", longitude: "-9.15"},
                {longitude: "-9.15000"}),
        read_as("coordinates in whole degrees", {latitude: "38"}, {latitude: "38.00000"}),
        read_as("coordinates with +", {latitude: "+38.72000"}),
        read_as("coordinates with a comma", {latitude: "38,72000"}),
        read_as("coordinates with spaces", {latitude: " 38.72000 "}),
        read_as("coordinates with 8 decimals", {longitude: "-9.15000004"}),
        read_as("coordinates with 15 decimals", {latitude: "38.720000000000001"},
                {latitude: "38.7200000"}),
        read_as("coordinates as numbers", {latitude: Decimal("38.72"), longitude: Decimal("-9.15")},
                {longitude: "-9.15000"}),
        refused("coordinates out of range", {latitude: "387.20000"}, latitude),
        refused("coordinates of 30 digits", {latitude: 10**30}, latitude),
        refused("coordinates missing", {"coordinates": GONE}, "coordinates"),
        aside("coordinates of an EVSE empty", {"evses.0.coordinates": {"latitude": "", "longitude": ""}},
              "evses.0.coordinates"),
        aside("coordinates of an EVSE null", {"evses.0.coordinates": {"latitude": None, "longitude": None}},
              "evses.0.coordinates"),
        read_as("time_zone in small letters", {"time_zone": "europe/lisbon"}),
        read_as("time_zone with spaces", {"time_zone": " Europe/Lisbon "}),
        read_as("time_zone that is none", {"time_zone": "WEZ/Sommer"}, {"time_zone": "Europe/Lisbon"}),
        read_as("postal_code as a number", {"postal_code": 1250}, {"postal_code": "1250"}),
        aside("postal_code too long", {"postal_code": "1250-096 Lisboa"}),
    ]  # fmt: skip


def _texts() -> list[Shape]:
    text, language = "directions.0.text", "directions.0.language"
    return [
        read_as("language in capitals", {language: "PT"}),
        read_as("language with a region", {language: "pt-PT"}),
        read_as("language with a region, as Java writes it", {language: "pt_PT"}),
        aside("language as a name", {"evses.0.directions.0.language": "Portuguese"}, "evses.0.directions.0"),
        aside("directions as a text", {"directions": "Rua acima"}),
        read_as("directions as an object", {"directions": {"language": "pt", "text": "Rua acima"}}),
        aside("directions empty", {"directions": ""}),
        read_as("text with CR LF", {text: "Rua\r\nacima"}),
        read_as("text with a tabulator", {text: "Rua\tacima"}),
        read_as("name with a line feed at the end", {"name": "Salitre\n"}),
        read_as("name as a number", {"name": 12}, {"name": "12"}),
        aside("name too long", {"name": "x" * 300}),
        kept("name with letters of other scripts", {"name": "Σαλιτρε – São João №1"}),
        kept("unknown fields", {"evse_count": 1, "evses.0.connectors.0.soc": None}),
        kept("unknown values in capitals", {"facilities": ["CAFE", "SAUNA"], "evses.0.status": "OCCUPIED"}),
    ]


def _hours() -> list[Shape]:
    begin, end = f"{_HOURS}.0.period_begin", f"{_HOURS}.0.period_end"
    always = {"opening_times": {"twentyfourseven": True}}
    return [
        read_as("period 8:00", {begin: "8:00"}),
        read_as("period with seconds", {begin: "08:00:00", end: "20:00:00"}),
        read_as("period with spaces", {begin: " 08:00"}),
        read_as("open until 24:00", {end: "24:00"}, {end: "00:00"}),
        kept("open until 00:00", {end: "00:00"}),
        read_as("open past midnight", {_HOURS: [_MONDAY_TO_TUESDAY]}, _MONDAY_LATE),
        read_as("weekday as a text", {f"{_HOURS}.0.weekday": "1"}),
        read_as("weekday by name", {f"{_HOURS}.0.weekday": "MONDAY"}),
        read_as("twentyfourseven true with regular_hours",
                {"opening_times": {"twentyfourseven": True, "regular_hours": [_FULL_DAY]}}, always),
        read_as('twentyfourseven "false"', {"opening_times.twentyfourseven": "false"}),
        read_as("twentyfourseven null with regular_hours", {"opening_times.twentyfourseven": None}),
        read_as("twentyfourseven missing with regular_hours", {"opening_times.twentyfourseven": GONE}),
        aside("twentyfourseven false without hours", {"opening_times": {"twentyfourseven": False}}),
        aside("opening_times empty", {"opening_times": {}}),
        aside("opening_times as a text", {"opening_times": "Mo-Fr 08:00-20:00"}),
    ]  # fmt: skip


def _parts() -> list[Shape]:
    category = {"images.0": GONE}
    return [
        read_as("image without category", {"images.0.category": GONE}, {"images.0.category": "OTHER"}),
        read_as("image with a category in small letters", {"images.0.category": "charger"}),
        read_as("image with a relative URL", {"images.0.url": "/img/l1.png"}, category),
        read_as("image with the media type", {"images.0.type": "image/png"}),
        read_as("image with widths as text", {"images.0.width": "800", "images.0.height": "600.0"}),
        aside("image with an empty thumbnail", {"images.0.thumbnail": ""}),
        read_as("operator website without scheme", {"operator.website": "www.edp.example"},
                {"operator.website": "https://www.edp.example"}),
        aside("operator website empty", {"operator.website": ""}),
        aside("operator website null text", {"operator.website": "n/a"}),
        aside("operator logo as a URL", {"operator.logo": "https://img.example/logo.png"}),
        aside("operator as a text", {"operator": "EDP"}),
        aside("suboperator without a name", {"suboperator.name": GONE}, "suboperator"),
        aside("owner empty", {"owner": {}}),
        aside("operator with nulls only", {"operator": {"name": None, "logo": {"url": None, "type": None}}}),
        aside("energy_mix with nulls only", {"energy_mix": {"is_green_energy": None, "supplier_name": ""}}),
        aside("opening_times with nulls only", {"opening_times": {"twentyfourseven": None}}),
        read_as("operator in a list", {"operator": [{"name": "EDP"}]}, {"operator": {"name": "EDP"}}),
        aside("parking_type empty", {"parking_type": ""}),
        read_as("parking_type in small letters", {"parking_type": "on_street"}),
        read_as("facilities in small letters", {"facilities": ["cafe", "Wifi"]}),
        read_as("facilities with a null", {"facilities": ["CAFE", None, "WIFI"]}),
        read_as("facilities as one text", {"facilities": "CAFE"}, {"facilities": ["CAFE"]}),
        read_as('charging_when_closed "true"', {"charging_when_closed": "true"}),
        read_as("charging_when_closed 1", {"charging_when_closed": 1}),
        aside("charging_when_closed empty", {"charging_when_closed": ""}),
        aside("related location with a name that is a text", {"related_locations.0.name": "Entrada"}),
        read_as('is_green_energy "true"', {"energy_mix.is_green_energy": "true"}),
        read_as("percentage as a text", {"energy_mix.energy_sources.0.percentage": "100"}),
        read_as("energy source in small letters", {"energy_mix.energy_sources.0.source": "solar"}),
        read_as("environ_impact as an object",
                {"energy_mix.environ_impact": {"category": "CARBON_DIOXIDE", "amount": 3}}),
        aside("energy_mix empty", {"energy_mix": {}}),
        refused("publish_allowed_to of a published location", {"publish_allowed_to": [{"group_id": "G1"}]},
                "publish_allowed_to"),
        read_as("evses as an object", {"evses": evse()}),
    ]  # fmt: skip


def evses() -> list[Shape]:
    """Make the shapes of an EVSE, alone or in its location."""
    return [
        aside("floor_level too long", {"floor_level": "Level -1, B"}),
        read_as("floor_level as a number", {"floor_level": -1}),
        read_as("physical_reference as a number", {"physical_reference": 3}),
        aside("physical_reference too long", {"physical_reference": "second from the left"}),
        read_as("status in small letters", {"status": "available"}),
        read_as("status with a capital", {"status": "Available"}),
        read_as("status in camel case", {"status": "OutOfOrder"}, {"status": "OUTOFORDER"}),
        read_as("uid missing, as it is in the URL", {"uid": GONE}),
        aside("evse_id too long", {"evse_id": "PT*EDP*E" + "1" * 50}),
        aside("evse_id empty", {"evse_id": ""}),
        read_as("capabilities in small letters",
                {"capabilities": ["rfid_reader", "remote_start_stop_capable"]}),
        read_as("capabilities with spaces", {"capabilities": ["RFID_READER ", " REMOTE_START_STOP_CAPABLE"]}),
        read_as("capabilities as one text", {"capabilities": "RFID_READER"},
                {"capabilities": ["RFID_READER"]}),
        aside("capabilities empty", {"capabilities": ""}),
        read_as("parking_restrictions as one text", {"parking_restrictions": "ev_only"}),
        aside("parking_restrictions empty", {"parking_restrictions": ""}),
        aside("status_schedule without a status", {"status_schedule.0.status": GONE}, "status_schedule"),
        read_as("status_schedule with offsets",
                {"status_schedule.0.period_begin": "2026-03-01T10:00:00+01:00"}),
        read_as("image without category", {"images.0.category": GONE}, {"images.0.category": "OTHER"}),
        read_as("connectors as an object", {"connectors": connector()}),
        read_as("max_voltage as text", {"connectors.0.max_voltage": "230"}),
        read_as("last_updated of a connector missing", {"connectors.0.last_updated": GONE}),
        *instants(),
    ]  # fmt: skip


def connectors() -> list[Shape]:
    """Make the shapes of a connector, alone or in its EVSE."""
    return [
        read_as("max_voltage as text", {"max_voltage": "230"}),
        read_as("max_voltage 230.0", {"max_voltage": Decimal("230.0")}),
        read_as("max_voltage as text with decimals", {"max_voltage": "230.0"}),
        read_as("max_amperage 15.7", {"max_amperage": Decimal("15.7")}, {"max_amperage": 16}),
        read_as("max_electric_power as text", {"max_electric_power": "22000"}),
        aside("max_electric_power empty", {"max_electric_power": ""}),
        aside("max_electric_power with a unit", {"max_electric_power": "22 kW"}),
        read_as("id as a number", {"id": 1}),
        read_as("standard in small letters", {"standard": "iec_62196_t2"}),
        read_as("standard in capitals", {"standard": "IEC_60309_2_SINGLE_16"},
                {"standard": "IEC_60309_2_single_16"}),
        read_as("format in small letters", {"format": "socket"}),
        read_as("power_type in small letters", {"power_type": "ac_3_phase"}),
        read_as("tariff_ids as one text", {"tariff_ids": "T1"}),
        aside("tariff_ids empty", {"tariff_ids": ""}),
        aside("terms_and_conditions empty", {"terms_and_conditions": ""}),
        read_as("terms_and_conditions without scheme", {"terms_and_conditions": "edp.example/terms"}),
        refused("standard missing", {"standard": GONE}, "standard"),
        *instants(),
    ]  # fmt: skip
