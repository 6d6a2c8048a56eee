"""The pricing bench runs, on few sessions."""

from __future__ import annotations

from random import Random

from bench import pricing
from chalicelib.pricing.findings import ERROR
from chalicelib.pricing.lint import lint_tariff
from chalicelib.pricing.price_request import price_request


def test_both_ways_of_pricing_are_measured() -> None:
    times = pricing.measure(3)["times"]

    assert set(times) == {"ready periods, priced", "telemetry, cut and priced"}
    assert all(each["count"] == 3 for each in times.values())


def test_the_workload_matches_the_performance_targets() -> None:
    session = pricing.make_session(Random(1))

    assert len(pricing.TARIFF["elements"]) == 6
    assert not [each for each in lint_tariff(pricing.TARIFF) if each.severity == ERROR]
    assert len(session["meter_readings"]) == 12
    assert not price_request({"tariffs": [pricing.TARIFF], "session": session}).remarks
