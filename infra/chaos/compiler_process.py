"""A second process that makes a node's CDRs, beside the node's own timer, until it is killed.

Run as `python -m infra.chaos.compiler_process`, with the environment of the node.
"""

from __future__ import annotations

import logging
import threading

from infra.chaos.quick_app import EVERY
from infra.local import children

log = logging.getLogger(__name__)


def main() -> None:
    """Run the process."""
    from chalicelib.modules.cdrs import compiler
    from chalicelib.node import current_node

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    children.stop_with_parent()
    pause = threading.Event()
    while not pause.wait(EVERY.total_seconds()):
        try:
            compiler.run(current_node())
        except Exception:
            log.exception("a run of the compiler failed")


if __name__ == "__main__":
    main()
