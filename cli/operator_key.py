"""Makes the first key to a deployed node's operator door.

There is no door to ask for it yet, so it is written into the node's table directly, with the AWS
credentials of the person who deploys. Everything it needs is named after the stage
(`infra/resources.yaml`).
"""

from __future__ import annotations

import os

from chalicelib.node import current_node
from chalicelib.operator_api.keys import add_operator_key


def make_operator_key(stage: str, name: str) -> str:
    """Make a key, store its hash in the stage's table, and give it."""
    # This process becomes the node, as far as its table and its KMS key go.
    os.environ.update(
        OCPI_PARTIES="[]",
        OCPI_TABLE=f"ocpi-node-{stage}",
        OCPI_KMS_KEY_ID=f"alias/ocpi-node-{stage}",
        OCPI_BROADCASTS_QUEUE_URL="",
        OCPI_COMMANDS_QUEUE_URL="",
    )
    return add_operator_key(current_node(), name)
