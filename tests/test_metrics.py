"""Metrics as CloudWatch reads them from log lines.

Source: CloudWatch, Embedded Metric Format specification
"""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib import metrics
from chalicelib.errors import ServerError
from chalicelib.modules.cdrs import compiler
from chalicelib.pushing import liveness
from chalicelib.pushing.retries import queue_due_retries
from tests.logged import Logged, dimensions_of, names_in
from tests.logged import logged as logged
from tests.modules.builders import T2
from tests.modules.cdrs.world import Network
from tests.pushing.pushing import World, break_down, partner, refuse

NODE = {"Node": "memory"}


@pytest.fixture
def world() -> World:
    """A CPO with one partner."""
    world = World("CPO")
    world.join(partner("EMSP", "one"))
    return world


def test_a_line_is_a_metric_as_cloudwatch_reads_it() -> None:
    line = metrics.push_delivered("ocpi-node-cpo", "one", latency_s=0.25, freshness_s=1.5)

    assert isinstance(line["_aws"].pop("Timestamp"), int)
    assert line == {
        "_aws": {
            "CloudWatchMetrics": [
                {
                    "Namespace": "ocpi-node",
                    "Dimensions": [["Node"]],
                    "Metrics": [{"Name": "PushLatency", "Unit": "Milliseconds"}],
                },
                {
                    "Namespace": "ocpi-node",
                    "Dimensions": [["Node"], ["Node", "Partner"]],
                    "Metrics": [{"Name": "Freshness", "Unit": "Seconds"}],
                },
            ]
        },
        "Node": "ocpi-node-cpo",
        "Partner": "one",
        "PushLatency": [250.0],
        "Freshness": [1.5],
    }


def test_the_environment_adds_no_dimension_that_alarms_lack(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", "else")
    monkeypatch.setenv("POWERTOOLS_METRICS_NAMESPACE", "else")

    line = metrics.request_answered("node", 2001)

    assert line["_aws"]["CloudWatchMetrics"][0]["Namespace"] == "ocpi-node"
    assert dimensions_of(line, "Requests") == [{"Node": "node", "StatusCode": "2001"}]


def test_a_push_measures_the_age_of_the_delivered_change(world: World, logged: Logged) -> None:
    world.put_tariff()
    world.clock.forward(3)

    world.settle()

    (line,) = logged.measured("Freshness")
    assert dimensions_of(line, "Freshness") == [NODE, {**NODE, "Partner": "one"}]
    assert dimensions_of(line, "PushLatency") == [NODE]
    assert line["Freshness"] == [3.0]
    assert (line["partner"], line["ocpi_module"], line["ref"]) == ("one", "tariffs", "tariffs#PT*ABC#T1")


def test_of_several_changes_the_oldest_counts(world: World, logged: Logged) -> None:
    for currency in ("EUR", "NOK", "SEK"):
        world.put_tariff(currency=currency)
        world.clock.forward(2)

    world.settle()

    (line,) = logged.measured("Freshness")
    assert line["Freshness"] == [pytest.approx(6.02)]


def test_an_evse_counts_from_its_own_change(world: World, logged: Logged) -> None:
    ref = world.put_location()
    world.settle()
    world.clock.forward(500)
    world.put_evse(ref, status="CHARGING")
    world.clock.forward(1)

    world.settle()

    assert logged.measured("Freshness")[-1]["Freshness"] == [pytest.approx(1)]


def test_a_catch_up_does_not_count_as_freshness(logged: Logged) -> None:
    world = World("CPO")
    world.put_tariff()
    world.settle()
    world.clock.forward(86_400)
    world.node.directory.save(partner("EMSP", "one"))

    world.settle()

    assert len(world.partners.sent) == 1
    assert len(logged.measured("PushLatency")) == 1
    assert logged.measured("Freshness") == []


def test_an_object_that_is_not_sent_again_is_not_measured_again(world: World, logged: Logged) -> None:
    ref = world.put_location()
    world.settle()
    world.put_evse(ref)
    world.put_location()

    world.settle()

    assert len(logged.measured("PushLatency")) == len(world.partners.sent)


def test_a_refusal_and_a_fault_are_counted_with_the_partner_s_code(world: World, logged: Logged) -> None:
    world.partners.faults["one"] = refuse(status_code=2003)
    world.put_tariff("T1")
    world.settle()
    world.partners.faults["one"] = break_down
    world.put_tariff("T2")

    world.work()
    world.stream()
    world.work()

    (refused,) = logged.measured("PushesRefused")
    (failed,) = logged.measured("PushesFailed")
    assert refused["PushesRefused"] == failed["PushesFailed"] == [1.0]
    assert dimensions_of(refused, "PushesRefused") == dimensions_of(failed, "PushesFailed") == [NODE]
    assert (refused["status_code"], failed["reason"]) == (2003, "answered with HTTP 500")


def test_only_offline_partners_are_counted_every_minute(world: World, logged: Logged) -> None:
    """Source: HCI-10"""
    liveness.run(world.node, world.node.directory.all())
    assert logged.measured("PartnersOffline") == []
    world.partners.away.add("one")
    world.put_tariff()
    world.settle(seconds=70)

    liveness.run(world.node, world.node.directory.all())

    (line,) = logged.measured("PartnersOffline")
    assert (line["PartnersOffline"], dimensions_of(line, "PartnersOffline")) == ([1.0], [NODE])
    world.partners.away.clear()
    liveness.run(world.node, world.node.directory.all())
    assert len(logged.measured("PartnersOffline")) == 1


@pytest.fixture
def cpo() -> Network:
    network = Network("CPO")
    network.join("evi", "EMSP")
    network.open_site()
    return network


def test_a_run_of_the_compiler_counts_due_and_unpriced_sessions(cpo: Network, logged: Logged) -> None:
    cpo.end("S1")
    cpo.end("S2", currency="NOK")

    cpo.compile()

    (line,) = logged.measured("CdrsDue")
    assert names_in(line) == {"CdrsDue", "CdrsSetAside"}
    assert (line["CdrsDue"], line["CdrsSetAside"]) == ([2.0], [1.0])
    assert dimensions_of(line, "CdrsSetAside") == [NODE]


def test_sessions_whose_cdr_could_not_be_written_are_counted_apart(
    cpo: Network, logged: Logged, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: Any) -> None:
        raise ServerError("the store cannot be reached")

    cpo.end("S1")
    cpo.stream()
    monkeypatch.setattr(compiler, "_compile_session", fail)

    compiler.run(cpo.node)

    (line,) = logged.measured("CdrsFailed")
    assert (line["CdrsDue"], line["CdrsFailed"]) == ([1.0], [1.0])


def test_a_run_without_due_sessions_sends_no_metric(cpo: Network, logged: Logged) -> None:
    compiler.run(cpo.node)

    assert logged.lines == []


def test_a_session_and_a_cdr_that_are_refused_raise_an_alarm_once_for_each_reason(
    cpo: Network, logged: Logged
) -> None:
    """A refusal for the same reason, after a change or a retry, raises no new alarm."""
    cpo.world.partners.faults["evi"] = refuse(status_code=2003)
    cpo.put()
    cpo.world.settle()
    cpo.put(kwh=11)
    cpo.world.settle()
    assert len(logged.measured("SessionsAndCdrsRefused")) == 1

    cpo.end()
    cpo.compile()
    assert len(cpo.world.queue.dead) == 1
    for _ in range(2):
        cpo.world.clock.forward(90_000)
        queue_due_retries(cpo.node)
        cpo.world.settle()

    lines = logged.measured("SessionsAndCdrsRefused")
    assert [line["ocpi_module"] for line in lines] == ["sessions", "cdrs"]
    assert dimensions_of(lines[0], "SessionsAndCdrsRefused") == [NODE]
    refused = [line["ocpi_module"] for line in logged.measured("PushesRefused")]
    assert (refused.count("sessions"), refused.count("cdrs")) == (5, 3)
    assert len(cpo.world.queue.dead) == 1

    cpo.world.partners.faults["evi"] = refuse(status_code=2001)
    cpo.put(status="INVALID", end_date_time=T2)
    cpo.world.settle()
    assert len(logged.measured("SessionsAndCdrsRefused")) == 3


def test_the_metric_of_a_request_is_the_record_that_powertools_writes() -> None:
    ours = metrics.request_answered("ocpi-node-cpo", 2001)
    powertools = metrics._of("ocpi-node-cpo")
    powertools.add_dimension("StatusCode", "2001")
    powertools.add_metric("Requests", metrics.MetricUnit.Count, 1)
    theirs = metrics._fields(powertools)

    assert abs(ours["_aws"].pop("Timestamp") - theirs["_aws"].pop("Timestamp")) < 60_000
    assert ours == theirs
