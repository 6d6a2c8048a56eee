"""A trial states expectations, waits for them, and undoes its changes."""

from __future__ import annotations

import pytest

from certification.nodes import Nodes
from certification.refuted import Refuted
from certification.trial import Trial
from certification.web import Web


@pytest.fixture
def trial(some_nodes: Nodes) -> Trial:
    return Trial(some_nodes, None, Web(), deadline_s=0.05)


def test_an_expectation_that_does_not_hold_is_raised_with_its_text(trial: Trial) -> None:
    trial.expect(True, "this holds")
    with pytest.raises(Refuted, match="the sky is green"):
        trial.expect(False, "the sky is green")


def test_waiting_notes_how_long_it_took(trial: Trial) -> None:
    looks = iter([False, True])

    trial.eventually("it arrives", lambda: next(looks))

    assert trial.evidence[0].startswith("it arrives: after 0.")


def test_a_timer_may_take_longer_than_a_broadcast(trial: Trial) -> None:
    assert trial.timer_s > 60 > trial.deadline_s


def test_patience_multiplies_every_time_limit(some_nodes: Nodes) -> None:
    plain, patient = (Trial(some_nodes, None, Web(), 2.0, patience=times) for times in (1.0, 3.0))

    assert patient.deadline_s == 3 * plain.deadline_s
    assert patient.timer_s == 3 * plain.timer_s
    assert patient.patience == 3.0


def test_waiting_names_the_places_that_are_missing(trial: Trial) -> None:
    with pytest.raises(Refuted, match="the tariff, at the eMSP: within"):
        trial.all_eventually("the tariff", {"at the hub": lambda: True, "at the eMSP": lambda: False})


def test_an_error_while_waiting_is_named_with_the_deadline(trial: Trial) -> None:
    def look() -> bool:
        raise Refuted("the operator API answers 200, not 503")

    with pytest.raises(Refuted, match=r"it arrives.*\(the operator API answers 200, not 503\)"):
        trial.eventually("it arrives", look)


def test_the_last_change_is_undone_first(trial: Trial) -> None:
    undone: list[str] = []
    trial.afterwards("one", lambda: undone.append("one"))
    trial.afterwards("two", lambda: undone.append("two"))

    assert trial.clean_up() == []
    assert undone == ["two", "one"]


def test_a_failed_undo_does_not_stop_the_others(trial: Trial) -> None:
    undone: list[str] = []

    def fail() -> None:
        raise ValueError("no")

    trial.afterwards("one", lambda: undone.append("one"))
    trial.afterwards("two", fail)

    assert trial.clean_up() == ["two: no"]
    assert undone == ["one"]


def test_without_a_probe_the_evidence_names_what_is_not_checked(trial: Trial) -> None:
    assert not trial.has_probe("the old token's 401")
    assert "the old token's 401" in trial.evidence[0]
