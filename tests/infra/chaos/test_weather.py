from __future__ import annotations

from collections import Counter

import pytest

from infra.chaos.weather import CALM, STORM_CALLS, Fault, Weather, fault_for

RAIN = Weather(seed=7, rate=0.1)
CALLS = range(4000)


def drawn(weather: Weather, operation: str = "PutItem") -> list[Fault | None]:
    return [fault_for(weather, number, operation) for number in CALLS]


def test_the_same_seed_draws_the_same_faults_and_another_seed_others() -> None:
    assert drawn(RAIN) == drawn(Weather(seed=7, rate=0.1))
    assert drawn(RAIN) != drawn(Weather(seed=8, rate=0.1))


def test_no_call_fails_in_calm_weather() -> None:
    assert set(drawn(CALM)) == {None}


def test_the_share_of_failed_calls_is_the_rate() -> None:
    share = sum(fault is not None for fault in drawn(RAIN)) / len(CALLS)

    assert share == pytest.approx(0.1, abs=0.02)


def test_every_kind_of_fault_happens_to_a_batch() -> None:
    assert set(drawn(RAIN, "SendMessageBatch")) == {None, *Fault}


@pytest.mark.parametrize("operation", ["DescribeTable", "GetQueueUrl", "Decrypt", "GetShardIterator"])
def test_calls_of_a_node_s_start_do_not_fail(operation: str) -> None:
    assert set(drawn(RAIN, operation)) == {None}


def test_the_answer_of_a_receive_always_arrives_in_time() -> None:
    assert not {Fault.ANSWER_LOST, Fault.LATE} & set(drawn(RAIN, "ReceiveMessage"))


def test_a_storm_lasts_for_a_block_of_calls() -> None:
    weather = Weather(seed=1, storms=0.1, storm_rate=1.0)

    failed = Counter(
        number // STORM_CALLS for number in CALLS if fault_for(weather, number, "PutItem") is not None
    )

    assert failed
    assert set(failed.values()) == {STORM_CALLS}
