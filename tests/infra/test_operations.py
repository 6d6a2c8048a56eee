"""Alarms and the dashboard use metrics that exist, and each alarm has its page."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
import typer

from app import app
from chalicelib import metrics
from cli.main import app as cli
from infra import resources
from infra.local.children import PROJECT
from infra.local.emulator import Emulator
from tests.logged import dimensions_of, names_in

STAGE = "prod"
RUNBOOK = PROJECT / "docs" / "runbook"
PAGES = sorted(page for page in RUNBOOK.glob("*.md") if page.name != "README.md")
CHALICE = json.loads((PROJECT / ".chalice" / "config.json").read_text())

METRIC_LINES = [
    metrics.request_answered("node", 3000),
    metrics.push_delivered("node", "partner", 0.1, 0.2),
    metrics.push_refused("node", alarms=True),
    metrics.push_failed("node"),
    metrics.partners_offline("node", 1),
    metrics.breaker_reopened("node"),
    metrics.stamp_ahead("node"),
    metrics.update_overtaken("node"),
    metrics.answer_too_large("node"),
    metrics.session_nearly_full("node"),
    metrics.cdrs_compiled("node", due=3, set_aside=1, failed=1),
]
"""Every log line that is a metric."""

MEASURED = {
    (name, frozenset(dimensions)) for line in METRIC_LINES for name in names_in(line)
    for dimensions in dimensions_of(line, name)
}  # fmt: skip
"""Every metric of the node itself, with the names of its dimensions."""


def template() -> dict[str, Any]:
    """The description, with the names of a stage."""
    text = json.dumps(resources.read_template())
    named = re.sub(r'\{"Fn::Sub": "([^"$]*)\$\{Stage\}([^"$]*)"\}', rf'"\g<1>{STAGE}\g<2>"', text)
    described: dict[str, Any] = json.loads(named)["Resources"]
    return described


def of_type(kind: str) -> dict[str, dict[str, Any]]:
    return {name: each for name, each in template().items() if each["Type"] == kind}


ALARMS = {each["Properties"]["AlarmName"]: each for each in of_type("AWS::CloudWatch::Alarm").values()}
DASHBOARD = template()["OperationsDashboard"]["Properties"]["DashboardBody"]["Fn::Sub"]


def dimensions(alarm: dict[str, Any]) -> dict[str, str]:
    return {each["Name"]: each["Value"] for each in alarm["Properties"].get("Dimensions", [])}


# -- alarms


def test_each_alarm_has_its_page_and_each_page_its_alarm() -> None:
    assert {name.removeprefix(f"ocpi-node-{STAGE}-") for name in ALARMS} == {page.stem for page in PAGES}


@pytest.mark.parametrize("name", sorted(ALARMS))
def test_an_alarm_names_its_page_notifies_the_topic_and_can_be_switched_off(name: str) -> None:
    alarm = ALARMS[name]
    properties = alarm["Properties"]
    page = f"docs/runbook/{name.removeprefix(f'ocpi-node-{STAGE}-')}.md"

    assert properties["AlarmDescription"].endswith(f" See {page}")
    assert properties["AlarmActions"] == properties["OKActions"] == [{"Ref": "AlarmTopic"}]
    assert alarm["Condition"] == "HasAlarms"
    # An idle node reports no metrics.
    assert properties["TreatMissingData"] == "notBreaching"


@pytest.mark.parametrize("name", sorted(ALARMS))
def test_an_alarm_uses_an_existing_metric(name: str) -> None:
    alarm = ALARMS[name]
    namespace, metric = alarm["Properties"]["Namespace"], alarm["Properties"]["MetricName"]
    asked = dimensions(alarm)

    if namespace == metrics.NAMESPACE:
        assert (metric, frozenset(asked)) in MEASURED
        assert asked["Node"] == template()["Table"]["Properties"]["TableName"]
    elif namespace == "AWS/Lambda":
        assert asked.get("FunctionName", f"ocpi-node-{STAGE}") in functions()
    elif namespace == "AWS/ApiGateway":
        # Chalice names an API after the application, and its stage `api` by default.
        assert asked == {"ApiName": CHALICE["app_name"], "Stage": "api"}
        assert {each.get("api_gateway_stage", "api") for each in CHALICE["stages"].values()} == {"api"}
    else:
        assert namespace == "AWS/SQS" and set(asked) == {"QueueName"}


def functions() -> set[str]:
    """The functions as Chalice names them."""
    api = f"{CHALICE['app_name']}-{STAGE}"
    return {api, *(f"{api}-{source.name}" for source in app.event_sources)}


def test_each_dead_letter_queue_has_an_alarm() -> None:
    watched = {
        dimensions(alarm)["QueueName"]
        for alarm in ALARMS.values()
        if alarm["Properties"]["MetricName"] == "ApproximateNumberOfMessagesVisible"
    }
    queues = {each["Properties"]["QueueName"] for each in of_type("AWS::SQS::Queue").values()}

    assert {name for name in queues if "-dead" in name} <= watched


def test_the_freshness_alarm_uses_the_minute_of_afir() -> None:
    alarm = ALARMS[f"ocpi-node-{STAGE}-freshness"]["Properties"]

    assert (alarm["Statistic"], alarm["Threshold"]) == ("Maximum", 60)


# -- the dashboard


def test_the_dashboard_shows_existing_metrics() -> None:
    widgets = json.loads(DASHBOARD.replace("${Stage}", STAGE))["widgets"]

    rows = [row for widget in widgets for row in widget["properties"].get("metrics", ())]
    own = {
        (row[1], frozenset(word for word in row[2::2] if isinstance(word, str)))
        for row in rows
        if row[0] == metrics.NAMESPACE
    }
    searches = [row[0]["expression"] for row in rows if isinstance(row[0], dict)]
    found = [re.match(r"SEARCH\('{\"ocpi-node\",([\w,]+)} MetricName=\"(\w+)\"", each) for each in searches]
    sought = {(each[2], frozenset(each[1].split(","))) for each in found if each}
    assert own and len(sought) == len(searches)
    assert own | sought <= MEASURED
    # The alarm uses the metric of the node; the dashboard shows each partner.
    assert MEASURED - own - sought == {("Freshness", frozenset({"Node"}))}


def test_the_dashboard_names_the_functions_as_chalice_does() -> None:
    text = DASHBOARD.replace("${Stage}", STAGE)

    for function in functions():
        assert f'"{function}"' in text


# -- CloudFormation


@pytest.fixture(scope="module")
def cloudformation(emulator: Emulator) -> Any:
    return emulator.client("cloudformation")


def deploy(cloudformation: Any, **parameters: str) -> str:
    stage = f"test-{uuid.uuid4().hex[:8]}"
    cloudformation.create_stack(
        StackName=stage,
        TemplateBody=resources.TEMPLATE.read_text(),
        Parameters=[
            {"ParameterKey": name, "ParameterValue": value}
            for name, value in {"Stage": stage, **parameters}.items()
        ],
    )
    cloudformation.get_waiter("stack_create_complete").wait(StackName=stage, WaiterConfig={"Delay": 1})
    return stage


def test_a_stack_has_its_alarms_its_topic_and_its_dashboard(emulator: Emulator, cloudformation: Any) -> None:
    stage = deploy(cloudformation, AlarmEmail="ops@example.com")

    made = emulator.client("cloudwatch").describe_alarms(AlarmNamePrefix=f"ocpi-node-{stage}-")
    assert len(made["MetricAlarms"]) == len(ALARMS)
    (topic,) = {action for alarm in made["MetricAlarms"] for action in alarm["AlarmActions"]}
    assert topic.endswith(f":ocpi-node-{stage}-alarms")
    subscriptions = emulator.client("sns").list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
    assert [(each["Protocol"], each["Endpoint"]) for each in subscriptions] == [("email", "ops@example.com")]
    body = emulator.client("cloudwatch").get_dashboard(DashboardName=f"ocpi-node-{stage}")["DashboardBody"]
    assert f"ocpi-node-{stage}-broadcasts.fifo" in body


def test_resources_with_a_fixed_price_can_be_switched_off(emulator: Emulator, cloudformation: Any) -> None:
    stage = deploy(cloudformation, Alarms="no", Dashboard="no", AlarmEmail="ops@example.com")

    made = {
        each["ResourceType"]
        for each in cloudformation.describe_stack_resources(StackName=stage)["StackResources"]
    }
    assert not made & {
        "AWS::CloudWatch::Alarm", "AWS::CloudWatch::Dashboard", "AWS::SNS::Topic", "AWS::SNS::Subscription"
    }  # fmt: skip


# -- the runbook


def test_the_index_lists_every_page() -> None:
    index = (RUNBOOK / "README.md").read_text()

    rows = re.findall(r"^\| \[([\w-]+)\]\(([\w-]+)\.md\)", index, re.MULTILINE)
    assert all(name == page for name, page in rows)
    assert sorted(name for name, _ in rows) == [page.stem for page in PAGES]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_has_the_meaning_the_checks_and_the_actions(page: Any) -> None:
    text = page.read_text()

    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    assert headings == [page.stem, "What it means", "What to look at", "What to do"]
    for link in re.findall(r"\]\(([^)]+)\)", text):
        assert (RUNBOOK / link).exists(), link
    assert "./ocpi " in text


def commands_in(text: str) -> Iterator[list[str]]:
    """Return the calls of `./ocpi` in a page, as words."""
    for call in re.findall(r"\./ocpi ([^`\n]+)", text):
        words = call.split()
        while words and words[0] in ("--url", "--key", "--node"):
            words = words[2:]
        yield words


@pytest.mark.parametrize("page", [*PAGES, RUNBOOK / "README.md"], ids=lambda page: page.stem)
def test_every_command_of_a_page_is_one_of_ocpi_with_as_many_arguments(page: Any) -> None:
    known = typer.main.get_command(cli).commands  # type: ignore[attr-defined]

    for name, *arguments in commands_in(page.read_text()):
        assert name in known, name
        parameters = [each for each in known[name].params if each.param_type_name == "argument"]
        given = [word for word in arguments if not word.startswith("--")]
        required = sum(each.required for each in parameters)
        assert required <= len(given) <= len(parameters), (name, arguments)
