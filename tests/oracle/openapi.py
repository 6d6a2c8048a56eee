"""The OpenAPI documents of the EVRoaming Foundation as a judge of requests and answers.

Source: github ocpi/openapi-specification; X-11
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from jsonschema_rs import Draft202012Validator, Registry

from tests.oracle.data import OPENAPI
from tests.oracle.recorder import Recorded

ROLES = {"cpo": "cpo", "emsp": "msp"}
"""Our names of roles, and the documents' names. A hub plays both sides of every module."""


OTHER_ERRORS = (404, 405, 413, 415)
"""HTTP statuses of a wrong request, which the documents do not list for every operation."""

ERROR = {
    "$ref": "ocpi:///components/schema.yaml#"
    "/components/responses/OCPIErrorResponse/content/application~1json/schema"
}


class Operation(NamedTuple):
    """One method of one path."""

    path: tuple[str, ...]
    document: dict[str, Any]

    def answers(self, status: int) -> bool:
        return str(status) in self.document["responses"]

    def matches(self, segments: tuple[str, ...]) -> bool:
        if self.path[0] == "commands" and "{uid}" in self.path:
            return True  # The URL of a result is the caller's own.
        return len(self.path) == len(segments) + 1 and all(
            each.startswith("{") or each == given for each, given in zip(self.path[1:], segments, strict=True)
        )


class Yaml12(yaml.CSafeLoader):
    """A loader by YAML 1.2, as OpenAPI has it: `NO` is a text."""

    yaml_implicit_resolvers = {
        first: [each for each in resolvers if not each[0].endswith(":bool") or first in "tTfF"]
        for first, resolvers in yaml.CSafeLoader.yaml_implicit_resolvers.items()
    }


class OpenApi:
    """The documents of one version.

    Read more strictly than they are written: a field that a schema does not name is a problem, so is a header
    of a good answer that is missing (but for Link), and an enum that they call open is open from 2.3.0 on.
    """

    def __init__(self, version: str) -> None:
        folder = OPENAPI / version
        self.version = version
        self._files = {
            _uri(file, folder): yaml.load(file.read_text(encoding="utf-8"), Yaml12)
            for file in folder.glob("**/*.yaml")
        }
        for uri, document in self._files.items():
            self._prepare(document, uri)
        self._registry = Registry(list(self._files.items()))
        self._offered = json.loads((folder / "config.json").read_text())["roles"]
        self._validators: dict[str, Draft202012Validator] = {}

    def _prepare(self, document: Any, uri: str) -> None:
        """Make references absolute, enums open and objects closed."""
        if isinstance(document, dict):
            document.pop("x-enumDescriptions", None)
            if document.get("format") == "open-enum" and self.version >= "2.3":
                document.pop("enum", None)
            if document.get("type") == "object" and "properties" in document:
                document.setdefault("additionalProperties", False)
            if isinstance(document.get("$ref"), str):
                document["$ref"] = _join(uri, document["$ref"])
        inner = document.values() if isinstance(document, dict) else document
        for each in inner if isinstance(inner, Iterable) and not isinstance(inner, str) else ():
            self._prepare(each, uri)

    def problems(self, recorded: Recorded) -> Iterator[str]:
        """List what is wrong with a request or an answer."""
        operation = self._operation(recorded)
        if recorded.status in OTHER_ERRORS and (operation is None or not operation.answers(recorded.status)):
            yield from self._problems(ERROR, json.loads(recorded.body), "envelope")
            return
        if operation is None:
            yield f"the documents have no {recorded.method} of {'/'.join(recorded.segments) or 'the list'}"
            return
        if not self._is_offered(recorded):
            yield f"a {recorded.node} has no {recorded.module} {recorded.interface}"
        if recorded.status:
            yield from self._problems_of_answer(operation, recorded)
        else:
            yield from self._problems_of_request(operation, recorded)

    def problems_of(self, module: str, schema: str, document: object) -> list[str]:
        """List what is wrong with an object of a schema, such as `Tariff` of the module `tariffs`."""
        reference = f"ocpi:///modules/{module}/schema.yaml#/components/schemas/{schema}"
        return list(self._problems({"$ref": reference}, document, schema))

    def schema_names(self, module: str) -> list[str]:
        return list(self._files[f"ocpi:///modules/{module}/schema.yaml"]["components"]["schemas"])

    def _operation(self, recorded: Recorded) -> Operation | None:
        names = [f"{recorded.interface.lower()}-interface", "interface"]
        segments = recorded.segments
        if recorded.module == "versions" and segments:
            segments = (self.version,)
        for uri in (f"ocpi:///modules/{recorded.module}/{name}.yaml" for name in names):
            for path, methods in self._files.get(uri, {}).get("paths", {}).items():
                found = Operation(tuple(path.strip("/").split("/")), methods.get(recorded.method.lower()))
                if found.document is not None and found.matches(segments):
                    return found
        return None

    def _is_offered(self, recorded: Recorded) -> bool:
        """Tell whether the node's role has the called side of an answer, the other side of a request."""
        if recorded.node not in ROLES or recorded.module in ("credentials", "versions"):
            return True
        own = recorded.interface if recorded.status else _other(recorded.interface)
        return f"{recorded.module}/{own.lower()}-interface" in self._offered[ROLES[recorded.node]]

    def _problems_of_request(self, operation: Operation, recorded: Recorded) -> Iterator[str]:
        for parameter in operation.document.get("parameters", ()):
            parameter = self._resolve(parameter)
            if parameter["in"] != "header":
                continue
            value = recorded.headers.get(parameter["name"].lower())
            if value is None and parameter.get("required"):
                yield f"header {parameter['name']}: missing"
            elif value is not None:
                yield from self._problems(parameter["schema"], value, f"header {parameter['name']}")
        wanted = operation.document.get("requestBody")
        if not recorded.body:
            if wanted and wanted.get("required"):
                yield "body: missing"
        elif not wanted:
            yield "body: there is none in this request"
        else:
            yield from self._problems(_schema(wanted), json.loads(recorded.body), "body")

    def _problems_of_answer(self, operation: Operation, recorded: Recorded) -> Iterator[str]:
        answer = operation.document["responses"].get(str(recorded.status))
        if answer is None:
            yield f"HTTP {recorded.status} is no answer to {recorded.method}"
            return
        answer = self._resolve(answer)
        envelope = json.loads(recorded.body)
        for name in answer.get("headers", {}) if envelope["status_code"] == 1000 else ():
            if name != "Link" and name.lower() not in recorded.headers:
                yield f"header {name}: missing"
        schema, data_schema = _envelope(_schema(answer))
        yield from self._problems(schema, envelope, "envelope")
        if data_schema and "data" in envelope:
            yield from self._problems(data_schema, envelope["data"], "data")
        elif data_schema and envelope["status_code"] == 1000:
            yield "data: missing"

    def _problems(self, schema: dict[str, Any], document: object, name: str) -> Iterator[str]:
        for error in self._validator(schema).iter_errors(document):
            place = "/".join(str(part) for part in error.instance_path if not isinstance(part, int))
            yield f"{name}: {place}: {error.message[:200]}"

    def _validator(self, schema: dict[str, Any]) -> Draft202012Validator:
        key = json.dumps(schema)
        if key not in self._validators:
            self._validators[key] = Draft202012Validator(
                schema, registry=self._registry, validate_formats=True
            )
        return self._validators[key]

    def _resolve(self, document: dict[str, Any]) -> dict[str, Any]:
        """The document that a reference leads to."""
        if "$ref" not in document:
            return document
        uri, _, pointer = document["$ref"].partition("#")
        found: Any = self._files[uri]
        for part in pointer.strip("/").split("/"):
            found = found[part]
        return found  # type: ignore[no-any-return]


@cache
def open_api(version: str) -> OpenApi:
    """The documents of a version, read once."""
    return OpenApi(version)


def versions() -> list[str]:
    """The versions that there are documents of."""
    return sorted(folder.name for folder in OPENAPI.iterdir() if folder.is_dir())


def _uri(file: Path, folder: Path) -> str:
    return f"ocpi:///{file.relative_to(folder).as_posix()}"


def _join(uri: str, relative: str) -> str:
    """Return a reference that stands in a file as an absolute one.

    >>> _join("ocpi:///modules/cdrs/schema.yaml", "../../components/schema.yaml#/components")
    'ocpi:///components/schema.yaml#/components'
    """
    if relative.startswith("#"):
        return uri + relative
    parts = uri.removeprefix("ocpi:///").split("/")[:-1]
    for part in relative.split("/"):
        if part == "..":
            parts.pop()
        elif part != ".":
            parts.append(part)
    return "ocpi:///" + "/".join(parts)


def _other(interface: str) -> str:
    return "SENDER" if interface == "RECEIVER" else "RECEIVER"


def _schema(body: dict[str, Any]) -> dict[str, Any]:
    schema: dict[str, Any] = body["content"]["application/json"]["schema"]
    return schema


def _envelope(schema: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """The schemas of an envelope and of its data."""
    if "allOf" not in schema:
        return schema, None
    envelope, rest = schema["allOf"]
    return envelope, rest["properties"]["data"]
