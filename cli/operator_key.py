"""Makes, lists and revokes keys to the operator API of a deployed node.

It writes to the table of the node directly, with the AWS credentials of the person who deploys. The operator
API cannot be used for this: the first key does not exist yet, and the person who revokes a key may have none.
Table and KMS key are named after the stage (`infra/resources.yaml`).
"""

from __future__ import annotations

import os

from chalicelib.node import Node, current_node
from chalicelib.operator_api.keys import (
    OperatorKey,
    add_operator_key,
    list_operator_keys,
    remove_operator_keys,
)


def make_operator_key(stage: str, name: str) -> str:
    """Make a key, store its hash in the table of the stage, and return the key."""
    return add_operator_key(_become_node(stage), name)


def list_keys(stage: str) -> list[OperatorKey]:
    """List the valid keys."""
    return list_operator_keys(_become_node(stage))


def revoke_keys(stage: str, name: str) -> int:
    """Revoke every key of this name. Returns the number of keys."""
    return remove_operator_keys(_become_node(stage), name)


def _become_node(stage: str) -> Node:
    """Configure this process as the node, with its table and its KMS key."""
    os.environ.update(
        OCPI_PARTIES="[]",
        OCPI_TABLE=f"ocpi-node-{stage}",
        OCPI_KMS_KEY_ID=f"alias/ocpi-node-{stage}",
        OCPI_BROADCASTS_QUEUE_URL="",
        OCPI_COMMANDS_QUEUE_URL="",
        OCPI_BACKGROUND_QUEUE_URL="",
    )
    return current_node()
