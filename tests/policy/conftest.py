"""The fixtures of nodes and partners, as in tests/modules."""

from __future__ import annotations

from tests.modules.conftest import node_of as node_of
from tests.modules.conftest import partner_of as partner_of
