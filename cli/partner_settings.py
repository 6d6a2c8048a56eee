"""Settings of a partner as text: `SETTING=VALUE`, for every field of `PartnerSettings`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import typer

from chalicelib.partners.settings import PartnerSettings


def read_settings(texts: Iterable[str]) -> dict[str, Any]:
    """Parse settings for a request body. A value is JSON, unless it is no JSON or the setting is a text.

    >>> read_settings(["name=MOBI.E", 'profiles=["ptmob"]', "only_version=2.2"])
    {'name': 'MOBI.E', 'profiles': ['ptmob'], 'only_version': '2.2'}

    Raises: BadParameter for a text without `=`. The node checks names and values.
    """
    return dict(map(_read_setting, texts))


def write_settings(partner: Mapping[str, Any]) -> Iterator[str]:
    """Write the settings of a partner, as the operator API shows it, one line each.

    >>> list(write_settings({"name": "MOBI.E", "token_encoding": "raw", "profiles": ["ptmob"], "id": "1"}))
    ['name=MOBI.E', 'token_encoding=raw', 'profiles=["ptmob"]']
    """
    for name in PartnerSettings.model_fields:
        if name in partner:  # A node of an earlier release has fewer settings.
            value = partner[name]
            yield f"{name}={value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}"


def _read_setting(text: str) -> tuple[str, Any]:
    name, sign, value = text.partition("=")
    if not (name and sign):
        raise typer.BadParameter(f"{text!r} is no setting; write SETTING=VALUE, such as token_encoding=raw")
    field = PartnerSettings.model_fields.get(name)
    if field is not None and field.annotation is str:
        return name, value
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value
