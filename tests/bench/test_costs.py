"""The table of costs uses the measured request units, and docs/costs.md has the computed table."""

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


def test_operations_take_the_units_of_the_cost_model(dynamodb: Any) -> None:
    """After a change of an operation, update `COUNTED`, and the table with `make costs`.

    Source: docs/design.md, Storage and what it may cost
    """
    assert count(dynamodb) == costs.COUNTED


def test_the_docs_have_the_computed_table() -> None:
    assert costs.write_table() in (ROOT / "docs" / "costs.md").read_text()


def test_every_alarm_of_the_template_is_in_the_costs() -> None:
    template = yaml.safe_load((ROOT / "infra" / "resources.yaml").read_text())

    assert json.dumps(template).count('"AWS::CloudWatch::Alarm"') == costs.ALARMS


def test_ten_times_the_charge_points_make_about_ten_times_the_requests() -> None:
    """Tokens and idle costs do not depend on the number of charge points."""
    small, large = costs.use(1_000), costs.use(10_000)

    assert 9 < large.api_requests / small.api_requests < 10.01
    assert 9 < large.write_units / small.write_units < 10.01


def test_allowances_make_no_cost_negative() -> None:
    idle = costs.price(costs.use(0), costs.Allowances())

    assert all(amount >= 0 for amount in idle.values())
    assert sum(idle.values()) < sum(costs.price(costs.use(0)).values())
