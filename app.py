"""Every trigger of the node and nothing else: routes, the stream, the queues, the timers.

Queue, stream and schedule handlers are in this file, because Chalice lets handlers of a Blueprint bypass the
application's middleware. Their code is in chalicelib/.
"""

from __future__ import annotations

import gc

# Imported modules are never garbage; searching them for garbage takes a sixth of a cold start.
gc.disable()

from typing import Any

from chalice.app import CloudWatchEvent, DynamoDBEvent, Rate, SQSEvent

from chalicelib import background
from chalicelib.application import NodeApplication
from chalicelib.async_requests import worker
from chalicelib.endpoint import mount, mount_operator
from chalicelib.modules.cdrs import compiler, session_changes
from chalicelib.modules.reconciliation import noted_cdrs, reconciler
from chalicelib.modules.registry import async_kinds, load_interfaces
from chalicelib.node import current_node
from chalicelib.operator_api.routes import operator_routes
from chalicelib.pulling import registrations, schedule
from chalicelib.pushing import broadcasts, liveness, outbox
from chalicelib.queues import BACKGROUND_WORKERS, CATCH_UP_WORKERS, Lane
from chalicelib.settings import read_event_sources

app = NodeApplication("ocpi-node", current_node)

mount(app, current_node, load_interfaces())
mount_operator(app, current_node, operator_routes())
gc.freeze()
gc.enable()

sources = read_event_sources()


@app.on_dynamodb_record(stream_arn=sources.stream_arn, batch_size=100, starting_position="TRIM_HORIZON")
def stream_changes(event: DynamoDBEvent) -> Any:
    """Queue what follows from stored changes, delete expired objects, note ended sessions and new CDRs."""
    node, records = current_node(), event.to_dict()["Records"]
    outbox.delete_expired(node, records)
    session_changes.note_sessions(node, records)
    noted_cdrs.note_cdrs(node, records)
    registrations.note_partners(node, records)
    return outbox.handle_stream(node, records)


@app.on_sqs_message(queue=sources.broadcasts_queue, batch_size=10, maximum_concurrency=sources.push_workers)
def push_broadcasts(event: SQSEvent) -> Any:
    """Push the messages of the live queue."""
    return broadcasts.handle_messages(current_node(), event.to_dict()["Records"])


@app.on_sqs_message(queue=sources.catch_up_queue, batch_size=10, maximum_concurrency=CATCH_UP_WORKERS)
def push_catch_up(event: SQSEvent) -> Any:
    """Push the messages of the catch-up queue, with few workers."""
    return broadcasts.handle_messages(current_node(), event.to_dict()["Records"], lane=Lane.CATCH_UP)


@app.on_sqs_message(queue=sources.commands_queue, batch_size=10)
def run_commands(event: SQSEvent) -> Any:
    """Send commands to the CSMS, and their results to the senders."""
    return worker.handle_messages(current_node(), async_kinds(), event.to_dict()["Records"])


@app.on_sqs_message(queue=sources.background_queue, batch_size=10, maximum_concurrency=BACKGROUND_WORKERS)
def run_background(event: SQSEvent) -> Any:
    """Do work that nobody waits for."""
    return background.handle_messages(current_node(), event.to_dict()["Records"])


@app.schedule(Rate(1, unit=Rate.MINUTES))
def look_after_partners(event: CloudWatchEvent) -> None:
    """Probe partners that are OFFLINE, and queue due rechecks, retries and pulls."""
    node = current_node()
    partners = node.directory.all()
    try:
        # First: probes of many partners that hang may take longer than this function has.
        schedule.run(node, partners)
    finally:
        liveness.run(node, partners)


@app.schedule(Rate(1, unit=Rate.MINUTES))
def compile_cdrs(event: CloudWatchEvent) -> None:
    """Make CDRs of ended sessions, and compare a CPO's CDRs with those of its hub."""
    try:
        compiler.run(current_node())
    finally:
        reconciler.run(current_node())
