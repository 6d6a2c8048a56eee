"""The comparison of calls and roles finds superfluous and missing rights."""

import fnmatch
import json
from pathlib import Path

from infra.e2e.policies import UNCALLED, Call, grants_of, read_calls, read_grants, refused, uncalled
from infra.stages import CONFIG

TABLE = "arn:aws:dynamodb:eu-west-1:000000000000:table/ocpi-node-cpo"
POLICY = {
    "Statement": [
        {
            "Sid": "UseTheTable",
            "Action": ["dynamodb:GetItem", "dynamodb:PutItem"],
            "Resource": "arn:*:dynamodb:*:*:table/ocpi-node-cpo",
        },
        {"Sid": "WriteItsLog", "Action": "logs:PutLogEvents", "Resource": "*"},
    ]
}


def call(action: str, resource: str = TABLE, function: str = "compile_cdrs", is_allowed: bool = True) -> Call:
    return Call("000000000000", "cpo", function, action, resource, is_allowed)


def test_a_call_of_the_function_on_its_resource_is_no_finding() -> None:
    grants = grants_of("compile_cdrs", POLICY)

    assert uncalled(grants, [call("dynamodb:GetItem"), call("dynamodb:PutItem")]) == []


def test_a_right_that_only_another_function_uses_is_found() -> None:
    grants = grants_of("compile_cdrs", POLICY)

    calls = [call("dynamodb:GetItem"), call("dynamodb:PutItem", function="stream_changes")]

    assert uncalled(grants, calls) == ["compile_cdrs UseTheTable dynamodb:PutItem"]


def test_a_call_on_another_resource_does_not_count() -> None:
    grants = grants_of("compile_cdrs", POLICY)

    calls = [call("dynamodb:GetItem"), call("dynamodb:PutItem", f"{TABLE}/index/by_created")]

    assert uncalled(grants, calls) == ["compile_cdrs UseTheTable dynamodb:PutItem"]


def test_a_refused_call_is_found() -> None:
    calls = [call("dynamodb:GetItem"), call("dynamodb:Scan", is_allowed=False)]

    assert refused(calls) == [f"compile_cdrs dynamodb:Scan on {TABLE}"]


def test_calls_are_read_with_their_function(tmp_path: Path) -> None:
    file = tmp_path / "calls.jsonl"
    lines = [
        {"account": "1", "function": name, "action": "sqs:SendMessage", "resource": "*", "allowed": True}
        for name in ("ocpi-node-hub", "ocpi-node-emsp-stream_changes")
    ]
    file.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")

    read = [(each.stage, each.function) for each in read_calls(file)]

    assert read == [("hub", "api_handler"), ("emsp", "stream_changes")]


def test_the_list_of_reasons_names_only_rights_of_the_roles() -> None:
    granted = [str(grant) for grant in read_grants(CONFIG.parent, "cpo")]

    assert [pattern for pattern in UNCALLED if not fnmatch.filter(granted, pattern)] == []
