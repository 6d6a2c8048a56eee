"""Compilers that run in two processes and are killed at random: each session gets one CDR in each partition.

`python -m bench.compiler` does the same with 10,000 sessions. Source: docs/design.md, A CDR; CDR-22, TRP-30
"""

from __future__ import annotations

from random import Random

from bench.compiler import make_hub, run_alone, run_under_fire
from infra.local.emulator import Emulator

SESSIONS, KILLS = 120, 4


def test_two_compilers_that_are_killed_at_random_make_one_cdr_for_each_session(emulator: Emulator) -> None:
    """On a busy machine compilers may be done before they are killed; then others are."""
    random, kills = Random(11), 0

    for number in range(10):
        outcome = run_under_fire(
            make_hub(emulator, f"fired{number}"), SESSIONS, random, (0.0, 0.2), most_kills=KILLS
        )
        assert outcome.wrong == []
        kills += outcome.kills
        if kills >= KILLS:
            return
    raise AssertionError(f"only {kills} compilers were killed")


def test_a_cdr_and_its_copy_take_two_calls(emulator: Emulator) -> None:
    """One read and one transaction; due sessions, partners and counters are read once in a run."""
    alone = run_alone(make_hub(emulator, "alone"), 40)

    assert alone.calls_each * 40 <= 2 * 40 + 10
