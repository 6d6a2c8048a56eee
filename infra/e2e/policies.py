"""What each function called, beside what its role allows.

The calls are those that the run wrote down (`aws_process.py`), with the role enforced: so nothing that was
refused worked, and what was refused is a finding. The other way round, a role must not allow what nobody
called, but for the short list below.
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
    "push_catch_up FindDeadLetters *": "what could not be told twelve times, which takes hours",
    "push_catch_up GiveUpBroadcasts *": "what could not be told twelve times, which takes hours",
    "push_catch_up UseTheTable dynamodb:BatchWriteItem": "what a partner was told that has left",
    "push_catch_up UseTheTable dynamodb:UpdateItem": "two workers told one partner of one object at once",
    "look_after_partners UseTheTable dynamodb:BatchWriteItem": "a refused push is due an hour later",
    "look_after_partners ReadTheLists *": "a partner missed only what changed while it was away",
    "look_after_partners FindDeadLetters *": "a partner that is back refuses a CDR",
    "look_after_partners GiveUpBroadcasts *": "a partner that is back refuses a CDR",
    "run_commands TakeCommands sqs:ReceiveMessage": "Lambda polls the queue with the function's role",
    "run_commands TakeCommands sqs:DeleteMessage": "Lambda polls the queue with the function's role",
    "run_commands TakeCommands sqs:GetQueueAttributes": "Lambda polls the queue with the function's role",
    "stream_changes ReadTheStream *": "Lambda reads the stream with the function's role",
    "stream_changes GiveUpBatches *": "Lambda puts a batch that it gives up with the dead letters",
    "stream_changes UseTheTable dynamodb:DeleteItem": "what goes with an object whose time to live is over",
    "compile_cdrs OpenSecretsOfWebhooks *": "the operator has a webhook for differences to the hub's CDRs",
    "api_handler SendBroadcastsAgain *": "the operator sends a CDR again that a partner had refused",
    "push_broadcasts MoveSlowBroadcasts *": "a partner that hangs, or at which three objects in a row fail",
    "push_broadcasts GiveUpBroadcasts *": "what could not be told twelve times, which takes hours",
    "push_broadcasts TakeBroadcasts sqs:GetQueueAttributes": "Lambda polls; and where its dead letters are",
    "push_broadcasts UseTheTable dynamodb:UpdateItem": "two workers told one partner of one object at once",
}
"""What roles allow and the run does not call, as `function Sid action` with * for any, and the reason."""


@dataclass(frozen=True)
class Call:
    """One kind of call that was seen. function: by its name in `app.py`, without the stage."""

    account: str
    stage: str
    function: str
    action: str
    resource: str
    is_allowed: bool


@dataclass(frozen=True)
class Grant:
    """One action of one statement of a function's policy. resources: patterns as the policy has them."""

    function: str
    sid: str
    action: str
    resources: tuple[str, ...]

    def covers(self, call: Call) -> bool:
        """Tell whether a call is one that this grants."""
        return (
            call.function == self.function
            and fnmatchcase(call.action, self.action)
            and any(fnmatchcase(call.resource, pattern) for pattern in self.resources)
        )

    def __str__(self) -> str:
        return f"{self.function} {self.sid} {self.action}"


def read_calls(file: Path) -> list[Call]:
    """Read what the run wrote down."""
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
    """Take a policy apart."""
    return [
        Grant(function, statement.get("Sid", ""), action, tuple(_list(statement["Resource"])))
        for statement in policy["Statement"]
        for action in _list(statement["Action"])
    ]


def refused(calls: Iterable[Call]) -> list[str]:
    """Name the calls that a role did not allow."""
    return sorted(
        {f"{call.function} {call.action} on {call.resource}" for call in calls if not call.is_allowed}
    )


def called(grants: Iterable[Grant], calls: Sequence[Call]) -> set[str]:
    """Name what roles allow and somebody called, on whichever stage."""
    return {str(grant) for grant in grants if any(grant.covers(call) for call in calls)}


def uncalled(grants: Sequence[Grant], calls: Sequence[Call]) -> list[str]:
    """Name what roles allow, nobody called, and no reason is given for."""
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
