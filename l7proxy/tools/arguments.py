"""The options about traffic that `replay` and `diff` share, and how the traffic is opened."""

from __future__ import annotations

import gzip
import sys
import zlib
from argparse import ArgumentTypeError
from io import StringIO, TextIOWrapper
from typing import TYPE_CHECKING, TextIO

from l7proxy.tools.formats import FORMATS, Traffic

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Callable


def add_traffic_arguments(parser: ArgumentParser) -> None:
    """Adds the traffic and the options that say how to read it."""
    parser.add_argument("traffic", metavar="TRAFFIC", help="a recording or a log; - reads stdin")
    parser.add_argument("--config", metavar="FILE", help="the configuration")
    parser.add_argument("--seed", type=int, default=0, help="what chance begins with (default: 0)")
    parser.add_argument(
        "--format",
        choices=FORMATS,
        help="how the traffic is written; told from it if not given",
    )
    parser.add_argument(
        "--map",
        action="append",
        default=[],
        metavar="NAME=FIELD",
        help="where a JSON log has something, as in path=request.uri or duration=took:ms",
    )
    parser.add_argument(
        "--captures",
        default="",
        metavar="NAMES",
        help="the request headers that HAProxy captured, as in Host,User-Agent",
    )
    parser.add_argument(
        "--as-logged",
        action="store_true",
        help="backends take as long, and answer with the status, that the log tells of",
    )
    parser.add_argument(
        "--strict", action="store_true", help="stop at the first line that can't be read"
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of text")


def percentage(text: str) -> float:
    """Returns the number in an option's text; raises `ArgumentTypeError` if it is not 0 to 100."""
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number <= 100:
        raise ArgumentTypeError(f"{text} is not a percentage from 0 to 100")
    return number


def open_text(name: str) -> TextIO:
    """Opens a file, which may be gzipped, or stdin for `-`; raises OSError.

    A closed stdin has no lines. Reading raises OSError where a `.gz` file is not a gzipped one.
    """
    if name == "-":
        return StringIO() if sys.stdin is None else sys.stdin
    if name.endswith(".gz"):
        return TextIOWrapper(_Gzipped(name), encoding="utf-8", errors="replace")
    return open(name, encoding="utf-8", errors="replace")


class _Gzipped(gzip.GzipFile):
    """A gzipped file whose errors name it."""

    def read1(self, size: int = -1) -> bytes:
        try:
            return super().read1(size)
        except (EOFError, OSError, zlib.error) as error:
            raise OSError(f"{self.name}: {error}") from None


def traffic_from(options: Namespace, lines: TextIO) -> Traffic:
    """Returns the traffic in the lines; raises ValueError for a format or mapping of no use."""
    return Traffic(
        lines,
        options.format,
        mapping=options.map,
        captures=[name for name in options.captures.split(",") if name],
        as_logged=options.as_logged,
        strict=options.strict,
    )


class Progress:
    """A bar on a terminal that shows how much of the file has been read."""

    WIDTH = 30
    """Of the bar, in characters."""

    def __init__(self, lines: TextIO, size: int, write: Callable[[str], object]) -> None:
        """`size` is that of the file, in bytes."""
        self._where = lines.buffer.tell
        self._size = size
        self._write = write
        self._shown = -1

    def __call__(self, count: int) -> None:
        """Draws the bar again if it has become longer; `count` is how many lines were played."""
        done = min(self._where() / self._size, 1.0)
        percent = int(done * 100)
        if percent != self._shown:
            self._shown = percent
            bar = "#" * int(done * self.WIDTH)
            self._write(f"\r[{bar:<{self.WIDTH}}] {percent:3}% {count} messages ")

    def clear(self) -> None:
        """Removes the bar."""
        if self._shown >= 0:
            self._write("\r\x1b[K")
