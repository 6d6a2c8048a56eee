"""The fixtures of nodes and partners, as in tests/modules."""

from __future__ import annotations

from tests.modules.conftest import account as account
from tests.modules.conftest import moto as moto
from tests.modules.conftest import node_of as node_of
from tests.modules.conftest import partner_of as partner_of
