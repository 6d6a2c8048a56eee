"""A setting of a partner that is one more field, `greeting`: on the command line and in the operator API.

Run as a program by `test_settings.py`; its last line is the answers as JSON.
"""

from __future__ import annotations

import json
from typing import Any

from typer.testing import CliRunner

from chalicelib.partners import settings


class OneMore(settings.PartnerSettings):
    """The settings with one more field."""

    greeting: str = "hello"


if __name__ == "__main__":  # Before the imports below make the models that inherit from it.
    settings.PartnerSettings = OneMore  # type: ignore[misc]

from chalicelib.storage.table import Key  # noqa: E402
from cli import main  # noqa: E402
from tests.harness.account import aws  # noqa: E402
from tests.harness.nodes import make_network  # noqa: E402
from tests.operator_api.caller import OperatorApi, path_of  # noqa: E402


class Client:
    """The command line's client of the operator API, without HTTP."""

    def __init__(self, api: OperatorApi) -> None:
        self._api = api

    def get(self, *path: str) -> Any:
        return self._api.ask("GET", path_of(*path))

    def patch(self, *path: str, body: object) -> Any:
        return self._api.ask("PATCH", path_of(*path), body)

    def post(self, *path: str, body: object) -> Any:
        return self._api.ask("POST", path_of(*path), body)


def run(api: OperatorApi, *arguments: str) -> str:
    """Run one command on a node. Returns its output."""
    main._operator_api = lambda context: Client(api)  # type: ignore[assignment,return-value]
    result = CliRunner().invoke(main.app, list(arguments), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def settings_of(api: OperatorApi, partner_id: str, *changes: str) -> str:
    """The lines of `./ocpi settings`, as one."""
    return " ".join(run(api, "settings", partner_id, *changes).splitlines())


def use_greetings(cpo: OperatorApi, hub: OperatorApi) -> dict[str, Any]:
    """Use the setting everywhere. Returns the answers."""
    first = json.loads(run(cpo, "invite", "First"))["id"]
    invited = json.loads(run(cpo, "invite", "Hub", "--set", "greeting=bom dia"))
    shown = settings_of(cpo, invited["id"])
    changed = settings_of(cpo, invited["id"], "greeting=boa noite")
    item = cpo.node.table.get(Key("partners", invited["id"])) or {}
    token = ("--token", invited["token"], "--set", "greeting=olá")
    registered = json.loads(run(hub, "register", "CPO", invited["versions_url"], *token))["id"]
    refused = cpo.call("PATCH", path_of("partners", invited["id"]), {"greeting": 5}).json
    return {
        "default": settings_of(cpo, first),
        "invited": shown,
        "changed": changed,
        "stored": json.loads(item["partner"])["greeting"],
        "registered": settings_of(hub, registered),
        "refused": [error["field"] for error in refused["errors"]],
    }


if __name__ == "__main__":
    with aws() as account:
        hosts = make_network(account, cpo="CPO", hub="HUB")
        print(json.dumps(use_greetings(*(OperatorApi(hosts[name].node) for name in ("cpo", "hub")))))
