"""`l7proxy check FILE`: every problem of a configuration at once."""

from __future__ import annotations

from time import time

from l7proxy.commands.console import USAGE_ERROR, complain, load_file, say
from l7proxy.commands.parser import command_parser
from l7proxy.files import LenientSecrets, display_name
from l7proxy.tools.check import check

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from l7proxy.core.config import Config, Problem


def run(words: Sequence[str]) -> int:
    """Checks a configuration and returns the exit status: 2 where something is wrong with it."""
    parser = command_parser("check", "Validate a configuration and print every problem in it.")
    parser.add_argument("file", metavar="FILE", help="the configuration; - reads stdin")
    parser.add_argument("--strict", action="store_true", help="make warnings fatal")
    options = parser.parse_args(words)
    text = load_file(options.file)
    if text is None:
        return USAGE_ERROR
    secrets = LenientSecrets()
    return check(
        display_name(options.file),
        text,
        say,
        complain,
        secrets,
        unset=secrets.missing,
        preflight=_preflight,
        strict=options.strict,
    )


def _preflight(config: Config) -> tuple[list[Problem], list[tuple[str, str]]]:
    from l7proxy.server.preflight import preflight

    return preflight(config, time())
