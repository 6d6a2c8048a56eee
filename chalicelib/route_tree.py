"""Finds the resource of a path, by API Gateway's rules; also for the local gateway.

A fixed segment goes before a variable one, a variable takes exactly one non-empty segment, and one trailing
slash does not count. As in API Gateway, each level has at most one variable.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Match:
    """A resource such as /tariffs/{tariff_id}, and the values of its variables, still encoded."""

    resource: str
    parameters: dict[str, str]


@dataclass
class _Level:
    fixed: dict[str, _Level] = field(default_factory=dict)
    variable: _Level | None = None
    resource: str | None = None


class RouteTree:
    """An API's resources as a tree of path segments."""

    def __init__(self, resources: Iterable[str]) -> None:
        self._root = _Level()
        for resource in resources:
            self._add(resource)

    def find(self, path: str) -> Match | None:
        """Find the resource of a path; None when there is none."""
        segments = _split(path)
        found = _descend(self._root, segments)
        if found is None:
            return None
        names = _split(found)
        parameters = {
            name[1:-1]: segment for name, segment in zip(names, segments, strict=True) if _is_variable(name)
        }
        return Match(found, parameters)

    def _add(self, resource: str) -> None:
        level = self._root
        for segment in _split(resource):
            if _is_variable(segment):
                level.variable = level.variable or _Level()
                level = level.variable
            else:
                level = level.fixed.setdefault(segment, _Level())
        level.resource = resource


def _descend(level: _Level, segments: list[str]) -> str | None:
    if not segments:
        return level.resource
    first, rest = segments[0], segments[1:]
    found = _descend(level.fixed[first], rest) if first in level.fixed else None
    if found is None and level.variable is not None and first:
        found = _descend(level.variable, rest)
    return found


def _split(path: str) -> list[str]:
    return path.removeprefix("/").removesuffix("/").split("/")


def _is_variable(segment: str) -> bool:
    return segment.startswith("{") and segment.endswith("}")
