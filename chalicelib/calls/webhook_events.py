"""The events that the operator's webhooks can get. The descriptor of a module names those that it sends."""

from __future__ import annotations

AUTHORIZE = "authorize"
"""A token to authorize; the answer decides."""

COMMAND = "command"
"""A command for the CSMS."""

RECONCILIATION = "reconciliation"
"""A CDR of the hub that differs from the node's own."""

ROLES_PENDING = "partner_roles_pending"
"""Roles of a partner that wait for approval."""
