"""Odd tokens. Whether a driver may charge is never guessed: `valid` is read or the token is refused."""

from __future__ import annotations

from decimal import Decimal

from tests.reading.shapes.shape import GONE, Shape, aside, kept, read_as, refused
from tests.reading.shapes.times import instants, missing


def tokens(arrived: str) -> list[Shape]:
    """Make the shapes of a token. arrived: the time of its arrival."""
    return [*_identity(), *_use(), *_texts(), *instants(), *missing(arrived)]


def _identity() -> list[Shape]:
    return [
        read_as("party_id missing", {"party_id": GONE}),
        read_as("country_code missing", {"country_code": GONE}),
        read_as("uid missing", {"uid": GONE}),
        read_as("contract_id missing, auth_id of 2.1.1 there",
                {"contract_id": GONE, "auth_id": "PT-GLP-C12345678-X"}, {"auth_id": "PT-GLP-C12345678-X"}),
        refused("contract_id missing, and no auth_id", {"contract_id": GONE}, "contract_id"),
        refused("contract_id with 40 characters", {"contract_id": "PT-GLP-" + "C" * 33}, "contract_id"),
        read_as("contract_id as a number", {"contract_id": 12345678}, {"contract_id": "12345678"}),
        read_as("type in small letters", {"type": "rfid"}),
        read_as("type missing", {"type": GONE}),
        aside("group_id empty", {"group_id": ""}),
        read_as("group_id as a number", {"group_id": 7}, {"group_id": "7"}),
        refused("another uid than in the URL", {"uid": "0102B"}, "uid"),
    ]  # fmt: skip


def _use() -> list[Shape]:
    return [
        read_as('valid "true"', {"valid": "true"}),
        read_as('valid "FALSE"', {"valid": "FALSE"}, {"valid": False}),
        read_as("valid 1", {"valid": 1}),
        read_as("valid 0", {"valid": 0}, {"valid": False}),
        refused("valid missing", {"valid": GONE}, "valid"),
        refused("valid as a date", {"valid": "2027-01-01"}, "valid"),
        read_as("whitelist in small letters", {"whitelist": "never"}),
        read_as("whitelist missing: ask each time", {"whitelist": GONE}),
        read_as("whitelist null: ask each time", {"whitelist": None}),
        read_as("default_profile_type in small letters", {"default_profile_type": "green"}),
        aside("default_profile_type empty", {"default_profile_type": ""}),
        kept("unknown values in capitals", {"whitelist": "SOMETIMES", "default_profile_type": "SLOW"}),
    ]


def _texts() -> list[Shape]:
    return [
        read_as("language with a region", {"language": "pt-PT"}),
        read_as("language en-GB", {"language": "en-GB"}, {"language": "en"}),
        read_as("language in capitals", {"language": "PT"}),
        aside("language empty", {"language": ""}),
        aside("language as a name", {"language": "Portuguese"}),
        read_as("visual_number as a number", {"visual_number": 4711}, {"visual_number": "4711"}),
        read_as("visual_number 4711.0", {"visual_number": Decimal("4711.0")}, {"visual_number": "4711.0"}),
        aside("visual_number too long", {"visual_number": "9" * 70}),
        read_as("issuer missing", {"issuer": GONE}, {"issuer": ""}),
        read_as("issuer null", {"issuer": None}, {"issuer": ""}),
        read_as("issuer with a line feed", {"issuer": "Galp\n"}),
        aside("energy_contract as a text", {"energy_contract": "Sol"}),
        aside("energy_contract empty", {"energy_contract": {}}),
        aside("contract_id of the energy contract too long", {"energy_contract.contract_id": "S" * 70}),
    ]
