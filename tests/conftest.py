"""Fixtures of every folder of tests."""

from __future__ import annotations

from tests.harness.fixtures import account as account
from tests.harness.fixtures import moto as moto
