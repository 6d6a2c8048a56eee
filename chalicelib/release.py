"""The version of this software: the one place where it stands."""

RELEASE = "0.6.0"
"""Semantic version of this release, or of the next one. CHANGELOG.md lists the changes of each."""
