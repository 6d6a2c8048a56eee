"""Reports what was odd in a document of a partner: a log line, metrics, and a message that has it counted.

The caller answers the partner and does not wait for the count: a request makes no DynamoDB call for it. A
worker reads the messages and counts many of them with one write.

Source: docs/interop.md, Findings; docs/security.md, What is logged
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from chalicelib import metrics
from chalicelib.findings.tallies import Tally, tally
from chalicelib.log import log
from chalicelib.reading.findings import Outcome
from chalicelib.storage.keys import for_log

if TYPE_CHECKING:
    from chalicelib.node import Node
    from chalicelib.partners.directory import Partner
    from chalicelib.reading.findings import Finding
    from chalicelib.storage.keys import Ref


def report(
    node: Node, partner: Partner, module: str, findings: Sequence[Finding], ref: Ref | None = None
) -> None:
    """Log and count the findings in one document; nothing if there is none.

    module: the module of the document. ref: the object, None where it is not known, as in an answer. A
    failure of ours never reaches the caller: it is logged.
    """
    if not findings:
        return
    tallies = tally(module, findings)
    _log(node, partner, module, tallies, ref)


def _log(node: Node, partner: Partner, module: str, tallies: Sequence[Tally], ref: Ref | None) -> None:
    numbers: Counter[Outcome] = Counter()
    for each in tallies:
        numbers[each.outcome] += each.number
    fields: dict[str, Any] = {"ref": for_log(str(ref))} if ref else {}
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
