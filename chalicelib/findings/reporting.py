"""Reports what was odd in a document of a partner: a log line, metrics, and a message that has it counted.

A request makes no DynamoDB call for the count. A worker reads the messages and counts many of them with one
write (`counting.py`). The log has the same numbers, but counting them there is a paid query over its lines.

Source: docs/interop.md, Findings; docs/security.md, What is logged
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from chalicelib import metrics
from chalicelib.findings.tallies import Tally, tally
from chalicelib.log import log
from chalicelib.protocol.types import format_datetime
from chalicelib.queues import CountedFinding, FindingsMessage
from chalicelib.reading.findings import Outcome
from chalicelib.storage.keys import for_log

if TYPE_CHECKING:
    from chalicelib.node import Node
    from chalicelib.partners.directory import Partner
    from chalicelib.reading.findings import Finding
    from chalicelib.storage.keys import Ref

_LONGEST_REF = 300


def report(
    node: Node, partner: Partner, module: str, findings: Sequence[Finding], ref: Ref | None = None
) -> None:
    """Log and count the findings in one document; nothing if there is none.

    module: the module of the document. ref: the object, None where it is not known, as in an answer. A
    failure to queue the count is logged, and the caller goes on.
    """
    if not findings:
        return
    tallies = tally(module, findings)
    name = for_log(str(ref)) if ref else ""
    _log(node, partner, module, tallies, name)
    try:
        node.queues.send_background([_message(node, partner, module, tallies, name)])
    except Exception:
        log.exception("failed to queue the count of findings", extra={"partner": partner.id})


def _message(
    node: Node, partner: Partner, module: str, tallies: Sequence[Tally], ref: str
) -> FindingsMessage:
    return FindingsMessage(
        partner_id=partner.id,
        module=module,
        at=format_datetime(node.clock()),
        ref=ref[:_LONGEST_REF],
        findings=tuple(CountedFinding(**each._asdict()) for each in tallies),
    )


def _log(node: Node, partner: Partner, module: str, tallies: Sequence[Tally], ref: str) -> None:
    numbers: Counter[Outcome] = Counter()
    for each in tallies:
        numbers[each.outcome] += each.number
    fields = {"ref": ref} if ref else {}
    verb = "refused" if numbers[Outcome.REFUSED] else "read with repairs"
    log.info(
        f"a partner's document was {verb}",
        extra={
            "partner": partner.id,
            "ocpi_module": module,
            **fields,
            "findings": [_for_log(each) for each in tallies],
            **metrics.findings_reported(
                node.settings.table,
                numbers[Outcome.REPAIRED],
                numbers[Outcome.SET_ASIDE],
                numbers[Outcome.REFUSED],
            ),
        },
    )


def _for_log(tally: Tally) -> dict[str, Any]:
    """The fields of a tally without the partner's value."""
    return {
        "field": tally.field,
        "kind": tally.kind,
        "outcome": tally.outcome.value,
        "reason": tally.reason,
        "number": tally.number,
    }
