"""Finds a file that was named on the command line.

The script `./ocpi` runs in its own directory, so a relative name is looked for where it was called from.
"""

from __future__ import annotations

import os
from pathlib import Path


def find_file(name: str | Path) -> Path:
    """Tell the path of a file as the person meant it."""
    return Path(os.environ.get("OCPI_CALLED_FROM", ""), name)
