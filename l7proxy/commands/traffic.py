"""What `replay` and `diff` share: recorded traffic is opened, played, and its bad lines shown."""

from __future__ import annotations

import os
import sys

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

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Callable
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
    lines = open_lines(options.traffic)
    if lines is None:
        return USAGE_ERROR
    try:
        with lines:
            progress = _progress(lines, options.traffic)
            return play(arguments.traffic_from(options, lines), progress, config)
    except ConfigError as error:
        return refuse_config(options.config, error)
    except ValueError as error:
        complain(f"l7proxy: {display_name(options.traffic)}: {error}")
        return USAGE_ERROR


def open_lines(name: str) -> TextIO | None:
    """Opens a file, or stdin for `-`; returns None after a complaint where it can't be opened."""
    try:
        return arguments.open_text(name)
    except OSError as error:
        complain_of_error(error)
        return None


def _progress(lines: TextIO, name: str) -> Progress | None:
    """Returns a progress bar if somebody can see it and the size of the traffic is known."""
    if is_terminal(sys.stderr) and os.path.isfile(name):
        return arguments.Progress(lines, os.path.getsize(name), sys.stderr.write)
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
        complain(f"  line {number}: {why}: {text}")
    if traffic.bad > len(traffic.shown):
        complain("  ...")
