"""CDR faults for the negative controls of chapter 7."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from tests.certification.faults import change_json, is_at
from tests.certification.faulty_proxy import Fault, Request

CDRS_AT_OPERATOR_API = r"/operator/cdrs$"
CDR_AT_OPERATOR_API = r"/operator/cdrs/[^/]+$"
POSTED = r"/receiver/cdrs$"
CDR = r"/receiver/cdrs/."
CDRS = r"/sender/cdrs/?$"


def change_listed(change: Callable[[Any], list[Any]], ignored: bool = False) -> Fault:
    """Replace each CDR of an operator API's list by the result of `change`.

    ignored: change the list of ignored CDRs instead.
    """

    def changed(request: Request, rows: Any) -> Any:
        if ("ignored=true" in request.path) is not ignored:
            return rows
        return [each for row in rows for each in change(row)]

    return change_json("GET", CDRS_AT_OPERATOR_API, changed)


def forget_vat(cdr: Any) -> list[Any]:
    """Give the amount without VAT as the amount with VAT."""
    return [{**cdr, "total_cost": {**cdr["total_cost"], "incl_vat": cdr["total_cost"]["excl_vat"]}}]


def make_another(cdr: Any) -> list[Any]:
    """List two CDRs of each session."""
    return [cdr, {**cdr, "id": f"{cdr['id'][:-2]}-2"}]


def show_what_a_cpo_sends(path: str) -> Fault:
    """At the hub: put posted CDRs into a list, the operator's or a partner's."""
    sent: list[Any] = []

    def before(request: Request) -> Request:
        if is_at(request, "POST", POSTED):
            sent.append(json.loads(request.body))
        return request

    def add(request: Request, listed: Any) -> Any:
        if "ignored=true" in request.path:
            return listed
        return [*listed, *sent] if isinstance(listed, list) else {**listed, "data": [*listed["data"], *sent]}

    return replace(change_json("GET", path, add), before=before)
