"""A program with a server of its own: the node registers at it, it pushes to the node, the node pushes to it.

Its `/push` sends an object with the program's own HTTP client, to the URLs in our version details.
"""

from __future__ import annotations

import secrets
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from certification.ocpi import Party, authorization
from certification.web import Unreachable, Web
from cli.operator_client import OperatorApiError, OperatorClient
from infra.interop.environments import Environment
from infra.interop.exchange import SENDS, Result, context_of
from infra.local.children import free_port
from infra.local.sandbox import Player, Sandbox

START_SECONDS = 60
DELIVERY_SECONDS = 20
POLL_SECONDS = 0.2

