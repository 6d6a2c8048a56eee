"""The node's structured log: ids and codes, never a token, a body or a driver's data."""

from __future__ import annotations

from aws_lambda_powertools import Logger

log = Logger(service="ocpi-node", utc=True)
