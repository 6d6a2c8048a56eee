"""Target of bad input: a node, its registered partners, and valid objects that must not change.

Shared by the test_bad_* files. `expect` checks an answer: the codes of the checklist, an envelope, no 5xx,
and no token and no stack trace in its text.
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
    """One node, its partners, and the valid objects that the first of them, a CPO, has pushed."""

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
        """Check that an answer has one of the codes, and neither a secret nor a stack trace."""
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
        """Check that the valid object is unchanged, and that no object has the ids."""
        (known,) = self.before[module]
        assert self.line.look(module, *self.line.owned(known["id"])).data == known
        if ids:
            assert self.line.look(module, *self.line.owned(*ids)).http_status == 404
