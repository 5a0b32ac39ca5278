"""`l7proxy test PATH...`: golden conversations and cases, and which routes they reach."""

from __future__ import annotations

from pathlib import Path
from random import Random

from l7proxy.commands.console import MISMATCH, USAGE_ERROR, complain, say
from l7proxy.commands.parser import command_parser
from l7proxy.files import default_config_file, read_secret
from l7proxy.node.replay_node import RecordingNode
from l7proxy.tools import cases
from l7proxy.tools.arguments import percentage
from l7proxy.tools.coverage import Coverage
from l7proxy.tools.golden import BadCase

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser
    from collections.abc import Callable, Sequence

    from l7proxy.core.config import Config
    from l7proxy.core.exchange import Exchange
    from l7proxy.core.proxy import Proxy


def run(words: Sequence[str]) -> int:
    """Runs the tests, prints what fails and returns the exit status: 1 where anything does."""
    options = _parser().parse_args(words)

    def make_node(
        config: Config, seen: Callable[[Exchange], None], configured: Callable[[Proxy], None]
    ) -> RecordingNode:
        return RecordingNode(
            config,
            Random(options.seed),
            complain,
            seen,
            on_configured=configured,
            secrets=read_secret,
        )

    default = Path(options.config or default_config_file())
    coverage = Coverage()
    try:
        found = cases.find(map(Path, options.paths), default)
        fine = cases.run_all(found, make_node, coverage, say, update=options.golden_update)
    except BadCase as error:
        complain(f"l7proxy: {error}")
        return USAGE_ERROR
    if options.route_coverage:
        say(coverage.as_text())
    if coverage.percent < options.fail_under:
        complain(f"only {coverage.percent:.0f} % of the routes were reached")
        fine = False
    return 0 if fine else MISMATCH


def _parser() -> ArgumentParser:
    parser = command_parser(
        "test", "Run golden conversations (*.in.jsonl) and cases; exit status 1 where any fails."
    )
    parser.add_argument("paths", nargs="+", metavar="PATH", help="a file, or a directory of them")
    parser.add_argument("--config", metavar="FILE", help="the configuration of those without one")
    parser.add_argument("--seed", type=int, default=0, help="what chance begins with (default: 0)")
    parser.add_argument(
        "--golden-update", action="store_true", help="write down what is answered now"
    )
    parser.add_argument(
        "--route-coverage", action="store_true", help="list the routes that no case reached"
    )
    parser.add_argument(
        "--fail-under",
        type=percentage,
        default=0.0,
        metavar="N",
        help="exit status 1 where less than N percent of the routes were reached",
    )
    return parser
