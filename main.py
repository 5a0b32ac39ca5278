"""`python main.py` is `python -m l7proxy`: it works from any directory, with nothing installed."""

import sys

from l7proxy.cli import main

if __name__ == "__main__":
    sys.exit(main())
