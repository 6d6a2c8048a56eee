"""Configuration of a deployment; the only reader of the environment.

- OCPI_PARTIES: JSON list of the roles this node plays, each
  `{"role", "country_code", "party_id", "business_details": {"name"}}`
- OCPI_TABLE: name of the DynamoDB table
- OCPI_BROADCASTS_QUEUE_URL: URL of the FIFO queue of pushes
- OCPI_CATCH_UP_QUEUE_URL: URL of the FIFO queue of pushes that may wait (default: the queue of pushes)
- OCPI_COMMANDS_QUEUE_URL: URL of the queue of pending steps of commands
- OCPI_BACKGROUND_QUEUE_URL: URL of the queue of work that nobody waits for
- OCPI_COMMAND_SECONDS: how long the CSMS has for a command (default 30)
- OCPI_KMS_KEY_ID: KMS key that encrypts tokens toward partners
- OCPI_PUBLIC_URL: public URL of a deployment with a domain of its own (default: the URL of API Gateway)
- OCPI_FRESHNESS_SECONDS: how long a push is retried before its partner is OFFLINE (default 60)
- OCPI_RETENTION_DAYS: JSON object, how many days after its last change an object is deleted, such as
  `{"sessions": 400}`; null is never, a module that is left out keeps the `retention_days` of its descriptor
  (docs/retention.md)
- OCPI_BROADCASTS_QUEUE, OCPI_CATCH_UP_QUEUE, OCPI_COMMANDS_QUEUE, OCPI_BACKGROUND_QUEUE, OCPI_STREAM_ARN:
  names of those queues and ARN of the table's stream, which Chalice subscribes to
- OCPI_PUSH_WORKERS: how many batches of live pushes are handled at the same time, 2 to 1,000 (default 50)
- OCPI_TOLERANCE_MONEY, OCPI_TOLERANCE_KWH, OCPI_TOLERANCE_HOURS: how far a hub's CDR may differ from a CPO's
  own before it is reported as different (default 0.01, 0.001, 0.001)
- OCPI_HUB_CDR_HOURS: how long a CPO waits for a hub's CDR before it is reported as missing (default 24)
- OCPI_VERSIONS: OCPI versions that partners may use, such as `2.2.1 2.2` (default: all that the node speaks)
- OCPI_FAST_CLIENT: `0` makes all calls to DynamoDB and SQS through botocore (`storage/fast_client.py`)
- OCPI_ALLOW_LOOPBACK: `1` in the local sandbox only: partners may use http and loopback addresses
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import Any, NamedTuple

from chalicelib.modules.registry import retention_days
from chalicelib.protocol.json_text import read_json
from chalicelib.protocol.message import Party


@dataclass(frozen=True)
class OwnRole:
    """One role that this node plays, as in its credentials."""

    role: str
    party: Party
    business_details: Mapping[str, Any]


class Tolerance(NamedTuple):
    """Largest difference at which two CDRs of one session still agree, in the unit of each number."""

    money: Decimal = Decimal("0.01")
    kwh: Decimal = Decimal("0.001")
    hours: Decimal = Decimal("0.001")


@dataclass(frozen=True)
class Settings:
    """One deployment's configuration."""

    roles: tuple[OwnRole, ...]
    table: str
    broadcasts_queue_url: str
    kms_key_id: str
    public_url: str | None = None
    freshness: timedelta = timedelta(seconds=60)
    allow_loopback: bool = False
    commands_queue_url: str = ""
    catch_up_queue_url: str = ""
    background_queue_url: str = ""
    command_time: timedelta = timedelta(seconds=30)
    retention: Mapping[str, timedelta] = field(default_factory=dict)
    tolerance: Tolerance = Tolerance()
    hub_cdr_time: timedelta = timedelta(hours=24)
    ocpi_versions: tuple[str, ...] = ()
    fast_client: bool = True

    def plays(self, role: str) -> bool:
        """Return whether this node plays a role such as `HUB`."""
        return any(own.role == role for own in self.roles)

    def parties(self, *roles: str) -> list[Party]:
        """The own parties in these roles; in any role when none is given."""
        return [own.party for own in self.roles if not roles or own.role in roles]

    def party_of(self, *roles: str) -> Party | None:
        """The first own party with one of these roles."""
        return next(iter(self.parties(*roles)), None)

    def owns(self, party: Party | None, *roles: str) -> bool:
        """Return whether a party is one of this node's own in these roles; in any role when none is given."""
        return party is not None and any(own.same_as(party) for own in self.parties(*roles))


def read_settings(environment: Mapping[str, str] | None = None) -> Settings:
    """Read the configuration.

    Raises: KeyError naming the variable that is missing; ValueError for one that cannot be read.
    """
    variables = os.environ if environment is None else environment
    return Settings(
        roles=tuple(_read_role(entry) for entry in read_json(variables["OCPI_PARTIES"])),
        table=variables["OCPI_TABLE"],
        broadcasts_queue_url=variables["OCPI_BROADCASTS_QUEUE_URL"],
        kms_key_id=variables["OCPI_KMS_KEY_ID"],
        public_url=variables.get("OCPI_PUBLIC_URL", "").rstrip("/") or None,
        freshness=timedelta(seconds=float(variables.get("OCPI_FRESHNESS_SECONDS", "60"))),
        allow_loopback=variables.get("OCPI_ALLOW_LOOPBACK") == "1",
        commands_queue_url=variables["OCPI_COMMANDS_QUEUE_URL"],
        catch_up_queue_url=variables.get("OCPI_CATCH_UP_QUEUE_URL", ""),
        background_queue_url=variables["OCPI_BACKGROUND_QUEUE_URL"],
        command_time=timedelta(seconds=float(variables.get("OCPI_COMMAND_SECONDS", "30"))),
        retention=_read_retention(variables.get("OCPI_RETENTION_DAYS") or "{}"),
        tolerance=_read_tolerance(variables),
        hub_cdr_time=timedelta(hours=float(variables.get("OCPI_HUB_CDR_HOURS", "24"))),
        ocpi_versions=tuple(variables.get("OCPI_VERSIONS", "").split()),
        fast_client=variables.get("OCPI_FAST_CLIENT") != "0",
    )


class EventSources(NamedTuple):
    """The queues and the stream that Chalice subscribes the handlers to, at import of the application."""

    broadcasts_queue: str
    stream_arn: str
    commands_queue: str
    catch_up_queue: str
    background_queue: str
    push_workers: int


def read_event_sources(environment: Mapping[str, str] | None = None) -> EventSources:
    """Read the names of the event sources; the default is those of the stage `dev`.

    Raises: ValueError for a number of workers that Lambda does not take.
    """
    variables = os.environ if environment is None else environment
    return EventSources(
        variables.get("OCPI_BROADCASTS_QUEUE", "ocpi-node-dev-broadcasts.fifo"),
        variables.get("OCPI_STREAM_ARN", "arn:aws:dynamodb:eu-west-1:0:table/ocpi-node-dev/stream/none"),
        variables.get("OCPI_COMMANDS_QUEUE", "ocpi-node-dev-commands"),
        variables.get("OCPI_CATCH_UP_QUEUE", "ocpi-node-dev-catch-up.fifo"),
        variables.get("OCPI_BACKGROUND_QUEUE", "ocpi-node-dev-background"),
        _read_push_workers(variables.get("OCPI_PUSH_WORKERS") or "50"),
    )


def _read_push_workers(text: str) -> int:
    # Source: AWS Lambda, ScalingConfig of an event source: MaximumConcurrency from 2 to 1000
    if not text.isascii() or not text.isdigit() or not 2 <= int(text) <= 1000:
        raise ValueError(f"OCPI_PUSH_WORKERS: expected a whole number from 2 to 1000, got {text[:20]!r}")
    return int(text)


def _read_tolerance(variables: Mapping[str, str]) -> Tolerance:
    given = {name: variables.get(f"OCPI_TOLERANCE_{name.upper()}") for name in Tolerance._fields}
    return Tolerance(**{name: Decimal(text) for name, text in given.items() if text})


def _read_role(entry: Mapping[str, Any]) -> OwnRole:
    party = Party(entry["country_code"], entry["party_id"])
    return OwnRole(entry["role"], party, entry.get("business_details") or {"name": party.party_id})


def _read_retention(text: str) -> dict[str, timedelta]:
    defaults = retention_days()
    given: Mapping[str, Any] = read_json(text)
    if unknown := given.keys() - defaults.keys():
        raise ValueError(f"OCPI_RETENTION_DAYS: expected {', '.join(defaults)}, not {sorted(unknown)}")
    kept = {
        kind: timedelta(days=float(days)) for kind, days in {**defaults, **given}.items() if days is not None
    }
    if any(days <= timedelta() for days in kept.values()):
        raise ValueError("OCPI_RETENTION_DAYS: expected more than 0 days, or null")
    return kept
