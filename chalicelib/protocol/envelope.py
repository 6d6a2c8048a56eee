"""The envelope around every answer: status_code, timestamp, and optional data.

Source: OCPI 2.2.1 transport_and_format, Response format; TRN-13 … TRN-16
"""

from __future__ import annotations

from datetime import datetime

from chalicelib.errors import OcpiError
from chalicelib.protocol.json_text import write_json
from chalicelib.protocol.message import ABSENT, Reply
from chalicelib.protocol.types import format_datetime


def write_envelope(reply: Reply, now: datetime) -> str:
    """Write an answer as JSON text; without `data` if the method has none (TRN-15)."""
    tail = f',"status_code":{reply.status_code},"timestamp":"{format_datetime(now)}"}}'
    if reply.status_message is not None:
        tail = f',"status_message":{write_json(reply.status_message)}{tail}'
    if reply.data is not ABSENT:
        return f'{{"data":{write_json(reply.data)}{tail}'
    return "{" + tail[1:]


def error_reply(error: OcpiError) -> Reply:
    """Make the reply for an error: its code, and a message with the field and the reason."""
    return Reply(http_status=error.http_status, status_code=error.status_code, status_message=str(error))
