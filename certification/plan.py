"""The MOBI.E acceptance plan in its order, with the function that runs each row.

The plan counts 33 scenarios in 31 numbered rows: 4.2 and 4.4 stand for two each, an invalid token (4.2, 4.4)
and one that does not exist (4.2b, 4.4b here). All others have the plan's own number.

A row without a function is reported as not implemented, neither passed nor failed.

Source: docs/mobie.md, The 33 scenarios
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from certification.scenarios import authorization, cdrs, commands, locations, registration, sessions, tariffs
from certification.trial import Trial


@dataclass(frozen=True)
class Row:
    """One scenario of the plan. `show`: runs it and raises Refuted when it fails; None: not implemented."""

    id: str
    name: str
    triggered_by: str
    is_mandatory: bool
    show: Callable[[Trial], None] | None = None


PLAN: tuple[Row, ...] = (
    Row("1.1", "Register CPO", "MOBI.E", True, registration.scenario_1_1_register_cpo),
    Row("1.2", "Update endpoint", "CPO", False, registration.scenario_1_2_update_endpoint),
    Row("1.3", "Update credentials", "CPO", False, registration.scenario_1_3_update_credentials),
    Row("1.4", "Delete credentials", "CPO", False, registration.scenario_1_4_delete_credentials),
    Row("1.5", "Delete credentials", "MOBI.E", False, registration.scenario_1_5_delete_credentials),
    Row("2.1", "Create tariff", "CPO", True, tariffs.scenario_2_1_create_tariff),
    Row("2.2", "Update tariff", "CPO", True, tariffs.scenario_2_2_update_tariff),
    Row("2.3", "Delete tariff", "CPO", True, tariffs.scenario_2_3_delete_tariff),
    Row("2.4", "Get all tariffs", "MOBI.E", False, tariffs.scenario_2_4_get_all_tariffs),
    Row("2.5", "Get filtered tariffs", "MOBI.E", False, tariffs.scenario_2_5_get_filtered_tariffs),
    Row("3.1", "Reserve location ID", "CPO", True, locations.scenario_3_1_reserve_location_id),
    Row("3.2", "Create location", "CPO", True, locations.scenario_3_2_create_location),
    Row("3.3", "Update location", "CPO", True, locations.scenario_3_3_update_location),
    Row("3.4", "Get specific location", "MOBI.E", False, locations.scenario_3_4_get_specific_location),
    Row("3.5", "Get all locations", "MOBI.E", False, locations.scenario_3_5_get_all_locations),
    Row("3.6", "Get filtered locations", "MOBI.E", False, locations.scenario_3_6_get_filtered_locations),
    Row(
        "4.1",
        "Authorize valid RFID token",
        "CPO",
        True,
        authorization.scenario_4_1_authorize_valid_rfid_token,
    ),
    Row(
        "4.2",
        "Authorize invalid RFID token",
        "CPO",
        True,
        authorization.scenario_4_2_authorize_invalid_rfid_token,
    ),
    Row(
        "4.2b",
        "Authorize non-existent RFID token",
        "CPO",
        True,
        authorization.scenario_4_2b_authorize_non_existent_rfid_token,
    ),
    Row("4.3", "Authorize APP_USER token", "CPO", False, authorization.scenario_4_3_authorize_app_user_token),
    Row(
        "4.4",
        "Authorize invalid APP_USER token",
        "CPO",
        False,
        authorization.scenario_4_4_authorize_invalid_app_user_token,
    ),
    Row(
        "4.4b",
        "Authorize non-existent APP_USER token",
        "CPO",
        False,
        authorization.scenario_4_4b_authorize_non_existent_app_user_token,
    ),
    Row("5.1", "Remote start transaction", "MOBI.E", True, commands.scenario_5_1_remote_start_transaction),
    Row("5.2", "Remote stop transaction", "MOBI.E", True, commands.scenario_5_2_remote_stop_transaction),
    Row("5.3", "Unlock connector", "MOBI.E", False, commands.scenario_5_3_unlock_connector),
    Row("6.1", "Start session", "CPO", True, sessions.scenario_6_1_start_session),
    Row("6.2", "Update session", "CPO", True, sessions.scenario_6_2_update_session),
    Row("6.3", "Stop session", "CPO", True, sessions.scenario_6_3_stop_session),
    Row("6.4", "Get all sessions", "MOBI.E", False, sessions.scenario_6_4_get_all_sessions),
    Row("6.5", "Get filtered sessions", "MOBI.E", False, sessions.scenario_6_5_get_filtered_sessions),
    Row("7.1", "Create CDR", "MOBI.E", True, cdrs.scenario_7_1_create_cdr),
    Row("7.2", "Get all CDRs", "EMSP", False, cdrs.scenario_7_2_get_all_cdrs),
    Row("7.3", "Get filtered CDRs", "EMSP", False, cdrs.scenario_7_3_get_filtered_cdrs),
)


def select(ids: Sequence[str]) -> tuple[Row, ...]:
    """Return the rows with these ids; a chapter ("2") selects all its rows, no id selects the whole plan.

    Raises: ValueError naming an id that is not in the plan.
    """
    for wanted in ids:
        if not any(_is_meant(row, wanted) for row in PLAN):
            raise ValueError(f"{wanted} is not a row of the plan")
    return tuple(row for row in PLAN if not ids or any(_is_meant(row, wanted) for wanted in ids))


def _is_meant(row: Row, wanted: str) -> bool:
    return row.id == wanted or row.id.split(".")[0] == wanted
