"""``python -m adcore``."""

import sys

from adcore.cli import main

if __name__ == "__main__":
    sys.exit(main())
