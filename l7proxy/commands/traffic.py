"""What `replay` and `diff` share: recorded traffic is opened, played, and its bad lines shown."""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack

from l7proxy.commands.console import (
    USAGE_ERROR,
    complain,
    complain_of_error,
    is_terminal,
    load_config,
    refuse_config,
)
from l7proxy.core.config import ConfigError
from l7proxy.files import display_name
from l7proxy.tools import arguments
from l7proxy.tools.log_files import open_text, position

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Callable, Sequence
    from typing import TextIO

    from l7proxy.core.config import Config
    from l7proxy.tools.arguments import Progress
    from l7proxy.tools.formats import Traffic

    Play = Callable[[Traffic, Progress | None, Config], int]


def refuse_stdin_twice(parser: ArgumentParser, *names: str | None) -> None:
    """Exits with status 2 where more than one of the files is stdin."""
    if names.count("-") > 1:
        parser.error("stdin can be read once: only one of the files can be -")


def play_traffic(options: Namespace, play: Play) -> int:
    """Opens the configuration and the traffic, and returns the exit status that `play` gives.

    Complains where either can't be opened or used, which `play` tells by `ConfigError` and
    ValueError. Raises OSError where reading fails later.
    """
    config = load_config(options.config)
    if config is None:
        return USAGE_ERROR
    with ExitStack() as opened:
        files = []
        for name in options.traffic:
            lines = open_lines(name)
            if lines is None:
                return USAGE_ERROR
            files.append((display_name(name), opened.enter_context(lines)))
        try:
            progress = _progress([lines for _, lines in files], options.traffic)
            traffic = arguments.traffic_from(options, files)
            _note_missing_hosts(options, traffic, config)
            return play(traffic, progress, config)
        except ConfigError as error:
            return refuse_config(options.config, error)
        except ValueError as error:
            # Where there are several files, the error says which.
            where = f"{files[0][0]}: " if len(files) == 1 else ""
            complain(f"l7proxy: {where}{error}")
            return USAGE_ERROR


def open_lines(name: str) -> TextIO | None:
    """Opens a file, or stdin for `-`; returns None after a complaint where it can't be opened."""
    try:
        return open_text(name)
    except OSError as error:
        complain_of_error(error)
        return None


def _note_missing_hosts(options: Namespace, traffic: Traffic, config: Config) -> None:
    """Complains where routes ask for a host, and the log tells of none."""
    if options.host is not None or not traffic.is_log or traffic.has_hosts:
        return
    asking = len([route for route in config.routes or () if route.host])
    if asking:
        routes = "1 route asks" if asking == 1 else f"{asking} routes ask"
        complain(f"note: {routes} for a host, and the log has none; --host says which it was")


def _progress(files: Sequence[TextIO], names: Sequence[str]) -> Progress | None:
    """Returns a progress bar if somebody can see it and the size of the traffic is known."""
    if is_terminal(sys.stderr) and all(map(os.path.isfile, names)):
        size = sum(map(os.path.getsize, names))
        return arguments.Progress(lambda: sum(map(position, files)), size, sys.stderr.write)
    return None


def end_playing(traffic: Traffic, progress: Progress | None) -> None:
    """Removes the progress bar, and complains of the lines that were skipped."""
    if progress is not None:
        progress.clear()
    if not traffic.bad:
        return
    lines = "line was" if traffic.bad == 1 else "lines were"
    complain(f"{traffic.bad} {lines} skipped")
    for number, why, text in traffic.shown:
        complain(f"  {traffic.place(number)}: {why}: {text}")
    if traffic.bad > len(traffic.shown):
        complain("  ...")
    for doubt in traffic.doubts:
        complain(f"{doubt}; --format says another one")
