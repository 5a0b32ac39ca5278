"""`l7proxy replay TRAFFIC`: recorded traffic in virtual time, and a report."""

from __future__ import annotations

import json
import os
from functools import partial
from random import Random

from l7proxy.commands.console import USAGE_ERROR, complain_of_error, say
from l7proxy.commands.parser import command_parser
from l7proxy.commands.traffic import end_playing, play_traffic, refuse_stdin_twice
from l7proxy.files import read_secret, with_filename
from l7proxy.node.replay_node import ReplayNode
from l7proxy.tools import arguments
from l7proxy.tools.metrics import ReplayMetrics
from l7proxy.tools.replay import as_text, replay, report

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Sequence

    from l7proxy.core.config import Config
    from l7proxy.tools.arguments import Progress
    from l7proxy.tools.formats import Traffic


def run(words: Sequence[str]) -> int:
    """Replays the traffic, prints the report and returns the exit status."""
    description = "Play recorded traffic in virtual time and report what came of it."
    parser = command_parser("replay", description)
    arguments.add_traffic_arguments(parser)
    parser.add_argument("--html", metavar="FILE", help="write the report as a web page, too")
    options = parser.parse_args(words)
    refuse_stdin_twice(parser, *options.traffic, options.config)
    return play_traffic(options, partial(_replay, options))


def _replay(options: Namespace, traffic: Traffic, progress: Progress | None, config: Config) -> int:
    """Raises ValueError where no line of the traffic can be read, ConfigError and OSError."""
    metrics = ReplayMetrics()
    player = ReplayNode(
        config,
        Random(options.seed),
        metrics.ended,
        on_configured=metrics.watch,
        on_note=metrics.note,
        secrets=read_secret,
        simulated=traffic.format != "envelopes",
    )
    played = replay(traffic, [player], progress)
    end_playing(traffic, progress)
    if not played and traffic.bad:
        guess = traffic.guess()
        raise ValueError(
            f'no line of it is of the format "{traffic.format}"; --format says which it is in'
            + (f" (it looks like {guess})" if guess else "")
        )
    made = report(metrics, traffic, player.refused)
    say(json.dumps(made, indent=2) + "\n" if options.json else as_text(made))
    if options.html is None:
        return 0
    from l7proxy.tools.page import page

    title = f"Replay of {', '.join(map(os.path.basename, options.traffic))}"
    return _write_file(options.html, page(made, metrics, title))


def _write_file(name: str, text: str) -> int:
    """Writes a file anew and returns the exit status.

    Complains where it can't be opened. Raises OSError where writing fails later.
    """
    try:
        file = open(name, "w", encoding="utf-8", errors="replace")  # noqa: SIM115
    except OSError as error:
        complain_of_error(error)
        return USAGE_ERROR
    try:
        with file:
            file.write(text)
    except OSError as error:
        raise with_filename(error, name) from None
    return 0
