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


_ALL = {"CPO at emsp": 8, "CPO at hub": 8, "EMSP at cpo": 6, "EMSP at hub": 2}
"""Every object that is offered."""

_ALL_BY_SERVER = {
    "CPO server at emsp": 8,
    "CPO server at hub": 8,
    "EMSP server at cpo": 2,
    "EMSP server at hub": 2,
}

PROGRAMS = (
    Program("extrawest-ocpi", "py_ocpi_models", "extrawest_server", {**_ALL, **_ALL_BY_SERVER}),
    Program("py-ocpi", "py_ocpi_models", expected=_ALL),
    # A CDR without a volume, and a reservation without its end.
    Program(
        "python-ocpi",
        "python_ocpi_models",
        expected={**_ALL, "CPO at emsp": 7, "CPO at hub": 7, "EMSP at cpo": 5},
    ),
    Program("ocpi-types", "ocpi_types_models", expected=_ALL),
    Program("latam-evra-ocpi", "latam_models", expected=_ALL),
)
