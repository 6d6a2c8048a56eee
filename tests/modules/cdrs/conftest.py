"""Fixture of a DynamoDB emulator for the tests with several processes."""

from __future__ import annotations

from tests.emulator import emulator as emulator
