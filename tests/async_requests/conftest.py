"""Fixtures for nodes that have asynchronous requests: the network of the tests of commands."""

from tests.modules.commands.conftest import networks as networks
