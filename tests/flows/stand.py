"""Where bad input is sent: a node, partners registered there, and something good that must stay as it is.

Shared by the test_bad_* stories. `expect` judges an answer: the codes that the checklist names, an envelope,
no fault of ours, and nothing told that must not be: no token, no stack trace.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.third_party.connection import Connection
from tests.third_party.objects import Object, Party, location, tariff
from tests.third_party.operator_door import Node
from tests.third_party.wire import Answer

TRACES = ("Traceback", 'File "', "chalicelib", "pydantic", "botocore", "line ")
ROLES_AT = {"cpo": ("EMSP",), "hub": ("CPO", "EMSP"), "emsp": ("CPO",)}
TWO_MEGABYTES = 2 * 1024 * 1024

at_every_node = pytest.mark.parametrize("at", ["cpo", "hub", "emsp"])
at_receivers = pytest.mark.parametrize("at", ["hub", "emsp"])
at_the_hub = pytest.mark.parametrize("at", ["hub"])
at_the_emsp = pytest.mark.parametrize("at", ["emsp"])
at_senders = pytest.mark.parametrize("at", ["cpo", "hub"])
of_each_module = pytest.mark.parametrize("module", ["tariffs", "locations"])


def table(rows: dict[str, Any]) -> Callable[..., Any]:
    return pytest.mark.parametrize("row", rows.values(), ids=list(rows))


def build(module: str, owner: Party, object_id: str, **fields: object) -> Object:
    return (tariff if module == "tariffs" else location)(owner, object_id, **fields)


@dataclass
class Stand:
    """One node, its partners there, and what the first of them, a CPO, has put there."""

    node: Node
    lines: list[Connection]
    before: dict[str, list[Object]] = field(default_factory=dict)

    @property
    def line(self) -> Connection:
        return self.lines[0]

    @property
    def owner(self) -> Party:
        return self.line.partner.party

    def put_good_objects(self) -> None:
        for module in ("tariffs", "locations"):
            self.line.put(module, build(module, self.owner, "GOOD"))
            self.before[module] = self.stored(module)

    def stored(self, module: str) -> list[Object]:
        return [found for found in self.node.all(module) if found["party_id"] == self.owner.party_id]

    def expect(self, answer: Answer, *codes: tuple[int, int]) -> None:
        """Refused as it should be, and nothing said that should not be."""
        assert answer.codes in codes, answer
        self.expect_discretion(answer)

    def expect_discretion(self, answer: Answer) -> None:
        text = answer.text
        assert answer.http_status < 500, answer
        assert not [trace for trace in TRACES if trace in text], answer
        secrets = {self.node.operator_key}
        for line in self.lines:
            secrets |= {line.outbound_token, *line.inbound_tokens}
        assert not [secret for secret in secrets if secret in text], answer

    def expect_untouched(self, module: str, *ids: str) -> None:
        """The good object is as it was, and what the ids name is not there."""
        (known,) = self.before[module]
        assert self.line.look(module, *self.line.owned(known["id"])).data == known
        if ids:
            assert self.line.look(module, *self.line.owned(*ids)).http_status == 404
