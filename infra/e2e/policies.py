"""Compares the calls of each function with its role.

The run has recorded the calls (`aws_process.py`), with the roles enforced. So a refused call did not work and
is a finding. A right that no function used is a finding as well, except for the short list below.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from infra.stages import API_HANDLER, read_policy

UNCALLED: dict[str, str] = {
    "* WriteItsLog *": "Lambda writes the log with the function's role; ministack asks no role",
    "push_broadcasts TakeBroadcasts sqs:ReceiveMessage": "Lambda polls the queue with the function's role",
    "push_broadcasts TakeBroadcasts sqs:DeleteMessage": "Lambda polls the queue with the function's role",
    "push_broadcasts TakeBroadcasts sqs:ChangeMessageVisibility": "a push that fails and is answered",
    "push_catch_up TakeCatchUps sqs:ReceiveMessage": "Lambda polls the queue with the function's role",
    "push_catch_up TakeCatchUps sqs:DeleteMessage": "Lambda polls the queue with the function's role",
    "push_catch_up TakeCatchUps sqs:GetQueueAttributes": "Lambda polls the queue with the function's role",
    "push_catch_up TakeCatchUps sqs:SendMessage": "steps of a partner that is shown hundreds of objects",
    "push_catch_up FindDeadLetters *": "pushes that failed twelve times, which takes hours",
    "push_catch_up GiveUpBroadcasts *": "pushes that failed twelve times, which takes hours",
    "push_catch_up UseTheTable dynamodb:BatchWriteItem": "delivery rows of a partner that has left",
    "push_catch_up UseTheTable dynamodb:UpdateItem": "two workers pushed one object to one partner at once",
    "look_after_partners UseTheTable dynamodb:BatchWriteItem": "a refused push is due an hour later",
    "look_after_partners ReadTheLists *": "a partner missed only what changed while it was away",
    "look_after_partners FindDeadLetters *": "a partner that is back refuses a CDR",
    "look_after_partners GiveUpBroadcasts *": "a partner that is back refuses a CDR",
    "run_commands TakeCommands sqs:ReceiveMessage": "Lambda polls the queue with the function's role",
    "run_commands TakeCommands sqs:DeleteMessage": "Lambda polls the queue with the function's role",
    "run_commands TakeCommands sqs:GetQueueAttributes": "Lambda polls the queue with the function's role",
    "run_background TakeWork sqs:ReceiveMessage": "Lambda polls the queue with the function's role",
    "run_background TakeWork sqs:DeleteMessage": "Lambda polls the queue with the function's role",
    "run_background TakeWork sqs:GetQueueAttributes": "Lambda polls the queue with the function's role",
    "run_background TakeWork sqs:ChangeMessageVisibility": "work that fails by the node's own fault",
    "api_handler SendBackgroundWork *": "the operator orders a pull; a partner's document is odd",
    "look_after_partners StartPulls *": "the pulls of the night, the hour, and after an outage of the node",
    "stream_changes ReadTheStream *": "Lambda reads the stream with the function's role",
    "stream_changes GiveUpBatches *": "Lambda puts a batch that it gives up with the dead letters",
    "stream_changes UseTheTable dynamodb:DeleteItem": "what goes with an object whose time to live is over",
    "compile_cdrs OpenSecretsOfWebhooks *": "the operator has a webhook for differences to the hub's CDRs",
    "api_handler SendBroadcastsAgain *": "the operator sends a CDR again that a partner had refused",
    "push_broadcasts MoveSlowBroadcasts *": "a partner that hangs, or at which three objects in a row fail",
    "push_broadcasts GiveUpBroadcasts *": "pushes that failed twelve times, which takes hours",
    "push_broadcasts TakeBroadcasts sqs:GetQueueAttributes": "Lambda polls; and where its dead letters are",
    "push_broadcasts UseTheTable dynamodb:UpdateItem": "two workers pushed one object to one partner at once",
}
"""Rights that the run does not use, as `function Sid action` with * for any, and the reason."""


@dataclass(frozen=True)
class Call:
    """One kind of recorded call. function: by its name in `app.py`, without the stage."""

    account: str
    stage: str
    function: str
    action: str
    resource: str
    is_allowed: bool


@dataclass(frozen=True)
class Grant:
    """One action of one statement of a function's policy. resources: patterns as in the policy."""

    function: str
    sid: str
    action: str
    resources: tuple[str, ...]

    def covers(self, call: Call) -> bool:
        """Tell whether this grant allows a call."""
        return (
            call.function == self.function
            and fnmatchcase(call.action, self.action)
            and any(fnmatchcase(call.resource, pattern) for pattern in self.resources)
        )

    def __str__(self) -> str:
        return f"{self.function} {self.sid} {self.action}"


def read_calls(file: Path) -> list[Call]:
    """Read the recorded calls."""
    if not file.exists():
        return []
    return [_call(json.loads(line)) for line in file.read_text(encoding="utf-8").splitlines()]


def read_grants(folder: Path, stage: str) -> list[Grant]:
    """Read the policies of a stage's functions, `policy-FUNCTION.json` in a folder."""
    return [
        grant
        for file in sorted(folder.glob("policy-*.json"))
        for grant in grants_of(file.stem.removeprefix("policy-"), json.loads(read_policy(file, stage)))
    ]


def grants_of(function: str, policy: Mapping[str, Any]) -> list[Grant]:
    """Split a policy into grants."""
    return [
        Grant(function, statement.get("Sid", ""), action, tuple(_list(statement["Resource"])))
        for statement in policy["Statement"]
        for action in _list(statement["Action"])
    ]


def refused(calls: Iterable[Call]) -> list[str]:
    """List the calls that a role did not allow."""
    return sorted(
        {f"{call.function} {call.action} on {call.resource}" for call in calls if not call.is_allowed}
    )


def called(grants: Iterable[Grant], calls: Sequence[Call]) -> set[str]:
    """List the rights that were used, on any stage."""
    return {str(grant) for grant in grants if any(grant.covers(call) for call in calls)}


def uncalled(grants: Sequence[Grant], calls: Sequence[Call]) -> list[str]:
    """List the rights that were not used and have no reason in the list."""
    idle = {str(grant) for grant in grants} - called(grants, calls)
    return sorted(name for name in idle if not any(fnmatchcase(name, pattern) for pattern in UNCALLED))


def _call(document: Mapping[str, Any]) -> Call:
    stage, _, function = str(document["function"]).removeprefix("ocpi-node-").partition("-")
    return Call(
        document["account"],
        stage,
        function or API_HANDLER,
        document["action"],
        document["resource"],
        document["allowed"],
    )


def _list(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value)
