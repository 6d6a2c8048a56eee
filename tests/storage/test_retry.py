from __future__ import annotations

import pytest

from chalicelib.errors import ServerError
from chalicelib.storage import retry


def test_pauses_are_drawn_from_a_range_that_doubles_up_to_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(retry.random, "uniform", lambda _, longest: longest)
    monkeypatch.setattr(retry.time, "sleep", pauses.append)

    with pytest.raises(ServerError):
        assert list(retry.attempts())

    assert len(pauses) == retry.TRIES - 1
    assert pauses[:3] == [0.02, 0.04, 0.08]
    assert max(pauses) == 1.0


def test_the_first_try_does_not_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry.time, "sleep", lambda _: pytest.fail("waited"))

    assert next(retry.attempts()) == 0
