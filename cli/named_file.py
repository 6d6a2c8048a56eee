"""Finds a file that is named on the command line.

The script `./ocpi` changes to its own directory, so a relative name is resolved against the directory from
which it was called.
"""

from __future__ import annotations

import os
from pathlib import Path


def find_file(name: str | Path) -> Path:
    """Return the path of a file, relative to the directory of the caller."""
    return Path(os.environ.get("OCPI_CALLED_FROM", ""), name)
