"""The table of costs rests on what operations really take, and stands in the docs as it is computed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from bench import costs
from tests.bench.counting import count
from tests.emulator import dynamodb as dynamodb
from tests.emulator import emulator as emulator

ROOT = Path(__file__).parents[2]


def test_operations_take_the_units_that_are_reckoned_with(dynamodb: Any) -> None:
    """When an operation has come to take more or less, `COUNTED` says so, and `make costs` the table.

    Source: docs/design.md, Storage and what it may cost
    """
    assert count(dynamodb) == costs.COUNTED


def test_the_table_in_the_docs_is_the_one_that_is_computed() -> None:
    assert costs.write_table() in (ROOT / "docs" / "costs.md").read_text()


def test_every_alarm_is_paid_for() -> None:
    template = yaml.safe_load((ROOT / "infra" / "resources.yaml").read_text())

    assert json.dumps(template).count('"AWS::CloudWatch::Alarm"') == costs.ALARMS


def test_ten_times_the_charge_points_are_about_ten_times_the_requests() -> None:
    """But for tokens and idling, which are there whatever the size."""
    small, large = costs.use(1_000), costs.use(10_000)

    assert 9 < large.api_requests / small.api_requests < 10.01
    assert 9 < large.write_units / small.write_units < 10.01


def test_what_is_free_takes_nothing_off_below_zero() -> None:
    idle = costs.price(costs.use(0), costs.Allowances())

    assert all(amount >= 0 for amount in idle.values())
    assert sum(idle.values()) < sum(costs.price(costs.use(0)).values())
