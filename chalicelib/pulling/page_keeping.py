"""Stores the objects of one page, each as if the partner had pushed it.

An object that cannot be stored is counted and reported, and stops no other one (TRN-30).

Source: OCPI 2.2.1 transport_and_format, GET; modules/received_objects.py
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from chalicelib.errors import InvalidParameters, OcpiError
from chalicelib.findings.reporting import report
from chalicelib.log import log
from chalicelib.modules.received_objects import ref_of
from chalicelib.modules.registry import find_module, load_keeping
from chalicelib.partners.connection import connection_facts
from chalicelib.policy.visibility import owner_roles
from chalicelib.protocol.types import parse_datetime
from chalicelib.pulling.known_items import KnownItems
from chalicelib.reading.findings import Finding, Outcome
from chalicelib.storage.table import is_temporary
from chalicelib.versions.supported import to_canonical, traits_of
from chalicelib.versions.version import NOTHING_KNOWN

if TYPE_CHECKING:
    from chalicelib.modules.received_objects import Kept
    from chalicelib.node import Node
    from chalicelib.partners.directory import Partner

_READ_TOGETHER = 500
"""Entries of a page whose stored objects are read before they are handled. A partner may ignore the limit."""


@dataclass
class Tally:
    """Counts of the entries of a page, by what became of them.

    taken: entries that were handled. unchanged: with those that are too old to be kept (docs/retention.md).
    odd: stored with a remark. seen: keys of the objects that the partner has, those that could not be stored
    included.
    """

    taken: int = 0
    kept: int = 0
    unchanged: int = 0
    refused: int = 0
    odd: int = 0
    own: int = 0
    seen: list[str] = field(default_factory=list)


def keep_page(
    node: Node, partner: Partner, module: str, entries: Sequence[Any], is_over: Callable[[], bool]
) -> Tally:
    """Store the entries in their order, at least one, until the time is over."""
    tally = Tally()
    for start in range(0, len(entries), _READ_TOGETHER):
        part = entries[start : start + _READ_TOGETHER]
        named = [_with_owner(partner, module, entry) for entry in part]
        known = KnownItems(node, partner, module, named)
        for entry, came in zip(named, part, strict=True):
            _keep(node, partner, module, entry, known, tally)
            if entry is not came and traits_of(partner.version).has_roles:
                _report_owner(node, partner, module, entry, came)
            tally.taken += 1
            if is_over():
                return tally
    return tally


def _keep(node: Node, partner: Partner, module: str, entry: Any, known: KnownItems, tally: Tally) -> None:
    ref = ref_of(module, entry)
    if ref is not None:
        tally.seen.append(ref.key.pk)
    if not isinstance(entry, dict):
        finding = Finding(Outcome.REFUSED, "", "NO_OBJECT", "expected a JSON object", entry)
        report(node, partner, module, [finding])
        tally.refused += 1
        return
    if ref is not None and _is_forgotten(node, module, entry) and not known.has(ref):
        tally.unchanged += 1
        return
    if module != "cdrs" and ref is not None and node.settings.owns(ref.owner):
        tally.own += 1  # A hub lists them, too. CDRs of ours may be made by the hub.
        return
    try:
        facts = NOTHING_KNOWN
        if traits_of(partner.version).needs_facts:
            facts = connection_facts(partner, (), node.clock())
        document = to_canonical(partner.version, find_module(module).kind, entry, facts)
        kept: Kept = load_keeping(module).keep(node, partner, document, known.of(document))
    except Exception as error:
        _refuse(node, partner, module, entry, error)
        tally.refused += 1
        return
    tally.odd += kept.remark is not None
    if kept.change.written:
        tally.kept += 1
        known.note(kept.ref)
    else:
        tally.unchanged += 1
    if ref is None or kept.ref.key != ref.key:
        tally.seen.append(kept.ref.key.pk)


def _is_forgotten(node: Node, module: str, entry: Mapping[str, Any]) -> bool:
    """Tell whether an object about a driver is older than this node keeps such objects.

    Otherwise a full list would bring back what was deleted for its age, and for the whole time once more.
    Source: docs/retention.md
    """
    kept = node.settings.retention.get(module)
    if kept is None or (module == "tokens" and entry.get("valid") is not False):
        return False
    try:
        return parse_datetime(entry["last_updated"]) + kept < node.clock()
    except (KeyError, TypeError, OverflowError, InvalidParameters):
        return False


def _with_owner(partner: Partner, module: str, entry: Any) -> Any:
    """The entry with its owner, where that is certain: the only party of a partner that is no hub."""
    owners = partner.parties(*owner_roles(module))
    if not isinstance(entry, dict) or partner.is_hub or partner.strict or len(owners) != 1:
        return entry
    missing = {name: value for name, value in owners[0]._asdict().items() if not entry.get(name)}
    return {**entry, **missing} if missing else entry


def _report_owner(node: Node, partner: Partner, module: str, entry: Any, came: Any) -> None:
    reason = "taken from the partner's only party"
    names = [name for name in entry if entry[name] != came.get(name)]
    findings = [Finding(Outcome.REPAIRED, name, "MISSING", reason) for name in names]
    report(node, partner, module, findings, ref_of(module, entry))


def _refuse(node: Node, partner: Partner, module: str, entry: dict[str, Any], error: Exception) -> None:
    """Report why an object is not stored.

    Raises: `error` itself when the object is not the cause.
    """
    if is_temporary(error):
        raise error
    ref = ref_of(module, entry)
    if not isinstance(error, OcpiError):
        # An error of this node that one object causes must not stop the whole list.
        log.exception("an object of a partner's list cannot be stored by our own fault")
        finding = Finding(Outcome.REFUSED, "", "NODE_ERROR", "this node failed to store it")
        report(node, partner, module, [finding], ref)
    elif not error.is_reported:
        finding = Finding(Outcome.REFUSED, error.field or "", type(error).__name__, error.detail)
        report(node, partner, module, [finding], ref)
