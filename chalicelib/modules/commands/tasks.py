"""What has to be done about a command next, put on the queue.

Each task is safe to be queued twice: what it does depends on the command's state alone.

Source: docs/design.md, A command
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from chalicelib.modules.commands.rules import is_waiting
from chalicelib.queues import CommandTask

if TYPE_CHECKING:
    from chalicelib.modules.commands.rules import Command
    from chalicelib.node import Node


def send_to_csms(node: Node, command: Command, delay_s: int) -> None:
    """Have the CSMS told."""
    node.queues.send_command_tasks(CommandTask(what="DELIVER", command_id=command.id, delay_s=delay_s))


def watch_deadline(node: Node, command: Command) -> None:
    """Have the deadline watched, also of a command that is only about to be stored."""
    left = (command.is_overdue_at - node.clock()).total_seconds()
    delay_s = max(math.ceil(left), 0)
    node.queues.send_command_tasks(CommandTask(what="DEADLINE", command_id=command.id, delay_s=delay_s))


def send_owed(node: Node, command: Command, delay_s: int = 0) -> None:
    """Have the results posted that are still to be posted; nothing is queued when there are none."""
    tasks = []
    if is_waiting(command.result):
        tasks.append(CommandTask(what="RESULT", command_id=command.id, delay_s=delay_s))
    if is_waiting(command.cancellation):
        tasks.append(CommandTask(what="CANCELLATION", command_id=command.id, delay_s=delay_s))
    if tasks:
        node.queues.send_command_tasks(*tasks)
