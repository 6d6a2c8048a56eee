"""An application under threads. tests/infra/local/test_sandbox.py has simultaneous requests."""

from __future__ import annotations

from infra.local.threads import make_thread_safe
from tests.infra.toy_app import app as toy_app


def test_a_thread_that_has_served_no_request_has_none() -> None:
    app = make_thread_safe(toy_app)

    assert app.current_request is None
    assert app.lambda_context is None
