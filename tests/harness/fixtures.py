"""Fixtures of an AWS account in moto; tests/conftest.py gives them to every test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.harness.account import Account, aws


@pytest.fixture(scope="module")
def moto() -> Iterator[None]:
    """Replace AWS by moto for a whole file; a start of moto takes longer than some of the tests."""
    with aws():
        yield


@pytest.fixture
def account(moto: None) -> Iterator[Account]:
    """An empty AWS account."""
    with aws() as account:
        yield account
