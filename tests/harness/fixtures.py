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
def in_moto() -> None:
    """Put tables and keys into moto, whose calls can be measured."""


@pytest.fixture
def account(moto: None, request: pytest.FixtureRequest) -> Iterator[Account]:
    """An empty AWS account."""
    with aws(in_moto="in_moto" in request.fixturenames) as account:
        yield account
