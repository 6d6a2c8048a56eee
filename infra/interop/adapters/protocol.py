"""The command line of every adapter: `examples` writes what the program sends, `read` reads what we send.

    python -m infra.interop.adapters.NAME examples CONTEXT    JSON lines with module, variant, document
    python -m infra.interop.adapters.NAME read                JSON lines with module, document -> with error

An adapter runs in the environment of its program and uses the program's own models and JSON. Standard library
only.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from infra.interop.examples import make_example

VARIANTS = ("required", "all")
"""The two examples of each model: the fields that the program requires, and all that it knows."""


@dataclass(frozen=True)
class Model:
    """A model of the program.

    schema: its JSON Schema. write: the JSON text that the program makes of a document. read: reads a
    document, and raises if the program cannot.
    """

    schema: Mapping[str, Any]
    write: Callable[[Any], str]
    read: Callable[[Any], object]


def main(models: Mapping[str, Model]) -> None:
    """Run the command line. models: by module, commands by their names."""
    if sys.argv[1] == "examples":
        _write_examples(models, json.loads(sys.argv[2]))
    else:
        _read_lines(models)


def _write_examples(models: Mapping[str, Model], context: Mapping[str, str]) -> None:
    for module, model in models.items():
        for number, variant in enumerate(VARIANTS, 1):
            ids = {"id": f"{module[:1].upper()}{number}", "uid": f"U{number}", **context}
            line: dict[str, Any] = {"module": module, "variant": variant}
            try:
                line["body"] = model.write(make_example(model.schema, ids, variant == "required"))
            except Exception as error:  # the program refuses its own fields
                line["error"] = _text(error)
            if line.get("body") != "{}":  # the program requires no field
                print(json.dumps(line))


def _read_lines(models: Mapping[str, Model]) -> None:
    for text in sys.stdin:
        line = json.loads(text)
        error = None
        try:
            models[line["module"]].read(line["document"])
        except Exception as raised:
            error = _text(raised)
        print(json.dumps({"module": line["module"], "error": error}))


def _text(error: Exception) -> str:
    # flask-restx has its errors in `data`.
    text = getattr(error, "data", None) or error
    return " ".join(f"{type(error).__name__}: {text}".split())[:200]
