"""`make run`: a sandbox in the foreground, until Ctrl-C or SIGTERM.

It prints the URLs and keys, and `READY` as the last line once all nodes answer. If one of its processes
ends, it prints which and why, and stops the others.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from cli.operator_client import OperatorApiError
from infra.local.children import PROJECT, ChildFailed
from infra.local.sandbox import CPO, EMSP, Player, Sandbox, SandboxError

WATCH_SECONDS = 0.5
PRICES = '[{"price_components": [{"type": "ENERGY", "price": 0.25, "step_size": 1}]}]'


class _Stop(BaseException):
    """Raised by a signal that ends the sandbox."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a sandbox until it is stopped. Returns the exit code."""
    options = _read_arguments(arguments)
    _on_signal(_raise_stop)
    try:
        sandbox = Sandbox(
            port=options.port,
            state_dir=options.state_dir,
            seed_sites=options.sites,
            ocpi_versions="",
            persist=True,
            csms_speed=options.csms_speed,
            emsp_versions=options.emsp_versions.split(),
            report=_print,
        )
    except SandboxError as error:
        _print(f"\nThe sandbox cannot run: {error}")
        return 1
    try:
        sandbox.start()
        _print(_picture(sandbox, options.csms_speed))
        _print("READY")
        _watch(sandbox)
    except _Stop:
        _print("\nStopping ...")
        return 0
    except (SandboxError, ChildFailed, OperatorApiError) as error:
        _print(f"\nThe sandbox cannot run: {error}")
        return 1
    finally:
        # Ignore a second Ctrl-C, so that the cleaning up is complete.
        _on_signal(signal.SIG_IGN)
        sandbox.stop()


def _watch(sandbox: Sandbox) -> NoReturn:
    while not (dead := sandbox.dead_children()):
        time.sleep(WATCH_SECONDS)
    raise ChildFailed("\n".join(f"{child.name} ended\n{child.end_of_log()}" for child in dead))


def _picture(sandbox: Sandbox, csms_speed: float) -> str:
    lines = [""]
    for player in sandbox.players:
        node = sandbox.describe()[player.name]
        lines += [
            f"{player.name.upper():4} {player.title} ({player.country_code}/{player.party_id})",
            f"     versions  {node['versions_url']}",
            f"     operator  {node['operator_url']}",
            f"     key       {node['operator_key']}",
        ]
    lines += [
        "",
        "Create a tariff at the CPO, and see it at the eMSP:",
        f"  {_curl(sandbox, CPO, 'tariffs/MINE')} -X PUT -H 'Content-Type: application/json' \\",
        f'    -d \'{{"currency": "EUR", "elements": {PRICES}}}\'',
        f"  {_curl(sandbox, EMSP, 'tariffs')}",
        "",
        *_life(sandbox, csms_speed),
        f"Data, keys and logs are in {_short(sandbox.state_dir)}; Ctrl-C stops everything.",
    ]
    return "\n".join(lines)


def _life(sandbox: Sandbox, csms_speed: float) -> list[str]:
    if not csms_speed:
        return []
    return [
        f"A simulated CSMS charges cars, {csms_speed:g} times as fast as in life; see it at the eMSP:",
        f"  {_curl(sandbox, EMSP, 'sessions')}",
        "",
    ]


def _curl(sandbox: Sandbox, player: Player, path: str) -> str:
    node = sandbox.describe()[player.name]
    return f"curl -H 'Authorization: Bearer {node['operator_key']}' {node['operator_url']}/{path}"


def _short(path: Path) -> str:
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def _read_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make run", description="Run three OCPI nodes on this machine.")
    parser.add_argument("--port", type=int, default=8000, help="of the CPO; the hub and the eMSP are next")
    parser.add_argument("--sites", type=int, default=60, help="how many sites the CPO has")
    parser.add_argument("--state-dir", type=Path, default=PROJECT / ".local")
    parser.add_argument(
        "--csms-speed", type=float, default=10, help="simulated seconds per second of charging; 0: none"
    )
    parser.add_argument("--emsp-versions", default="", help="one more eMSP for each of these OCPI versions")
    return parser.parse_args(arguments)


def _on_signal(handler: object) -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, handler)  # type: ignore[arg-type]


def _raise_stop(*_: object) -> None:
    raise _Stop


def _print(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
