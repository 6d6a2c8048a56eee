"""`make interop`: programs of other people as partners of the sandbox, in both roles.

It installs each program into an environment of its own, starts a sandbox, and lets each program register,
send its objects and commands, and read ours. It prints a table, with our reason for each refusal. The exit
code is 1 when fewer objects are taken than `programs.py` records.

    python -m infra.interop                    all programs
    python -m infra.interop py-ocpi            one program

It needs a package registry, so it is not part of `make test`. docs/interop.md has what was found.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from certification.ocpi import Party
from certification.probe import Probe
from certification.web import Web
from infra.interop.environments import PROJECT, Environment, NotInstalled
from infra.interop.exchange import SENDS, Exchange, open_site
from infra.interop.programs import PROGRAMS, Program
from infra.interop.report import HEADER, Trial, lines_of
from infra.interop.servers import ServerExchange
from infra.local.sandbox import PLAYERS, Sandbox

SITES = 3
PLAYER_BY_NAME = {player.name: player for player in PLAYERS}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the programs. Returns the exit code: 2 when one cannot be installed."""
    options = _read_arguments(arguments)
    chosen = [program for program in PROGRAMS if program.name in (options.programs or [program.name])]
    environments = {program: Environment(program, options.folder) for program in chosen}
    try:
        for environment in environments.values():
            _print(f"installing {environment.name} {environment.version}")
            environment.install()
    except NotInstalled as error:
        print(f"interop: {error}", file=sys.stderr)
        return 2
    trials = _run_all(environments)
    failed = [trial for trial in trials if not trial.is_as_expected]
    _print("")
    for trial in failed:
        _print(f"fewer than expected: {trial.program.name} on {trial.program.ocpi}, {trial.key}")
    _print(f"{len(trials) - len(failed)} passed, {len(failed)} failed")
    return 1 if failed else 0


def _run_all(environments: Mapping[Program, Environment]) -> list[Trial]:
    web, trials = Web(), []
    with Sandbox(seed_sites=SITES, ocpi_versions="", report=_print) as sandbox, Probe(web) as probe:
        open_site(sandbox)
        _print(f"\n{HEADER}")
        for number, (program, environment) in enumerate(environments.items()):
            for place, (role, node) in enumerate(SENDS):
                party = Party("PT", f"I{number}{place}")
                exchange = Exchange(sandbox, PLAYER_BY_NAME[node], probe, web, role)
                trials.append(Trial(program, environment.version, exchange.run(environment, party)))
                _print("\n".join(lines_of(trials[-1])))
                if program.server:
                    server = ServerExchange(sandbox, PLAYER_BY_NAME[node], web, role)
                    result = server.run(environment, program.server, Party("PT", f"S{number}{place}"))
                    trials.append(Trial(program, environment.version, result, is_server=True))
                    _print("\n".join(lines_of(trials[-1])))
    return trials


def _read_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make interop", description="Run other people's programs.")
    parser.add_argument(
        "programs", nargs="*", choices=[[], *dict.fromkeys(program.name for program in PROGRAMS)]
    )
    parser.add_argument("--folder", type=Path, default=PROJECT / ".venv/interop")
    return parser.parse_args(arguments)


def _print(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
