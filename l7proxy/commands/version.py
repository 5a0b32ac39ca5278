"""What runs here: the version, the build, and the Python under it."""

from __future__ import annotations

import sys

from l7proxy import __version__
from l7proxy.core import exchange


def version_line() -> str:
    """Returns one line such as `l7proxy 1.1.0 (compiled, CPython 3.11)`."""
    build = "compiled" if is_compiled() else "pure"
    # Importing `platform` takes a twentieth of a node's start, and the parser of its options asks.
    implementation = sys.implementation.name.replace("cpython", "CPython")
    python = f"{implementation} {sys.version_info.major}.{sys.version_info.minor}"
    return f"l7proxy {__version__} ({build}, {python})"


def is_compiled() -> bool:
    """Returns whether the hot paths run compiled."""
    return not (exchange.__file__ or "").endswith(".py")
