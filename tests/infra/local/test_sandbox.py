"""Three toy nodes run, are driven by their own declarations, stop completely and keep their data."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import urllib3

from infra.local.children import PROJECT
from infra.local.sandbox import CPO, EMSP, HUB, Sandbox, SandboxError
from tests.infra.conftest import TOY
from tests.infra.polling import eventually

http = urllib3.PoolManager(retries=False, timeout=10)


def test_a_change_reaches_the_queue_handler_through_the_stream(toys: Sandbox) -> None:
    http.request("PUT", f"{toys.public_url(CPO)}/items/one")

    assert eventually(lambda: "one" in _pushed(toys))


def test_each_node_has_its_own_table(toys: Sandbox) -> None:
    http.request("PUT", f"{toys.public_url(CPO)}/items/mine")
    eventually(lambda: "mine" in _pushed(toys))

    others = http.request("GET", f"{toys.public_url(HUB)}/pushed").json()

    assert others == []


def test_the_description_holds_what_scripts_need(toys: Sandbox) -> None:
    described = json.loads((toys.state_dir / "sandbox.json").read_text())

    assert described == toys.describe()
    assert set(described) == {"cpo", "hub", "emsp"}
    assert described["hub"]["versions_url"] == f"{toys.public_url(HUB)}/ocpi/versions"
    assert described["hub"]["operator_url"] == f"{toys.public_url(HUB)}/operator"
    assert (described["hub"]["country_code"], described["hub"]["party_id"]) == ("PT", "MOB")
    assert len({node["operator_key"] for node in described.values()}) == 3


def test_every_request_sees_its_own_data_and_context(toys: Sandbox) -> None:
    http = urllib3.PoolManager(maxsize=8)

    def call(number: int) -> Any:
        answer: Any = http.request("GET", f"{toys.public_url(CPO)}/slow/{number}").json()
        return answer

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(call, range(200)))

    assert answers == [{"name": str(number), "same": True} for number in range(200)]


@pytest.mark.parametrize("name", ["A%2FB", "a%20b", "DE*ABC*E1"])
def test_encoded_segments_pass_the_web_server_untouched(toys: Sandbox, name: str) -> None:
    answer = urllib3.request("GET", f"{toys.public_url(CPO)}/echo/{name}/?x=1").json()

    assert answer["name"] == name
    assert answer["path"] == f"/echo/{name}/"
    assert answer["query"] == {"x": ["1"]}


def test_a_large_body_arrives_whole_and_a_larger_one_is_refused_in_an_envelope(toys: Sandbox) -> None:
    url = f"{toys.public_url(CPO)}/echo/x"

    large = urllib3.request("PUT", url, body=b"x" * (2 * 1024 * 1024))
    larger = urllib3.request("PUT", url, body=b"x" * (11 * 1024 * 1024))

    assert large.json()["length"] == 2 * 1024 * 1024
    assert larger.status == 413
    assert larger.json()["status_code"] == 2001


def test_a_node_that_was_killed_can_start_again_on_its_port(toys: Sandbox) -> None:
    url = toys.public_url(EMSP)

    toys.node(EMSP).kill()
    with pytest.raises(urllib3.exceptions.HTTPError):
        http.request("GET", f"{url}/pushed")
    toys.start_node(EMSP)

    assert http.request("GET", f"{url}/pushed").status == 200


def test_variables_can_be_set_for_one_node(toys: Sandbox) -> None:
    assert http.request("GET", f"{toys.public_url(HUB)}/environment/OCPI_TOY").json() == "only the hub's"
    assert http.request("GET", f"{toys.public_url(CPO)}/environment/OCPI_TOY").json() is None


def test_a_person_s_own_aws_settings_do_not_reach_a_node(toys: Sandbox) -> None:
    seen = {
        name: http.request("GET", f"{toys.public_url(CPO)}/environment/{name}").json()
        for name in ("AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_ENDPOINT_URL", "SANDBOX_OPERATOR_KEY")
    }

    assert seen["AWS_ACCESS_KEY_ID"] == "sandbox"
    assert seen["AWS_PROFILE"] is None
    assert seen["AWS_ENDPOINT_URL"] == toys.emulator.endpoint_url
    assert seen["SANDBOX_OPERATOR_KEY"] is None


def test_data_keys_and_undelivered_changes_survive_a_restart(tmp_path: Path) -> None:
    with Sandbox(app=TOY, connected=False, persist=True, state_dir=tmp_path) as first:
        keys = [node["operator_key"] for node in first.describe().values()]
        http.request("PUT", f"{first.public_url(CPO)}/items/before")
        eventually(lambda: "before" in _pushed(first))
        # A change that no handler has seen when the sandbox stops.
        first.node(CPO).kill()
        first.emulator.client("dynamodb").put_item(
            TableName="ocpi-node-cpo", Item={"pk": {"S": "item"}, "sk": {"S": "unseen"}}
        )

    with Sandbox(app=TOY, connected=False, persist=True, state_dir=tmp_path) as second:
        assert [node["operator_key"] for node in second.describe().values()] == keys
        assert eventually(lambda: {"before", "unseen"} <= set(_pushed(second)))


def test_a_port_in_use_is_named_and_no_process_is_left_running(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        sandbox = Sandbox(app=TOY, port=port, state_dir=tmp_path)

        with pytest.raises(SandboxError, match=rf"port {port} for the cpo .* PORT=9000 make run"):
            sandbox.start()


def test_two_sandboxes_cannot_share_a_folder(toys: Sandbox) -> None:
    with pytest.raises(SandboxError, match="another sandbox"):
        Sandbox(app=TOY, state_dir=toys.state_dir).start()

    assert (toys.state_dir / "sandbox.json").exists()
    assert toys.dead_children() == []


def test_even_a_kill_leaves_no_process_and_loses_no_data(tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", _SUPERVISOR, str(tmp_path)], cwd=PROJECT)
    pids = eventually(lambda: _read_pids(tmp_path))

    process.kill()
    process.wait()

    assert eventually(lambda: not any(_is_running(pid) for pid in pids))
    assert (tmp_path / "aws" / "dynamodb.json").exists(), "the emulator did not save its state"


_SUPERVISOR = f"""
import json, pathlib, signal, sys
from infra.local.sandbox import Sandbox
folder = pathlib.Path(sys.argv[1])
with Sandbox(app={TOY!r}, connected=False, persist=True, state_dir=folder) as sandbox:
    pids = [child.pid for child in [sandbox.emulator.child, *sandbox._nodes.values()]]
    (folder / "pids.draft").write_text(json.dumps(pids))
    (folder / "pids.draft").rename(folder / "pids")
    signal.pause()
"""


def _read_pids(folder: Path) -> list[int] | None:
    file = folder / "pids"
    return json.loads(file.read_text()) if file.exists() else None


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def _pushed(sandbox: Sandbox) -> Any:
    return http.request("GET", f"{sandbox.public_url(CPO)}/pushed").json()
