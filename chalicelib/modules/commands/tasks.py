"""Queueing of the tasks of a command: delivery to the CSMS, posting of results, its deadline.

A task may be queued twice: the worker decides by the command's state.

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
    """Queue the delivery of a command to the CSMS."""
    node.queues.send_command_tasks(CommandTask(what="DELIVER", command_id=command.id, delay_s=delay_s))


def watch_deadline(node: Node, command: Command) -> None:
    """Queue the task that ends a command at its deadline. The command may be stored right after."""
    left = (command.is_overdue_at - node.clock()).total_seconds()
    delay_s = max(math.ceil(left), 0)
    node.queues.send_command_tasks(CommandTask(what="DEADLINE", command_id=command.id, delay_s=delay_s))


def queue_results(node: Node, command: Command, delay_s: int = 0) -> None:
    """Queue the posting of the results that are still to be posted, if there are any."""
    tasks = []
    if is_waiting(command.result):
        tasks.append(CommandTask(what="RESULT", command_id=command.id, delay_s=delay_s))
    if is_waiting(command.cancellation):
        tasks.append(CommandTask(what="CANCELLATION", command_id=command.id, delay_s=delay_s))
    if tasks:
        node.queues.send_command_tasks(*tasks)
