"""The check of the compiler's bench finds missing and surplus CDRs.

tests/modules/cdrs tests the compiler itself.
"""

from __future__ import annotations

from bench.compiler import find_wrong, lay_out, make_hub
from chalicelib.modules.cdrs import compiler
from chalicelib.modules.cdrs.due_sessions import make_due
from infra.local.emulator import Emulator
from tests.emulator import emulator as emulator


def test_missing_and_surplus_cdrs_are_found(emulator: Emulator) -> None:
    hub = make_hub(emulator, "wrong")
    refs = lay_out(hub.node, 4)
    before = find_wrong(hub.node, refs)
    compiler.run(hub.node)
    after = find_wrong(hub.node, refs)
    session = hub.node.objects.get(refs[0])
    assert session is not None
    make_due(hub.node, session)

    assert (len(before), before[0]) == (3, "4 sessions are still due")
    assert after == []
    assert find_wrong(hub.node, refs) == ["1 sessions are still due"]
    assert any("of 3 CDRs the CPO have 4" in each for each in find_wrong(hub.node, refs[:3]))
