"""Which file is the default configuration, and how files and secrets are read."""

from __future__ import annotations

import os
import stat
import sys
from errno import EFBIG, EINVAL

_PACKAGE = os.path.dirname(os.path.abspath(__file__))
DEFAULT_CONFIGS = (
    os.path.join(_PACKAGE, "default_config.json"),
    os.path.join(os.path.dirname(_PACKAGE), "config", "backends.json"),
)
"""Where the default configuration is: in an installed package, else in a checkout."""


LONGEST_SECRET = 64 * 1024
"""Bytes of a key."""
MOST_CERTIFICATES = 16 * 1024 * 1024
"""Bytes of a file with certificates: more than any list of them has."""


def default_config_file() -> str:
    """Returns the path of the configuration that is used if none is named."""
    return next(filter(os.path.exists, DEFAULT_CONFIGS), DEFAULT_CONFIGS[0])


def read_file(name: str) -> bytes:
    """Reads a file, or stdin for `-`, which is empty where it is closed.

    Raises OSError with the file's name, which is <stdin> for stdin.
    """
    try:
        if name == "-":
            return b"" if sys.stdin is None else sys.stdin.buffer.read()
        with open(name, "rb") as file:
            return file.read()
    except OSError as error:
        raise with_filename(error, display_name(name)) from None


def refuse_special(name: str, largest: int | None = None) -> None:
    """Raises OSError, with the file's name, for a pipe, a device or a socket.

    It does so, too, for a file of more than `largest` bytes.

    To read one may take for ever. Those that a process is handed as open descriptors, as shells do
    it for `<(...)`, are none of those that somebody has put in a file's place.
    """
    if is_descriptor(name):
        return
    about = os.stat(name)
    mode = about.st_mode
    if largest is not None and about.st_size > largest:
        raise OSError(EFBIG, f"it is larger than {largest} bytes", name)
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        what = next(word for is_one, word in SPECIAL.items() if is_one(mode))
        raise OSError(EINVAL, f"it is {what}, and not a file that can be read again", name)


SPECIAL = {
    stat.S_ISFIFO: "a named pipe",
    stat.S_ISSOCK: "a socket",
    stat.S_ISCHR: "a device",
    stat.S_ISBLK: "a device",
}
"""What a file is that is none, by how one finds out."""


def is_descriptor(name: str) -> bool:
    """Whether a file's name stands for a descriptor of this process: what it gave is gone."""
    return name in {"-", "/dev/stdin"} or name.startswith(("/dev/fd/", "/proc/self/fd/"))


def read_secret(kind: str, name: str) -> bytes:
    """Reads the file ("file") or the environment variable ("env") of that name.

    Raises ValueError, with a text for people, where it can't be read.
    """
    if kind == "env":
        value = os.environb.get(os.fsencode(name))
        if value is None:
            raise ValueError(f'the environment variable "{name}" is not set')
        return value
    try:
        refuse_special(name)
        with open(name, "rb") as file:
            secret = file.read(LONGEST_SECRET + 1)
    except OSError as error:
        raise ValueError(f"can't read it: {error.strerror}") from None
    if len(secret) > LONGEST_SECRET:
        raise ValueError(f"can't read it: it is larger than {LONGEST_SECRET} bytes")
    return secret


class LenientSecrets:
    """Reads secrets as `read_secret` does, and makes up one for a variable that is not set.

    For what asks about a configuration where its secrets are not at hand. `missing` has the names
    of the variables that were not set.
    """

    def __init__(self) -> None:
        self.missing: list[str] = []

    def __call__(self, kind: str, name: str) -> bytes:
        """Raises ValueError, with a text for people, where a file can't be read."""
        if kind == "env" and os.fsencode(name) not in os.environb:
            self.missing.append(name)
            return b"a key that nobody else has"
        return read_secret(kind, name)


def display_name(name: str) -> str:
    """Returns a file's name as people are to see it: `-` is stdin."""
    return "<stdin>" if name == "-" else name


def with_filename(error: OSError, name: str) -> OSError:
    """Returns the error with a file's name, which errors of reading and writing lack."""
    return OSError(error.errno, error.strerror, name)
