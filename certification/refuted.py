"""The one way in which a scenario fails."""

from __future__ import annotations


class Refuted(Exception):
    """What the plan expects did not happen; the text says what should have been."""
