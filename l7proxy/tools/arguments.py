"""The options about traffic that `replay` and `diff` share, and how the traffic is opened."""

from __future__ import annotations

from argparse import ArgumentTypeError
from typing import TYPE_CHECKING

from l7proxy.tools.formats import FORMATS, Traffic

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Callable, Iterable, Sequence


def add_traffic_arguments(parser: ArgumentParser) -> None:
    """Adds the traffic and the options that say how to read it."""
    parser.add_argument(
        "traffic",
        nargs="+",
        metavar="TRAFFIC",
        help="recordings, or logs, which are put in order of time; - reads stdin",
    )
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
        "--log-format",
        metavar="FORMAT",
        help="the lines are as nginx's log_format says, as in '$remote_addr [$time_local] ...'",
    )
    parser.add_argument(
        "--pattern",
        metavar="REGEX",
        help="this reads a line; its groups are named as those of --map, as in (?P<path>...)",
    )
    parser.add_argument(
        "--host", metavar="HOST", help="the Host header of requests of a log without one"
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


def traffic_from(options: Namespace, files: Sequence[tuple[str, Iterable[str]]]) -> Traffic:
    """Returns the traffic in files, each a name and its lines.

    Raises ValueError where the format can't be told, or what is said of it makes no sense.
    """
    (name, lines), *more = files
    return Traffic(
        lines,
        options.format,
        name=name,
        more=more,
        host=options.host,
        strict=options.strict,
        mapping=options.map,
        captures=[name for name in options.captures.split(",") if name],
        pattern=options.pattern,
        log_format=options.log_format,
        as_logged=options.as_logged,
    )


class Progress:
    """A bar on a terminal that shows how much of the files has been read."""

    WIDTH = 30
    """Of the bar, in characters."""

    def __init__(self, where: Callable[[], int], size: int, write: Callable[[str], object]) -> None:
        """`where` says how many bytes have been read, of `size` bytes in all."""
        self._where = where
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
