from tests.logged import logged as logged
from tests.modules.conftest import node_of as node_of
from tests.modules.conftest import partner_of as partner_of
