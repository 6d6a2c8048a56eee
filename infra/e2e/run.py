"""Steps of the end-to-end run. Each returns its result as text, or raises."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from certification.web import Web
from cli.operator_client import OperatorClient
from infra.e2e.away import NotSo, be_away, until
from infra.e2e.aws_process import custom_domain
from infra.e2e.by_chalice import ByChalice
from infra.e2e.cloud import Cloud
from infra.e2e.packages import Package, make_package
from infra.e2e.policies import Call, called, read_calls, read_grants, refused, uncalled
from infra.e2e.stacks import Stacks, give_domain
from infra.e2e.traffic import Traffic, missing, tariff
from infra.local import first_start
from infra.local.children import PROJECT, clean_environment
from infra.stages import API_HANDLER, CONFIG, function_name, read_config

STAGES = ("hub", "cpo", "emsp")
ACCOUNT = "000000000000"
ANOTHER_ACCOUNT = "111111111111"
BESIDE = "beside"
"""The public address of the stage that Chalice deploys, in another account."""
SITES = 20
PATIENCE = 6
"""Factor for time limits: two cores do the work that on AWS each function has its own processor for."""
WORKERS = {"hub": 18, "cpo": 8, "emsp": 4}
"""Most requests of the certification at one time, at each API."""
COLD_S = 180.0
TRAFFIC_S = 8.0
SCHEDULED = ("look_after_partners", "compile_cdrs")
FED = ("stream_changes", "push_broadcasts", "push_catch_up", "run_commands", "run_background")
DRIVER, BEFORE, AFTER = "E2E-DRIVER", "E2E-BEFORE-RELEASE", "E2E-AFTER-RELEASE"
RELEASE_PATH = "/release"
RELEASE = f"""

@app.route("{RELEASE_PATH}")
def release() -> str:
    return "released"
"""
"""A release with other code and another description of the API."""


class Run:
    """One run. folder: for its files; port: of AWS, the next ones are those of the nodes."""

    def __init__(self, folder: Path, port: int) -> None:
        self._folder = folder
        self._cloud = Cloud(folder, (*STAGES, BESIDE), port)
        self._account = self._cloud.account(ACCOUNT)
        self._stacks = Stacks(self._account)
        self._packages: dict[str, Package] = {}
        self._doors: dict[str, OperatorClient] = {}

    def stop(self) -> None:
        """Stop what runs."""
        self._cloud.stop()

    def package(self) -> str:
        """Package the three stages."""
        for stage in STAGES:
            self._packages[stage] = make_package(stage, self._cloud.public_url(stage))
        size = sum(map(len, self._packages[STAGES[0]].zips.values()))
        return f"{size / 1e6:.1f} MB zipped"

    def deploy(self) -> str:
        """Deploy them, a stack each."""
        self._cloud.start()
        self._stacks.make_bucket()
        for stage in STAGES:
            outputs = self._stacks.create(stage, self._packages[stage])
            give_domain(self._account.client("apigateway"), custom_domain(stage), outputs["RestAPIId"])
        return f"{len(STAGES)} stacks, roles enforced"

    def connect(self) -> str:
        """Make the operators' keys, register CPO and eMSP at the hub, give the CPO a network."""
        self._warm_up()
        keys = {stage: self._make_operator_key(self._account.environment(), stage) for stage in STAGES}
        self._doors = {stage: OperatorClient(self._operator_url(stage), key) for stage, key in keys.items()}
        for stage, profiles in (("cpo", ["ptmob"]), ("emsp", [])):
            first_start.connect(
                self._doors[stage], _title(stage), self._doors["hub"], _title("hub"), profiles
            )
        first_start.seed(self._doors["cpo"], _party("cpo")["party_id"], SITES, lambda line: None)
        self._describe_nodes(keys)
        until("the eMSP has the CPO's sites", lambda: self._doors["emsp"].count("locations") >= SITES)
        return f"{SITES} sites went from the CPO to the eMSP"

    def deploy_again(self) -> str:
        """Package everything again: a second deployment changes nothing."""
        for stage in STAGES:
            again = make_package(stage, self._cloud.public_url(stage))
            if changes := self._stacks.changes(stage, again):
                raise NotSo(f"{stage} would change: {', '.join(changes)}")
        return "a second deployment of the same changes nothing"

    def certify(self) -> str:
        """Run the whole plan against the nodes' URLs."""
        out = self._folder / "certification"
        command = [sys.executable, "-m", "cli.main", "certify", "--patience", str(PATIENCE)]
        command += ["--sandbox", str(self._nodes_file), "--out", str(out)]
        code = subprocess.run(command, cwd=PROJECT, check=False).returncode
        report = json.loads((out / "report.json").read_text(encoding="utf-8"))
        outcome = f"{report['passed']} of {len(report['scenarios'])} rows"
        short = [each["id"] for each in report["scenarios"] if each["status"] != "passed"]
        if code != 0 or short:
            raise NotSo(f"{outcome}; not passed: {', '.join(short)}")
        return outcome

    def see_schedules(self) -> str:
        """Wait until each schedule has fired on each stage."""
        wanted = {(ACCOUNT, stage, function) for stage in STAGES for function in SCHEDULED}
        until("each schedule has fired", lambda: wanted <= self._who_called())
        return "both schedules on each stage"

    def deploy_under_traffic(self) -> str:
        """Deploy new code on each stage while changes go on, and check that every change arrives."""
        since = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        location = next(each for each in self._doors["cpo"].all("locations") if each.get("evses"))
        traffic = Traffic(self._doors["cpo"], location["id"], location["evses"][0]["uid"])
        traffic.start()
        try:
            time.sleep(TRAFFIC_S)
            for stage in STAGES:
                self._stacks.update(stage, self._packages[stage].with_marker(f"after {since}"))
                time.sleep(TRAFFIC_S)
        finally:
            traffic.stop()
        lacking = missing(traffic, {name: self._doors[name] for name in ("hub", "emsp")}, since)
        outcome = f"{len(traffic.tariffs)} tariffs arrived, {traffic.not_accepted} requests were not accepted"
        if lacking or not traffic.tariffs:
            raise NotSo(f"{outcome}; did not arrive: {lacking}")
        return outcome

    def be_away(self) -> str:
        """Make the eMSP unreachable for a while."""
        name = function_name("emsp", API_HANDLER)
        return be_away(self._account.client("lambda"), name, self._doors)

    def deploy_by_chalice(self) -> str:
        """Deploy an eMSP with `make deploy` into another account, and connect it to the CPO."""
        account = self._cloud.account(ANOTHER_ACCOUNT)
        own_url = self._cloud.public_url(BESIDE)
        deployment = ByChalice(account, "emsp", own_url, self._folder / "deployed")
        first = deployment.deploy()
        give_domain(account.client("apigateway"), custom_domain(BESIDE), deployment.api_id())
        _call_at_once(own_url, 3)
        _expect(f"{own_url}{RELEASE_PATH}", 404, b'"status_code": 2001')
        door = OperatorClient(
            self._operator_url(BESIDE), self._make_operator_key(account.environment(), "emsp")
        )
        first_start.connect(door, "Beside", self._doors["cpo"], "CPO beside", [], is_hub=False)
        until("the stage by Chalice has the CPO's tariffs", lambda: door.count("tariffs") > 0)
        self._send_token(door, DRIVER)
        wanted = {(ANOTHER_ACCOUNT, "emsp", function) for function in (*FED[:2], *SCHEDULED)}
        until("stream, queue and schedules ran", lambda: wanted <= self._who_called())
        if changed := _changes(deployment.deploy()):
            raise NotSo(f"a second time: {'; '.join(changed)}")
        self._release_by_chalice(deployment, door, own_url)
        return f"{len(first)} steps; API, stream, queue and schedules ran; again, nothing to change; released"

    def compare_roles(self) -> str:
        """Compare the calls of each function with its role."""
        calls = read_calls(self._cloud.calls)
        grants = [grant for stage in STAGES for grant in read_grants(CONFIG.parent, stage)]
        if denied := refused(calls):
            raise NotSo(f"not allowed: {'; '.join(denied)}")
        if idle := uncalled(grants, calls):
            raise NotSo(f"allowed and never called: {'; '.join(idle)}")
        allowed, used = {str(grant) for grant in grants}, called(grants, calls)
        return f"{len(allowed)} actions are allowed, {len(used)} were called, the others have a reason"

    def _release_by_chalice(self, deployment: ByChalice, door: OperatorClient, own_url: str) -> None:
        """Deploy other code and another description of the API: the rest stays, and no change is lost."""
        before = (deployment.api_id(), deployment.event_sources())
        door.put("tokens", BEFORE, body=_token())
        changed = _changes(deployment.deploy(RELEASE))
        if len(changed) != 1 or not changed[0].startswith("functions and API:"):
            raise NotSo(f"a release changes functions and API, not {changed}")
        if (after := (deployment.api_id(), deployment.event_sources())) != before:
            raise NotSo(f"a release leaves the API and the event sources, not {before} {after}")
        _expect(f"{own_url}{RELEASE_PATH}", 200, b"released")
        _expect(f"{own_url}/nothing", 404, b'"status_code": 2001')
        _expect(f"{own_url}/ocpi/versions", 401, b'"status_code":2001')
        self._send_token(door, AFTER)
        until("the CPO has the token of before", lambda: _has_token(self._doors["cpo"], BEFORE))
        self._doors["cpo"].put("tariffs", AFTER, body=tariff())
        until(
            "the CPO's new tariff is there", lambda: any(each["id"] == AFTER for each in door.all("tariffs"))
        )
        if changed := _changes(deployment.deploy(RELEASE)):
            raise NotSo(f"after a release: {'; '.join(changed)}")

    def _send_token(self, emsp: OperatorClient, uid: str) -> None:
        emsp.put("tokens", uid, body=_token())
        until(f"the CPO has the token {uid}", lambda: _has_token(self._doors["cpo"], uid))

    @property
    def _nodes_file(self) -> Path:
        return self._folder / "nodes.json"

    def _operator_url(self, name: str) -> str:
        return f"{self._cloud.public_url(name)}/operator"

    def _who_called(self) -> set[tuple[str, str, str]]:
        calls: list[Call] = read_calls(self._cloud.calls)
        return {(call.account, call.stage, call.function) for call in calls}

    def _make_operator_key(self, environment: dict[str, str], stage: str) -> str:
        """Make an operator key as an operator does, with `./ocpi operator-key`."""
        command = [sys.executable, "-m", "cli.main", "operator-key", "--stage", stage]
        own = {**clean_environment(), **environment}
        done = subprocess.run(command, cwd=PROJECT, env=own, check=True, capture_output=True, text=True)
        return done.stdout.strip()

    def _describe_nodes(self, keys: dict[str, str]) -> None:
        described = {
            stage: {
                "versions_url": f"{self._cloud.public_url(stage)}/ocpi/versions",
                "operator_url": self._operator_url(stage),
                "operator_key": keys[stage],
                "country_code": _party(stage)["country_code"],
                "party_id": _party(stage)["party_id"],
            }
            for stage in STAGES
        }
        self._nodes_file.touch(mode=0o600)
        self._nodes_file.write_text(json.dumps(described, indent=2), encoding="utf-8")

    def _warm_up(self) -> None:
        """Start the workers that the certification needs at once.

        A cold start takes a second on AWS, and those of several workers run side by side. Here they share two
        cores, and a dozen of them takes longer than partners wait for each other.
        """
        for stage, count in WORKERS.items():
            _call_at_once(self._cloud.public_url(stage), count)
            for name in FED:
                self._invoke(function_name(stage, name))

    def _invoke(self, function: str) -> None:
        self._account.client("lambda").invoke(FunctionName=function, Payload=b'{"Records": []}')


def _call_at_once(public_url: str, count: int) -> None:
    url = f"{public_url}/ocpi/versions"
    with ThreadPoolExecutor(count) as pool:
        list(pool.map(partial(Web(COLD_S).send, "GET"), [url] * count))


def _party(stage: str) -> dict[str, Any]:
    parties = json.loads(read_config()["stages"][stage]["environment_variables"]["OCPI_PARTIES"])
    party: dict[str, Any] = parties[0]
    return party


def _title(stage: str) -> str:
    return str(_party(stage)["business_details"]["name"])


def _token() -> dict[str, Any]:
    return {"contract_id": "PT-EVI-C00000998-Y", "issuer": "Evia", "valid": True, "whitelist": "NEVER"}


def _has_token(cpo: OperatorClient, uid: str) -> bool:
    return any(token["uid"] == uid for token in cpo.all("tokens"))


def _changes(steps: list[str]) -> list[str]:
    """Lines of a deployment that report a change."""
    return [line for line in steps if not line.endswith("nothing to change")]


def _expect(url: str, http_status: int, part: bytes) -> None:
    answer = Web(COLD_S).send("GET", url, {"Authorization": "Token x"})
    if answer.http_status != http_status or part not in answer.body:
        raise NotSo(f"{answer}: {http_status} with {part!r}, not {answer.body!r}")
