"""Which lists of private objects there are: what an operator sees is all of them.

What is for everybody stands in lists that the configuration tells; what is for one partner only stands
in a list for whoever that is (`visibility.py`), parties among them that no directory knows, or knows no
more. So each list is written down, one small item each, when something new stands in it: by the
operator's own request, so that it finds at once what it has just put, and by the table's stream.

Source: docs/design.md, Visibility
"""

from __future__ import annotations

from chalicelib.storage.table import Table


def remember_list(table: Table, partition: str) -> None:
    """Write a list down; again changes nothing."""
    table.put({"pk": _pk_of(partition.partition("#")[0]), "sk": partition})


def remembered_lists(table: Table, module: str) -> list[str]:
    """Every list of a module that something stood in, in one query."""
    return [item["sk"] for item in table.query_all("#pk = :pk", {"pk": _pk_of(module)})]


def _pk_of(module: str) -> str:
    return f"lists#{module}"
