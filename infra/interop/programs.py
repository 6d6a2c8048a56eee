"""The programs of other people that `make interop` runs as partners, and what is expected of each.

Which programs are left out, and why: docs/interop.md.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, eq=False)
class Program:
    """One program. Its version is in `requirements/NAME.txt`.

    adapter: module of `adapters/`, run in the program's own environment. server: the adapter of its server,
    "" for a program that has no server of its own, or none that a conforming node can register with.
    ocpi: the version that both sides speak.
    expected: the fewest objects that the node takes, by role and node, such as `CPO at emsp`.
    """

    name: str
    adapter: str
    server: str = ""
    ocpi: str = "2.2.1"
    expected: dict[str, int] = field(default_factory=dict)


_ALL = {"CPO at emsp": 8, "CPO at hub": 8, "EMSP at cpo": 6, "EMSP at hub": 2}
"""Every object that is offered."""

_ALL_BY_SERVER = {
    "CPO server at emsp": 8,
    "CPO server at hub": 8,
    "EMSP server at cpo": 4,
    "EMSP server at hub": 2,
}

PROGRAMS = (
    Program("extrawest-ocpi", "py_ocpi_models", "extrawest_server", expected={**_ALL, **_ALL_BY_SERVER}),
    Program("py-ocpi", "py_ocpi_models", expected=_ALL),
    # A CDR without a volume, and a reservation without its end.
    Program(
        "python-ocpi",
        "python_ocpi_models",
        expected={**_ALL, "CPO at emsp": 7, "CPO at hub": 7, "EMSP at cpo": 5},
    ),
    Program("ocpi-types", "ocpi_types_models", expected=_ALL),
    Program("latam-evra-ocpi", "latam_models", expected=_ALL),
    # Its tariffs have no tax_included.
    Program(
        "latam-evra-ocpi",
        "latam_models",
        ocpi="2.3.0",
        expected={**_ALL, "CPO at emsp": 6, "CPO at hub": 6},
    ),
    Program(
        "extrawest-ocpi", "py_ocpi_models_2_1_1", "extrawest_server", "2.1.1", {**_ALL, **_ALL_BY_SERVER}
    ),
    # It offers fewer objects; in one of them the coordinates are empty.
    Program(
        "ocpi-types",
        "ocpi_types_models_2_1_1",
        ocpi="2.1.1",
        expected={"CPO at emsp": 5, "CPO at hub": 5, "EMSP at cpo": 1, "EMSP at hub": 1},
    ),
    Program("ocpplab-ocpi-211-sdk", "ocpplab_models", "", "2.1.1", _ALL),
)
