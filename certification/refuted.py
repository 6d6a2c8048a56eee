"""The exception that fails a scenario."""

from __future__ import annotations


class Refuted(Exception):
    """An expectation of the plan did not hold; the text says what was expected."""
