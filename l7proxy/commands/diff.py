"""`l7proxy diff --against FILE TRAFFIC`: what another configuration would change."""

from __future__ import annotations

import json
from functools import partial
from random import Random

from l7proxy.commands.console import MISMATCH, USAGE_ERROR, complain, load_config, say
from l7proxy.commands.parser import command_parser
from l7proxy.commands.traffic import end_playing, open_lines, play_traffic, refuse_stdin_twice
from l7proxy.files import display_name, read_secret
from l7proxy.node.replay_node import ReplayNode
from l7proxy.tools import arguments, diff
from l7proxy.tools.diff import Allowance, Comparison
from l7proxy.tools.outcome import FIELDS
from l7proxy.tools.replay import replay

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Sequence

    from l7proxy.core.config import Config
    from l7proxy.tools.arguments import Progress
    from l7proxy.tools.formats import Traffic
    from l7proxy.tools.replay import Player


def run(words: Sequence[str]) -> int:
    """Compares, prints what differs and returns the exit status: 1 for more than is allowed."""
    parser = _parser()
    options = parser.parse_args(words)
    refuse_stdin_twice(parser, *options.traffic, options.config, options.against, options.answers)
    try:
        allowance = Allowance(options.allow)
    except ValueError as error:
        parser.error(f"argument --allow: {error}")
    try:
        comparison = Comparison(options.only or FIELDS)
    except ValueError as error:
        parser.error(f"argument --only: {error}")
    return play_traffic(options, partial(_diff, options, allowance, comparison))


def _parser() -> ArgumentParser:
    parser = command_parser(
        "diff", "Play traffic to two configurations and group what changes; exit status 1 if any."
    )
    arguments.add_traffic_arguments(parser)
    other = parser.add_mutually_exclusive_group(required=True)
    other.add_argument("--against", metavar="FILE", help="the other configuration")
    other.add_argument("--answers", metavar="FILE", help="what a node answered, instead")
    parser.add_argument(
        "--allow",
        action="append",
        default=[],
        metavar="WHAT",
        help="what may change: a number of requests, a share (1%%), or a field such as backend",
    )
    parser.add_argument(
        "--only",
        action="append",
        metavar="FIELD",
        help="what is compared, several times for several; all of "
        + ", ".join(FIELDS)
        + " if not given",
    )
    return parser


def _diff(
    options: Namespace,
    allowance: Allowance,
    comparison: Comparison,
    traffic: Traffic,
    progress: Progress | None,
    config: Config,
) -> int:
    """Raises ValueError where there is nothing to compare, ConfigError and OSError."""

    def side(number: int, config: Config) -> Player:
        return ReplayNode(
            config,
            Random(options.seed),
            comparison.side(number),
            secrets=read_secret,
            simulated=traffic.format != "envelopes",
            ignore_init=options.against is not None,
        )

    before = side(0, config)
    unanswered = False
    if options.answers is None:
        against = load_config(options.against)
        if against is None:
            return USAGE_ERROR
        for at in diff.unplayed(config, against):
            complain(f"l7proxy: {at} differs: what backends are sent for it is not compared")
        replay(traffic, [before, side(1, against)], progress)
    else:
        answers = open_lines(options.answers)
        if answers is None:
            return USAGE_ERROR
        with answers:
            answered = diff.RecordedAnswers(answers, comparison)
            replay(traffic, [before, answered], progress)
        unanswered = not answered.read
    comparison.finish()
    end_playing(traffic, progress)
    if unanswered:
        name = display_name(options.answers)
        complain(f"l7proxy: {name}: there is no answer of a node in it")
        return USAGE_ERROR
    if not comparison.compared:
        raise ValueError("there is no request in it, so nothing was compared")
    made = diff.as_json(comparison)
    say(
        json.dumps(made, indent=2) + "\n"
        if options.json
        else diff.as_text(comparison, traffic.place)
    )
    return 0 if allowance.covers(comparison) else MISMATCH
