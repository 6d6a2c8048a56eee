"""`python -m certification`."""

from __future__ import annotations

import sys

from certification.runner import main

if __name__ == "__main__":
    sys.exit(main())
