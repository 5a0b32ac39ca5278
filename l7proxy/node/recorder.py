"""Records the messages that come in, for `replay` and `diff` to read."""

from __future__ import annotations

import json
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any


class Recorder:
    """Writes envelopes to a file, a line each, as they come: a node that is killed loses none.

    A recording that fails ends, and is `failed`; `complain(line)` is told why. The conversation
    goes on without it.
    """

    def __init__(self, name: str, complain: Callable[[str], None]) -> None:
        """Raises OSError where the file can't be written to."""
        self.failed = False
        self._name = name
        self._complain = complain
        self._file = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)

    def __call__(self, envelope: Mapping[str, Any]) -> None:
        if self.failed:
            return
        rest = json.dumps(envelope).encode() + b"\n"
        try:
            while rest:
                written = os.write(self._file, rest)
                rest = rest[written:]
        except OSError as error:
            self.failed = True
            self._complain(f"l7proxy: {self._name}: {error.strerror}; nothing more is recorded")

    def close(self) -> None:
        """Closes the file."""
        os.close(self._file)
