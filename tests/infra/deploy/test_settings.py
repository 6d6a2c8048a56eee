"""Settings that Chalice does not support are set where they differ, and only there."""

from __future__ import annotations

from typing import Any

import pytest

from infra import api_stage, event_sources
from infra.deploy import settings

DEAD = "arn:aws:sqs:eu-west-1:1:ocpi-node-cpo-changes-dead"
LOGS = "arn:aws:logs:eu-west-1:1:log-group:/aws/apigateway/ocpi-node-cpo:*"
ACL = "arn:aws:wafv2:eu-west-1:1:regional/webacl/ocpi-node-cpo/1"


class Lambda:
    """Event sources by function, as Lambda returns them."""

    def __init__(self, found: dict[str, dict[str, Any]]) -> None:
        self.found = found
        self.states: list[str] = []
        self.loops: dict[str, str] = {}

    def list_event_source_mappings(self, FunctionName: str) -> dict[str, Any]:
        return {"EventSourceMappings": [{"UUID": FunctionName, **self.found.get(FunctionName, {})}]}

    def get_event_source_mapping(self, UUID: str) -> dict[str, str]:
        return {"State": self.states.pop(0) if self.states else "Enabled"}

    def get_function_recursion_config(self, FunctionName: str) -> dict[str, str]:
        return {"RecursiveLoop": self.loops.get(FunctionName, "Terminate")}

    def put_function_recursion_config(self, FunctionName: str, RecursiveLoop: str) -> None:
        self.loops[FunctionName] = RecursiveLoop

    def update_event_source_mapping(self, UUID: str, **wanted: Any) -> None:
        assert not self.states, "Lambda refuses it while another update goes on"
        self.found.setdefault(UUID, {}).update(wanted)


def test_event_sources_get_their_settings_once() -> None:
    there = Lambda({})

    first = settings.set_event_sources(there, "cpo", DEAD)
    second = settings.set_event_sources(there, "cpo", DEAD)

    assert len(first) == 5
    assert second == []
    for name, wanted in event_sources.settings(DEAD).items():
        assert there.found[f"ocpi-node-cpo-{name}"] == wanted


def test_an_event_source_that_was_changed_by_hand_is_corrected() -> None:
    there = Lambda({})
    settings.set_event_sources(there, "cpo", DEAD)
    there.found["ocpi-node-cpo-run_commands"]["FunctionResponseTypes"] = []

    changed = settings.set_event_sources(there, "cpo", DEAD)

    assert changed == ["event source of ocpi-node-cpo-run_commands: FunctionResponseTypes"]
    assert there.found["ocpi-node-cpo-run_commands"]["FunctionResponseTypes"] == ["ReportBatchItemFailures"]


def test_an_event_source_that_is_being_updated_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings.time, "sleep", lambda _: None)
    there = Lambda({})
    there.states = ["Updating", "Updating", "Enabled"]

    assert len(settings.set_event_sources(there, "cpo", DEAD)) == 5


def test_functions_that_invoke_themselves_are_allowed_to() -> None:
    there = Lambda({})

    first = settings.set_loops(there, "cpo")
    second = settings.set_loops(there, "cpo")

    looping = ("push_catch_up", "run_commands", "run_background")
    assert there.loops == {f"ocpi-node-cpo-{name}": "Allow" for name in looping}
    assert (len(first), second) == (3, [])


class Gateway:
    """A stage, as API Gateway returns it."""

    def __init__(self) -> None:
        self.stage: dict[str, Any] = {"accessLogSettings": {}, "methodSettings": {}}
        self.calls = 0

    def get_stage(self, **_: str) -> dict[str, Any]:
        return self.stage

    def update_stage(self, patchOperations: list[dict[str, str]], **_: str) -> None:
        self.calls += 1
        for operation in patchOperations:
            last = operation["path"].rpartition("/")[2]
            if operation["path"].startswith("/accessLogSettings/"):
                self.stage["accessLogSettings"][last] = operation["value"]
            else:
                name = "throttling" + last[0].upper() + last[1:]
                self.stage["methodSettings"].setdefault("*/*", {})[name] = float(operation["value"])


def test_the_stage_gets_its_access_log_and_its_throttling_once() -> None:
    gateway = Gateway()

    first = settings.set_stage(gateway, "api-1", LOGS)
    second = settings.set_stage(gateway, "api-1", LOGS)

    assert len(first) == 4
    assert (second, gateway.calls) == ([], 1)
    assert gateway.stage["accessLogSettings"] == {
        "destinationArn": LOGS.removesuffix(":*"),
        "format": api_stage.LOG_FORMAT,
    }
    assert gateway.stage["methodSettings"]["*/*"]["throttlingRateLimit"] == api_stage.RATE


class Waf:
    """A firewall that is attached to something, or not."""

    class exceptions:
        """Exceptions of a boto3 client."""

        class WAFNonexistentItemException(Exception):
            """Raised when there is no firewall."""

    def __init__(self, acl: str | None) -> None:
        self.acl = acl
        self.calls: list[str] = []

    def get_web_acl_for_resource(self, **_: str) -> dict[str, Any]:
        if self.acl is None:
            raise self.exceptions.WAFNonexistentItemException
        return {"WebACL": {"ARN": self.acl}}

    def associate_web_acl(self, WebACLArn: str, **_: str) -> None:
        self.calls.append("put")
        self.acl = WebACLArn

    def disassociate_web_acl(self, **_: str) -> None:
        self.calls.append("taken")
        self.acl = None


@pytest.mark.parametrize(
    ("found", "wanted", "calls"),
    [(None, None, []), (None, ACL, ["put"]), (ACL, ACL, []), (ACL, None, ["taken"]), ("other", ACL, ["put"])],
)
def test_the_firewall_is_attached_or_detached_as_wanted(
    found: str | None, wanted: str | None, calls: list[str]
) -> None:
    waf = Waf(found)

    settings.set_firewall(waf, "arn:stage", wanted)

    assert (waf.acl, waf.calls) == (wanted, calls)
