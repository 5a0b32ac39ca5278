"""Whether a file is still the one that was read, without reading it."""

from __future__ import annotations

import os
from stat import S_ISREG

TYPE_CHECKING = False
if TYPE_CHECKING:
    Stamp = tuple[int, int, int, int]


def stamp_of(name: str) -> Stamp | None:
    """What changes when a file is written to or replaced, also behind a symbolic link.

    None where there is no file, or one that is no place to come back to, such as a pipe.
    """
    try:
        found = os.stat(name)
    except (OSError, ValueError):
        return None
    if not S_ISREG(found.st_mode):
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns
