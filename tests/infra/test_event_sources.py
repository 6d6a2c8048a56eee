"""The stream's filter rejects only records that the code would skip as well."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ministack.services import lambda_svc

from chalicelib.modules.cdrs import session_changes
from chalicelib.modules.registry import pushed_modules, retention_days
from chalicelib.pushing import outbox
from chalicelib.pushing.stream_changes import StreamChange
from chalicelib.storage import expiry
from infra import event_sources, stages

OTHERS = (
    "cdrs-due",
    "catch-up",
    "count#tariffs#PT*ABC",
    "delivery#p",
    "owners#tariffs",
    "partnersX",
    "token#f",
)
PKS = ("partners", *OTHERS, *(f"{module}#PT*ABC#1" for module in pushed_modules()))
SKS = ("#", "E", "start", "preferences", "p-1", "")
KEYS = [(pk, sk) for pk in PKS for sk in SKS] + [("locations#PT*ABC#1", "E#1#0")]


def record(pk: str, sk: str) -> dict[str, Any]:
    keys = {"pk": {"S": pk}, "sk": {"S": sk}}
    image = {"Keys": keys, "SequenceNumber": "1", "StreamViewType": "NEW_AND_OLD_IMAGES"}
    return {"eventID": "1", "eventName": "INSERT", "dynamodb": image}


def passes(each: dict[str, Any]) -> bool:
    """Decide as the emulator's Lambda does."""
    source = {"FilterCriteria": event_sources.settings("arn")["stream_changes"]["FilterCriteria"]}
    return bool(lambda_svc._apply_filter_criteria([each], source))


def is_looked_at(each: dict[str, Any]) -> bool:
    """Decide as the code does, by the record's keys."""
    pk, sk = each["dynamodb"]["Keys"]["pk"]["S"], each["dynamodb"]["Keys"]["sk"]["S"]
    change = StreamChange("1", "1", pk, sk, None, None)
    is_pushed = outbox._is_wanted(each) and (change.is_partner or change.is_object or change.is_evse)
    return is_pushed or (pk.startswith(session_changes._SESSIONS) and sk == "#")


@pytest.mark.parametrize(("pk", "sk"), KEYS)
def test_the_filter_accepts_exactly_the_records_that_the_code_handles(pk: str, sk: str) -> None:
    each = record(pk, sk)

    assert passes(each) == is_looked_at(each)


def test_the_filter_accepts_some_records_and_rejects_others() -> None:
    assert passes(record("partners", "p-1"))
    assert passes(record("locations#PT*ABC#1", "E#1#0"))
    assert not passes(record("count#tariffs#PT*ABC", "#"))
    assert not passes(record("sessions#PT*ABC#1", "start"))


def test_every_source_of_batches_reports_failed_items() -> None:
    for name, settings in event_sources.settings("arn").items():
        assert settings["FunctionResponseTypes"] == ["ReportBatchItemFailures"], name


def test_a_filter_is_short_enough_for_lambda() -> None:
    # Source: AWS Lambda developer guide, event filtering: five filters, 4,096 characters each
    filters = event_sources.settings("arn")["stream_changes"]["FilterCriteria"]["Filters"]

    assert len(filters) <= 5
    assert all(len(each["Pattern"]) <= 4096 and json.loads(each["Pattern"]) for each in filters)


@pytest.mark.parametrize("kind", sorted(retention_days()))
def test_deletions_by_time_to_live_pass_the_filter(kind: str) -> None:
    """Without them no object would ever be deleted, and no other test would show it."""
    gone = {**record(f"{kind}#PT*ABC#1", expiry.SHADOW), "eventName": "REMOVE"}
    written = {**gone, "eventName": "INSERT"}

    assert passes(gone) and not passes(written)
    assert expiry.fallen([gone]) == [f"{kind}#PT*ABC#1"] and expiry.fallen([written]) == []


def test_functions_that_may_invoke_themselves_are_those_that_send_to_their_own_queue() -> None:
    feeding = set()
    for function in stages.functions(stages.read_config()):
        policy = json.loads((stages.CONFIG.parent / f"policy-{function}.json").read_text())
        for statement in policy["Statement"]:
            if {"sqs:ReceiveMessage", "sqs:SendMessage"} <= set(statement["Action"]):
                feeding.add(function)

    assert set(event_sources.LOOPING) == feeding
