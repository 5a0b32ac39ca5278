"""`python -m l7proxy` is the console script `l7proxy`."""

import sys

from l7proxy.commands import main

if __name__ == "__main__":
    sys.exit(main())
