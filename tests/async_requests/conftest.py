"""Fixtures for nodes that have asynchronous requests: the network of the tests of commands."""

from tests.modules.commands.conftest import networks as networks
from tests.modules.conftest import account as account
from tests.modules.conftest import moto as moto
