"""Node: the table, partners, queues, clock and ids that every handler is given.

Each process has one `Node`. It is made on first use, so importing the application makes no call. Clock,
ids and randomness come from here, and tests replace them.
"""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache

from chalicelib.calls.client import OcpiClient
from chalicelib.calls.urls import UrlPolicy
from chalicelib.calls.webhook_sender import WebhookSender
from chalicelib.partners.directory import Directory
from chalicelib.queues import Queues, sqs_client
from chalicelib.settings import Settings, read_settings
from chalicelib.storage.locations import LocationStore
from chalicelib.storage.objects import ObjectStore
from chalicelib.storage.table import Table, dynamodb_client
from chalicelib.storage.vault import Vault, kms_client


def now() -> datetime:
    """The current instant in UTC."""
    return datetime.now(UTC)


def new_id() -> str:
    """A new UUID."""
    return str(uuid.uuid4())


def new_secret() -> str:
    """A secret of 48 printable ASCII characters."""
    return secrets.token_urlsafe(36)


@dataclass(frozen=True)
class Node:
    """One deployment's collaborators."""

    settings: Settings
    table: Table
    objects: ObjectStore
    locations: LocationStore
    directory: Directory
    queues: Queues
    client: OcpiClient
    clock: Callable[[], datetime] = now
    new_id: Callable[[], str] = new_id
    webhooks: WebhookSender = field(default_factory=WebhookSender)


@cache
def current_node() -> Node:
    """The node of this process, made from its environment on first use."""
    settings = read_settings()
    table = Table(dynamodb_client(fast=settings.fast_client), settings.table)
    directory = Directory(table, Vault(kms_client(), settings.kms_key_id), new_secret)
    return Node(
        settings=settings,
        table=table,
        objects=ObjectStore(table, now, settings.retention),
        locations=LocationStore(table, now),
        directory=directory,
        queues=Queues(
            sqs_client(fast=settings.fast_client),
            settings.broadcasts_queue_url,
            settings.commands_queue_url,
            settings.catch_up_queue_url,
            settings.background_queue_url,
        ),
        client=OcpiClient(UrlPolicy(settings.allow_loopback), directory, new_id, clock=now),
        webhooks=WebhookSender(settings.allow_loopback),
    )
