"""`make run` as a person sees it: a table, READY, and an end without leftovers."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from infra.local import children, run
from infra.local.children import PROJECT, ChildFailed
from infra.local.sandbox import HUB, Sandbox
from tests.infra.polling import eventually


def test_it_prints_the_urls_then_ready_and_stops_all_processes(tmp_path: Path) -> None:
    state, printed = tmp_path / "state", tmp_path / "printed"
    port = _three_free_ports()
    with printed.open("w") as out:
        process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "infra.local.run",
                "--sites",
                "1",
                "--port",
                str(port),
                "--state-dir",
                str(state),
            ],
            cwd=PROJECT,
            stdout=out,
            start_new_session=True,
        )
    try:
        eventually(lambda: "READY" in printed.read_text() or process.poll() is not None)
        lines = printed.read_text().splitlines()
        described = json.loads((state / "sandbox.json").read_text())
    finally:
        process.send_signal(signal.SIGINT)
        exit_code = process.wait(60)

    assert lines[-1] == "READY"
    for offset, name in enumerate(("cpo", "hub", "emsp")):
        assert described[name]["versions_url"] == f"http://127.0.0.1:{port + offset}/ocpi/versions"
        assert any(described[name]["versions_url"] in line for line in lines)
        assert any(described[name]["operator_key"] in line for line in lines)
    assert any(line.strip().startswith("curl ") for line in lines)
    assert exit_code == 0
    assert not (state / "sandbox.json").exists()
    for offset in range(3):
        children.listen(port + offset).close()


def test_a_port_that_no_node_may_be_called_at_is_reported_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "_on_signal", lambda handler: None)

    exit_code = run.main(["--port", "9198", "--state-dir", str(tmp_path)])

    assert exit_code == 1
    assert "a node calls no other one at port 9200" in capsys.readouterr().out


def test_a_port_in_use_is_reported_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "_on_signal", lambda handler: None)
    with children.listen(0) as taken:
        port = taken.getsockname()[1]

        exit_code = run.main(["--port", str(port), "--state-dir", str(tmp_path)])

    assert exit_code == 1
    assert f"port {port} for the cpo cannot be taken" in capsys.readouterr().out
    assert list(tmp_path.glob("logs/*")) == []


def test_a_process_that_ends_is_named_with_the_end_of_its_log(toys: Sandbox) -> None:
    toys.node(HUB).kill()

    with pytest.raises(ChildFailed, match="^hub ended\n"):
        run._watch(toys)

    toys.start_node(HUB)


def _three_free_ports() -> int:
    while True:
        with children.listen(0) as found:
            first: int = found.getsockname()[1]
        try:
            for offset in range(3):
                children.listen(first + offset).close()
        except OSError:
            continue
        return first
