"""The descriptor of versions and version details."""

from __future__ import annotations

from chalicelib.modules.module import Module

MODULE = Module("versions", __name__.rpartition(".")[0], interfaces=("routes",))
