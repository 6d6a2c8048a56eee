"""The version of this software; no other file repeats it."""

RELEASE = "0.6.0"
"""Semantic version of this release, or of the next one. CHANGELOG.md lists the changes of each."""
