"""What commands have in common at a console: what they print and complain of, how they exit."""

from __future__ import annotations

import os
import sys

from l7proxy.files import default_config_file, display_name, read_file, with_filename

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TextIO

    from l7proxy.core.config import Config, ConfigError

IO_ERROR = 1
MISMATCH = 1
USAGE_ERROR = 2
INTERRUPTED = 130


def complain(line: str) -> None:
    """Writes one line to stderr; does nothing where stderr is closed or can't be written to."""
    if sys.stderr is None:
        return
    if not line.isprintable():
        from l7proxy.tools.printable import printable

        line = printable(line)
    try:
        sys.stderr.write(line + "\n")
    except OSError:
        pass


class PatientConsole:
    """Complains as `complain` does, but waits for nobody who does not read stderr.

    Lines that it has no room for are left out; how many is said with the next line.
    """

    def __init__(self) -> None:
        import select

        self._room = select.poll()
        self._room.register(2, select.POLLOUT)
        self._left_out = 0

    def complain(self, line: str) -> None:
        """Writes one line to stderr if that has room for it."""
        if self._left_out and self._room.poll(0):
            complain(f"l7proxy: lines left out here, because nobody read them: {self._left_out}")
            self._left_out = 0
        if self._room.poll(0):
            complain(line)
        else:
            self._left_out += 1


def complain_at_length(text: str) -> None:
    """Writes several lines to stderr, as `complain` does."""
    for line in text.split("\n"):
        complain(line)


def complain_of_error(error: OSError, say: Callable[[str], None] = complain) -> None:
    """Writes a line about the error to stderr, with the name of its file where it has one."""
    where = "" if error.filename is None else f"{error.filename}: "
    say(f"l7proxy: {where}{error.strerror or error}")


def load_file(name: str) -> bytes | None:
    """Reads a file, or stdin for `-`; returns None after a complaint where it can't be read."""
    try:
        return read_file(name)
    except OSError as error:
        complain_of_error(error)
        return None


def load_config(name: str | None) -> Config | None:
    """Reads the configuration in a file, or on stdin for `-`; the default one for None.

    Returns None after a complaint of each problem where it can't be read or is not valid.
    """
    text = load_file(default_config_file() if name is None else name)
    return None if text is None else parsed_config(name, text, complain)


def parsed_config(name: str | None, text: bytes, say: Callable[[str], None]) -> Config | None:
    """Returns the configuration that is in the text of a file; says each problem if it is bad."""
    # Imported here so that the node's garbage collector is off by then.
    from l7proxy.core.config import ConfigError, parse_config

    try:
        return parse_config(text)
    except ConfigError as error:
        refuse_config(name, error, say)
        return None


def refuse_config(
    name: str | None, error: ConfigError, say: Callable[[str], None] = complain
) -> int:
    """Complains of each problem in a file, the default one for None; returns the exit status."""
    shown = display_name(default_config_file() if name is None else name)
    for problem in error.problems:
        say(f"{shown}: {problem}")
    return USAGE_ERROR


def say(text: str) -> None:
    """Writes lines to stdout, what is not printable in them escaped.

    Does nothing where stdout is closed. Raises OSError, with "stdout" as its file.
    """
    from l7proxy.tools.printable import printable_lines

    write_stdout(printable_lines(text))


def write_stdout(text: str) -> None:
    """Writes to stdout as `say` does, and escapes nothing: the text may have colours."""
    if sys.stdout is not None:
        try:
            sys.stdout.write(encodable(text, sys.stdout))
        except OSError as error:
            raise with_filename(error, "stdout") from None


def encodable(text: str, stream: TextIO) -> str:
    r"""Returns the text with an escape, such as `\xe9`, for what the stream's encoding lacks."""
    if text.isascii() or not stream.encoding:
        return text
    return text.encode(stream.encoding, "backslashreplace").decode(stream.encoding)


def flush_stdout() -> None:
    """Writes what stdout has buffered; raises OSError, with "stdout" as its file."""
    if sys.stdout is not None:
        try:
            sys.stdout.flush()
        except OSError as error:
            raise with_filename(error, "stdout") from None


def discard_stdout() -> None:
    """Points stdout to nowhere after a write failed, so that Python's flush at exit succeeds."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def divert_stdout() -> int:
    """Has what is printed go to stderr; returns a descriptor of stdout that nobody else has.

    A selector is anybody's code, and may print: that must not end up among the messages.
    """
    sink = os.dup(1)
    os.dup2(2, 1)
    return sink


def restore_stdout(sink: int) -> None:
    """Takes back what `divert_stdout` did."""
    if sys.stdout is not None:
        try:
            sys.stdout.flush()
        except OSError:
            # It is stderr that can't be written to.
            discard_stdout()
    os.dup2(sink, 1)
    os.close(sink)


def hold_closed_descriptors() -> None:
    """Occupies 0, 1 and 2 where they are closed, so that no file that is opened becomes one."""
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        if stream is None:
            os.open(os.devnull, os.O_RDWR)


def is_terminal(stream: TextIO | None) -> bool:
    """Returns whether the stream is a terminal; one that is closed (None) is not."""
    return stream is not None and stream.isatty()
