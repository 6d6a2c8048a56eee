"""Record of all partitions with private objects, so that the operator can see all of them.

The configuration names the partitions of public objects. A private object is in a partition for its viewer
(`visibility.py`), and a viewer may be a party that is not in the directory. So each partition gets one small
item when a new object enters it. The operator's own request writes this item, so that the operator finds the
object at once; the stream handler writes it as well.

Source: docs/design.md, Visibility
"""

from __future__ import annotations

from chalicelib.storage.table import Table


def remember_list(table: Table, partition: str) -> None:
    """Record a partition; recording it again changes nothing."""
    table.put({"pk": _pk_of(partition.partition("#")[0]), "sk": partition})


def remembered_lists(table: Table, module: str) -> list[str]:
    """Return every recorded partition of a module, in one query."""
    return [item["sk"] for item in table.query_all("#pk = :pk", {"pk": _pk_of(module)})]


def _pk_of(module: str) -> str:
    return f"lists#{module}"
