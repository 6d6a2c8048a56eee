"""Makes, lists and revokes keys to a deployed node's operator door.

For the first key there is no door to ask yet, and whoever revokes one may not hold it; so the node's table
is written directly, with the AWS credentials of the person who deploys. Everything that is needed is named
after the stage (`infra/resources.yaml`).
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
    """Make a key, store its hash in the stage's table, and give it."""
    return add_operator_key(_become_node(stage), name)


def list_keys(stage: str) -> list[OperatorKey]:
    """The keys that are good."""
    return list_operator_keys(_become_node(stage))


def revoke_keys(stage: str, name: str) -> int:
    """Let every key of this name in no more; returns how many there were."""
    return remove_operator_keys(_become_node(stage), name)


def _become_node(stage: str) -> Node:
    """This process becomes the node, as far as its table and its KMS key go."""
    os.environ.update(
        OCPI_PARTIES="[]",
        OCPI_TABLE=f"ocpi-node-{stage}",
        OCPI_KMS_KEY_ID=f"alias/ocpi-node-{stage}",
        OCPI_BROADCASTS_QUEUE_URL="",
        OCPI_COMMANDS_QUEUE_URL="",
    )
    return current_node()
