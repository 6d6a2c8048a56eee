"""The measured node, and its two entry points.

It is a hub, the only role that offers both interfaces of a module. Its caller is a platform with two roles: a
CPO, which pushes, and an eMSP, which reads.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

import botocore.session
from chalice.local import LambdaContext, LambdaEventConverter, RouteMatcher

import app
from bench.workload import COUNTRY_CODE, PARTY_ID, TOKEN, Call
from chalicelib.endpoint import absolute_path, serve
from chalicelib.modules.locations import receiver as locations_receiver
from chalicelib.modules.locations import sender as locations_sender
from chalicelib.modules.tariffs import receiver as tariffs_receiver
from chalicelib.modules.versions import routes as versions
from chalicelib.node import Node, current_node
from chalicelib.partners.directory import HeldToken, Partner, PartnerRole
from chalicelib.protocol.auth import write_authorization
from chalicelib.protocol.message import Request
from chalicelib.routes import gather_by_path
from chalicelib.storage.table import dynamodb_client
from infra.resources import create_table

PUBLIC_URL = "https://hub.example"
HUB, EMSP = "MOB", "EVI"
INTERFACES = (
    versions.INTERFACE,
    locations_receiver.INTERFACE,
    locations_sender.INTERFACE,
    tariffs_receiver.INTERFACE,
)
HEADERS = {
    "authorization": write_authorization(TOKEN),
    "content-type": "application/json",
    "x-request-id": "7a3f0f5e-6b0c-4f57-9d0e-0d5f3a4c8b11",
    "x-correlation-id": "1c8f6a52-91c7-4a0b-8a8f-2f7f5d6e9c22",
    "ocpi-from-country-code": COUNTRY_CODE,
    "ocpi-from-party-id": PARTY_ID,
    "ocpi-to-country-code": COUNTRY_CODE,
    "ocpi-to-party-id": HUB,
}

Send = Callable[[], tuple[int, str]]
"""Sends one request; returns HTTP status and body."""


def open_node() -> dict[str, Callable[[Call], Send]]:
    """Make the node and its caller. Returns the entry points by name; each prepares a request for sending."""
    _set_environment()
    node = current_node()
    fingerprint = node.directory.fingerprint(TOKEN)
    roles = (("CPO", PARTY_ID), ("EMSP", EMSP))
    node.directory.save(
        Partner(
            id="caller",
            name="Caller",
            status="REGISTERED",
            last_updated="2026-03-01T00:00:00Z",
            versions_url="https://caller.example/ocpi/versions",
            version="2.2.1",
            roles=tuple(
                PartnerRole(
                    role=role,
                    country_code=COUNTRY_CODE,
                    party_id=party_id,
                    business_details={"name": "Caller"},
                )
                for role, party_id in roles
            ),
            held_tokens=(HeldToken(fingerprint=fingerprint, kind="C"),),
        )
    )
    return {"endpoint": lambda call: _through_endpoint(node, call), "application": _through_application}


def _set_environment() -> None:
    os.environ |= {
        "AWS_ACCESS_KEY_ID": "bench",
        "AWS_SECRET_ACCESS_KEY": "bench",
        "AWS_DEFAULT_REGION": "eu-west-1",
    }
    os.environ.pop("AWS_ENDPOINT_URL", None)
    os.environ |= {
        "OCPI_PARTIES": json.dumps([{"role": "HUB", "country_code": COUNTRY_CODE, "party_id": HUB}]),
        "OCPI_TABLE": create_table(dynamodb_client(), "bench"),
        "OCPI_KMS_KEY_ID": _make_key(),
        "OCPI_BROADCASTS_QUEUE_URL": "https://sqs.eu-west-1.amazonaws.com/000000000000/unused.fifo",
        "OCPI_COMMANDS_QUEUE_URL": "https://sqs.eu-west-1.amazonaws.com/000000000000/unused",
        "OCPI_BACKGROUND_QUEUE_URL": "https://sqs.eu-west-1.amazonaws.com/000000000000/unused",
        "OCPI_PUBLIC_URL": PUBLIC_URL,
    }


def _make_key() -> str:
    kms: Any = botocore.session.get_session().create_client("kms")
    key_id: str = kms.create_key()["KeyMetadata"]["KeyId"]
    return key_id


def _through_endpoint(node: Node, call: Call) -> Send:
    path = path_of(call)
    for interface in INTERFACES:
        for pattern, routes in gather_by_path(interface.routes):
            parameters = _match(absolute_path(interface, pattern), path)
            if parameters is None:
                continue
            request = Request(
                method=call.method,
                url=PUBLIC_URL + path,
                base_url=f"{PUBLIC_URL}/ocpi",
                version=parameters.pop("version", ""),
                path=parameters,
                query=dict(parse_qsl(call.query)),
                headers=HEADERS,
                body=call.body,
                request_id=HEADERS["x-request-id"],
                correlation_id=HEADERS["x-correlation-id"],
            )

            def send() -> tuple[int, str]:
                status, _, body = serve(node, interface, routes, request)  # noqa: B023 (returned at once)
                return status, body

            return send
    raise LookupError(path)


def _match(pattern: str, path: str) -> dict[str, str] | None:
    wanted, given = pattern.split("/"), path.split("/")
    pairs = list(zip(wanted, given, strict=False))
    if len(wanted) != len(given) or any(w != g for w, g in pairs if not w.startswith("{")):
        return None
    return {w[1:-1]: g for w, g in pairs if w.startswith("{")}


def _through_application(call: Call) -> Send:
    converter: Any = LambdaEventConverter(RouteMatcher(list(app.app.routes)))
    path = f"{path_of(call)}?{call.query}" if call.query else path_of(call)
    event = converter.create_lambda_event(call.method, path, HEADERS, call.body)
    context = LambdaContext(app.app.app_name, memory_size=256)

    def send() -> tuple[int, str]:
        answer: dict[str, Any] = app.app(event, context)
        return answer["statusCode"], answer["body"]

    return send


def path_of(call: Call) -> str:
    """The path of a call at the node."""
    return f"/ocpi/2.2.1/{call.interface}{call.path}" if call.interface else "/ocpi/versions"
