"""The programs of other people that `make interop` runs as partners, and what is expected of each.

Which programs are left out, and why: docs/interop.md.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Program:
    """One program. Its version is in `requirements/NAME.txt`.

    adapter: module of `adapters/`, run in the program's own environment. server: the adapter of its server,
    "" for a program that has no server of its own, or none that a conforming node can register with.
    expected: the fewest objects that the node takes, by role and node, such as `CPO at emsp`.
    """

    name: str
    adapter: str
    server: str = ""
    expected: dict[str, int] = field(default_factory=dict)


PROGRAMS = (
    Program("extrawest-ocpi", "py_ocpi_models", "extrawest_server"),
    Program("py-ocpi", "py_ocpi_models"),
    Program("python-ocpi", "python_ocpi_models"),
    Program("ocpi-types", "ocpi_types_models"),
    Program("latam-evra-ocpi", "latam_models"),
)
