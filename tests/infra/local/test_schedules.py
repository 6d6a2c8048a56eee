"""Schedule expressions mean the same as in EventBridge."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from infra.local.schedules import parse_schedule

NOW = datetime(2026, 11, 24, 10, 30, 20, tzinfo=UTC)  # a Tuesday


@pytest.mark.parametrize(
    ("expression", "due"),
    [
        ("rate(1 minute)", "2026-11-24 10:31:20"),
        ("rate(5 minutes)", "2026-11-24 10:35:20"),
        ("rate(2 hours)", "2026-11-24 12:30:20"),
        ("rate(1 day)", "2026-11-25 10:30:20"),
        ("cron(* * * * ? *)", "2026-11-24 10:31:00"),
        ("cron(0/15 * * * ? *)", "2026-11-24 10:45:00"),
        ("cron(15 4 * * ? *)", "2026-11-25 04:15:00"),
        ("cron(0 9 ? * MON-FRI *)", "2026-11-25 09:00:00"),
        ("cron(0 9 ? * 1,7 *)", "2026-11-28 09:00:00"),
        ("cron(0 0 1 JAN ? *)", "2027-01-01 00:00:00"),
        ("cron(0 0 29 2 ? *)", "2028-02-29 00:00:00"),
    ],
)
def test_the_next_due_time_follows_from_the_expression(expression: str, due: str) -> None:
    assert parse_schedule(expression).next_after(NOW) == datetime.fromisoformat(f"{due}+00:00")


@pytest.mark.parametrize(
    "expression",
    ["", "every minute", "rate(1 week)", "cron(* * * *)", "cron(0 0 L * ? *)", "cron(61 * * * ? *)"],
)
def test_an_unknown_expression_is_refused(expression: str) -> None:
    with pytest.raises(ValueError):
        parse_schedule(expression)
