"""`python -m recsys_spark`: the command `recsys`."""

from __future__ import annotations

import sys

from recsys_spark.cli import main

if __name__ == "__main__":
    sys.exit(main())
