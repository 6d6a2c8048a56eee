"""Valid objects with every optional field, so that each field can be made odd."""

from __future__ import annotations

from decimal import Decimal

from chalicelib.protocol.json_text import Document
from tests.harness.partner_api import CPO, EMSP
from tests.modules import builders
from tests.modules.builders import T0, T1, T2, component, element
from tests.modules.sessions.builders import cdr_token, period

_OWNED_BY_CPO = {"country_code": CPO.country_code, "party_id": CPO.party_id}
_GREEN = {
    "is_green_energy": True,
    "energy_sources": [{"source": "SOLAR", "percentage": 100}],
    "environ_impact": [{"category": "CARBON_DIOXIDE", "amount": 3}],
    "supplier_name": "Sol",
    "energy_product_name": "Verde",
}
_POINT = {"latitude": "38.72000", "longitude": "-9.1500000"}


def _image(name: str) -> Document:
    return {
        "url": f"https://img.example/{name}.png",
        "thumbnail": f"https://img.example/{name}-small.png",
        "category": "CHARGER",
        "type": "png",
        "width": 800,
        "height": 600,
    }


def connector() -> Document:
    """Connector 1."""
    return builders.connector(
        max_electric_power=22000,
        tariff_ids=["T1"],
        terms_and_conditions="https://edp.example/terms",
    )


def evse() -> Document:
    """EVSE E1 with one connector."""
    return builders.evse(
        "E1",
        evse_id="PT*EDP*E1",
        status_schedule=[{"period_begin": T1, "period_end": T2, "status": "CHARGING"}],
        capabilities=["RFID_READER", "REMOTE_START_STOP_CAPABLE"],
        connectors=[connector()],
        floor_level="-1",
        coordinates=dict(_POINT),
        physical_reference="3",
        directions=[{"language": "pt", "text": "Ao fundo"}, {"language": "en", "text": "At the back"}],
        parking_restrictions=["EV_ONLY"],
        images=[_image("e1"), _image("e1-side")],
    )


def location() -> Document:
    """Location L1 with one EVSE."""
    return builders.location(
        **_OWNED_BY_CPO,
        name="Salitre",
        postal_code="1250-096",
        state="Lisboa",
        coordinates=dict(_POINT),
        related_locations=[{**_POINT, "name": {"language": "pt", "text": "Entrada"}}],
        parking_type="ON_STREET",
        evses=[evse()],
        directions=[{"language": "pt", "text": "Rua acima"}],
        operator={"name": "EDP", "website": "https://edp.example", "logo": _image("logo")},
        suboperator={"name": "Sub", "website": "https://sub.example"},
        owner={"name": "Dono"},
        facilities=["CAFE", "WIFI"],
        opening_times={
            "twentyfourseven": False,
            "regular_hours": [
                {"weekday": 1, "period_begin": "08:00", "period_end": "20:00"},
                {"weekday": 2, "period_begin": "09:00", "period_end": "18:00"},
            ],
            "exceptional_closings": [{"period_begin": T1, "period_end": T2}],
        },
        charging_when_closed=True,
        images=[_image("l1"), _image("l1-night")],
        energy_mix={**_GREEN},
        mobie_cpe="PT0002",
    )


def tariff() -> Document:
    """Tariff T1 with two elements, one of them restricted."""
    return builders.tariff(
        **_OWNED_BY_CPO,
        type="REGULAR",
        tariff_alt_text=[{"language": "pt", "text": "25 cent por kWh"}],
        tariff_alt_url="https://edp.example/tariffs/T1",
        min_price={"excl_vat": Decimal("0.50"), "incl_vat": Decimal("0.62")},
        max_price={"excl_vat": Decimal("50.00")},
        elements=[
            element(
                component(vat=Decimal("23.0")),
                restrictions={
                    "start_time": "08:00",
                    "end_time": "22:00",
                    "start_date": "2026-01-01",
                    "end_date": "2027-01-01",
                    "min_kwh": 1,
                    "max_kwh": Decimal("50.5"),
                    "min_duration": 60,
                    "max_duration": 7200,
                    "day_of_week": ["MONDAY", "TUESDAY"],
                },
            ),
            element(component("FLAT", price=1)),
        ],
        start_date_time=T0,
        end_date_time="2027-01-01T00:00:00Z",
        energy_mix={**_GREEN},
    )


def token() -> Document:
    """Token 0102A of an eMSP."""
    return builders.token(
        visual_number="PT-GLP-1",
        group_id="G1",
        language="pt",
        default_profile_type="GREEN",
        energy_contract={"supplier_name": "Sol", "contract_id": "SOL-1"},
    )


def session() -> Document:
    """Session S1 of a CPO."""
    return {
        **_OWNED_BY_CPO,
        "id": "S1",
        "start_date_time": T0,
        "end_date_time": T1,
        "kwh": Decimal("12.5"),
        "cdr_token": cdr_token(),
        "auth_method": "WHITELIST",
        "authorization_reference": "A1",
        "location_id": "L1",
        "evse_uid": "E1",
        "connector_id": "1",
        "meter_id": "M1",
        "currency": "EUR",
        "charging_periods": [period(T0, Decimal("12.5"), tariff_id="T1")],
        "total_cost": {"excl_vat": Decimal("3.13"), "incl_vat": Decimal("3.85")},
        "status": "ACTIVE",
        "last_updated": T1,
    }


def cdr() -> Document:
    """CDR C1 of a CPO."""
    return {
        **_OWNED_BY_CPO,
        "id": "C1",
        "start_date_time": T0,
        "end_date_time": T1,
        "session_id": "S1",
        "cdr_token": cdr_token(EMSP),
        "auth_method": "WHITELIST",
        "authorization_reference": "A1",
        "cdr_location": {
            "id": "L1",
            "name": "Salitre",
            "address": "Rua do Salitre 1",
            "city": "Lisboa",
            "postal_code": "1250-096",
            "state": "Lisboa",
            "country": "PRT",
            "coordinates": dict(_POINT),
            "evse_uid": "E1",
            "evse_id": "PT*EDP*E1",
            "connector_id": "1",
            "connector_standard": "IEC_62196_T2",
            "connector_format": "SOCKET",
            "connector_power_type": "AC_3_PHASE",
        },
        "meter_id": "M1",
        "currency": "EUR",
        "tariffs": [tariff()],
        "charging_periods": [period(T0, Decimal("12.5"), tariff_id="T1")],
        "signed_data": {
            "encoding_method": "OCMF",
            "encoding_method_version": 1,
            "public_key": "04AB",
            "signed_values": [{"nature": "Start", "plain_data": "1", "signed_data": "OCMF|1"}],
        },
        "total_cost": {"excl_vat": Decimal("3.13"), "incl_vat": Decimal("3.85")},
        "total_energy": Decimal("12.5"),
        "total_energy_cost": {"excl_vat": Decimal("3.13")},
        "total_time": 1,
        "total_time_cost": {"excl_vat": 0},
        "total_parking_time": Decimal("0.25"),
        "remark": "obrigado",
        "invoice_reference_id": "I1",
        "last_updated": T2,
    }
