"""`python main.py` is `python -m l7proxy`: it works from any directory, with nothing installed."""

import os

from l7proxy.commands import main

if __name__ == "__main__":
    # Everything is written and closed by now; taking the interpreter down in good order would be
    # an eighth of a run with one message.
    os._exit(main())
