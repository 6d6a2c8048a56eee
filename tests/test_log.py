"""Tests of the log: lines can be found by their ids, and contain no secret and no driver's data.

Source: docs/security.md, What is logged; TRN-17 … TRN-20
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path

import pytest
from pydantic import BaseModel, ValidationError

from chalicelib.async_requests.objects import AsyncRequest
from chalicelib.log import add_fields, log, log_fields
from chalicelib.modules.credentials import called_side, calling_side
from chalicelib.modules.sessions import receiver as sessions_receiver
from chalicelib.modules.tokens import receiver as tokens_receiver
from chalicelib.partners.directory import Partner
from chalicelib.partners.settings import PartnerSettings
from tests.harness.account import aws
from tests.harness.nodes import CONFIGURATION, Host, make_network
from tests.logged import Logged
from tests.logged import logged as logged
from tests.modules.cdrs.world import CPO, EVI, Network
from tests.modules.sessions.builders import cdr_token, session
from tests.pushing.pushing import World, break_down, partner, refuse

UID = "04A1B2C3D4E5F6"
VISUAL = "DF000-2001-8999-1"
CONTRACT = "PT-EVI-C12345678-X"
TOKEN = {
    "country_code": "PT",
    "party_id": "EVI",
    "uid": UID,
    "type": "RFID",
    "contract_id": CONTRACT,
    "visual_number": VISUAL,
    "issuer": "Evia",
    "group_id": "GROUP-77",
    "valid": True,
    "whitelist": "ALWAYS",
    "last_updated": "2026-03-01T12:00:00Z",
}
DRIVER = (UID, VISUAL, CONTRACT, "GROUP-77")
IDS = {"x_request_id": "req-77", "x_correlation_id": "cor-77"}


# -- log fields


ROOT = Path(__file__).parents[1]


def test_every_line_inside_a_log_fields_block_has_its_fields(logged: Logged) -> None:
    with log_fields(correlation_id="c1", ocpi_module="tariffs"):
        with log_fields(partner="one"):
            add_fields(status_code=1000)
            log.info("inside", extra={"ocpi_module": "tokens"})
        log.info("outside")
    log.info("after")

    inside, outside, after = logged.lines
    assert (inside["correlation_id"], inside["partner"], inside["status_code"]) == ("c1", "one", 1000)
    assert inside["ocpi_module"] == "tokens"
    assert outside["correlation_id"] == "c1" and "partner" not in outside
    assert "correlation_id" not in after


def test_an_error_ends_a_log_fields_block(logged: Logged) -> None:
    with pytest.raises(RuntimeError), log_fields(partner="one"):
        raise RuntimeError

    log.info("after")
    assert "partner" not in logged.lines[0]


def test_log_fields_are_kept_per_thread(logged: Logged) -> None:
    def work(number: int) -> None:
        with log_fields(partner=f"p{number}"):
            log.info(f"at p{number}")

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(40)))

    assert len(logged.lines) == 40
    assert all(line["message"] == f"at {line['partner']}" for line in logged.lines)


# -- requests


@pytest.fixture(scope="module")
def network() -> Iterator[dict[str, Host]]:
    with aws() as client:
        interfaces = (*CONFIGURATION, tokens_receiver.INTERFACE, sessions_receiver.INTERFACE)
        yield make_network(client, interfaces, cpo="CPO", emsp="EMSP")


def test_a_handshake_and_pushes_log_no_secret_and_no_driver_data(
    network: dict[str, Host], logged: Logged
) -> None:
    """With real tokens of a real handshake, valid and invalid, and a driver's data in bodies and paths."""
    cpo, emsp = network["cpo"], network["emsp"]
    _, token_a = called_side.invite(cpo.node, PartnerSettings(name="emsp"))
    calling_side.register(
        emsp.node,
        PartnerSettings(name="cpo"),
        "https://cpo.example/ocpi/versions",
        token_a,
        "https://emsp.example/ocpi",
    )
    (at_emsp,), (at_cpo,) = emsp.node.directory.all(), cpo.node.directory.all()
    token_c, token_b = emsp.node.directory.token_for(at_emsp), cpo.node.directory.token_for(at_cpo)
    path = f"/ocpi/2.2.1/receiver/tokens/PT/EVI/{UID}"

    answers = [
        cpo.call("PUT", path, token_c, TOKEN, **IDS),
        cpo.call("PATCH", path, token_c, {"valid": "no", "visual_number": VISUAL}, **IDS),
        cpo.call("PUT", path, token_c, {**TOKEN, "contract_id": "AN-" + "X" * 90}, **IDS),
        cpo.call("GET", path, token_c, **IDS),
        cpo.call("PUT", path, "a-token-that-is-none", TOKEN, **IDS),
        cpo.call("PUT", path, token_a, TOKEN, **IDS),
    ]

    assert [answer.json["status_code"] for answer in answers] == [1000, 2001, 2001, 1000, 2001, 2001]
    for secret in (token_a, token_b, token_c, "a-token-that-is-none", *DRIVER, "X" * 90):
        assert secret not in logged.text
    answered = [line for line in logged.lines if "status_code" in line]
    lines = [line for line in answered if line.get("correlation_id") == "cor-77"]
    assert [line["status_code"] for line in lines] == [1000, 2001, 2001, 1000, 2001, 2001]
    assert {line["ocpi_module"] for line in lines} == {"tokens"}
    assert {line["request_id"] for line in lines} == {"req-77"}
    assert [line.get("partner") for line in lines] == [at_cpo.id] * 4 + [None] * 2


def test_a_session_of_an_unknown_caller_logs_no_driver_data(network: dict[str, Host], logged: Logged) -> None:
    document = session(CPO, id="S1", cdr_token={**cdr_token(EVI), "uid": UID, "contract_id": CONTRACT})

    answer = network["emsp"].call(
        "PUT", "/ocpi/2.2.1/receiver/sessions/PT/ABC/S1", "no-token", document, **IDS
    )

    assert answer.status == 401
    (line,) = logged.lines
    assert (line["http_status"], line["ocpi_module"]) == (401, "sessions")
    assert not any(each in logged.text for each in (*DRIVER, "no-token"))


# -- the workers


def test_pushes_of_a_token_log_the_partner_and_not_the_uid(logged: Logged) -> None:
    world = World("EMSP")
    world.join(partner("CPO", "one"))
    for fault in (None, refuse(), break_down):
        world.partners.faults.pop("one", None)
        if fault is not None:
            world.partners.faults["one"] = fault
        world.put_token(UID, contract_id=CONTRACT, visual_number=VISUAL, language="pt")
        world.settle(seconds=2)

    outcomes = {line["message"] for line in logged.lines}
    assert outcomes == {"push delivered", "push refused", "push failed"}
    for line in logged.lines:
        assert (line["partner"], line["ocpi_module"]) == ("one", "tokens")
        assert line["ref"] == "tokens#PT*EVI#…#RFID"
        assert len(line["correlation_id"]) == 36
    assert not any(each in logged.text for each in (*DRIVER, "token-of-one"))


def test_making_cdrs_logs_the_session_and_no_driver_data(logged: Logged) -> None:
    network = Network("CPO")
    network.join("evi", "EMSP")
    network.open_site()
    token = {**cdr_token(EVI), "uid": UID, "contract_id": CONTRACT}
    network.put("S1", cdr_token=token)
    network.end("S1", cdr_token=token)
    network.end("S2", cdr_token=token, currency="NOK")

    network.compile()

    (aside,) = (line for line in logged.lines if line["message"] == "a session has no price")
    assert (aside["ref"], aside["ocpi_module"], aside["field"]) == ("sessions#PT*ABC#S2", "cdrs", "currency")
    assert not any(each in logged.text for each in DRIVER)
    assert len(network.cdrs()) == 1


@pytest.mark.parametrize("model", [AsyncRequest, Partner])
def test_values_of_an_unreadable_item_are_not_in_the_traceback(model: type[BaseModel]) -> None:
    with pytest.raises(ValidationError) as caught:
        model.model_validate_json(f'{{"id": ["{UID}"]}}')

    assert UID not in str(caught.value)


def test_the_application_leaves_the_level_of_the_log_as_it_is() -> None:
    """In a process of its own, where the log was made before standard output was replaced.

    Chalice would then set the level to ERROR, and the log lines of requests would be lost.
    """
    script = (
        "import io, logging, sys\n"
        "import chalicelib.log\n"
        "sys.stdout = io.StringIO()\n"
        "import app\n"
        "sys.exit(logging.getLogger('ocpi-node').level != logging.INFO)\n"
    )

    assert subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=False).returncode == 0


def test_a_line_with_values_that_are_no_json_is_written_all_the_same(
    logged: Logged, monkeypatch: pytest.MonkeyPatch
) -> None:
    # pytest would keep the lines too, and a worker of xdist ends when it has to report this one.
    monkeypatch.setattr(log._logger, "propagate", False)

    log.info("odd", price=Decimal("0.50"), error=ValueError("no"), number=float("nan"), path=Path("a"))
    log.info("no UTF-8: \udcff")

    first, second = logged.lines
    assert (first["price"], first["error"], first["path"]) == ("0.50", "no", "a")
    assert second["message"] == "no UTF-8: \udcff"
