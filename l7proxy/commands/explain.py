"""`l7proxy explain [METHOD] URL`: where one request goes, and why."""

from __future__ import annotations

import os
import sys

from l7proxy.commands.console import (
    USAGE_ERROR,
    complain,
    encodable,
    is_terminal,
    load_config,
    refuse_config,
    say,
    write_stdout,
)
from l7proxy.commands.parser import command_parser
from l7proxy.core.config import ConfigError
from l7proxy.files import LenientSecrets
from l7proxy.tools import explain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser
    from collections.abc import Sequence


def run(words: Sequence[str]) -> int:
    """Prints where the request goes first, and why, and returns the exit status."""
    parser = _parser()
    options = parser.parse_intermixed_args(words)
    config = load_config(options.config)
    if config is None:
        return USAGE_ERROR
    try:
        request = explain.request_from(
            options.request,
            method=options.method,
            headers=options.header,
            data=options.data,
            cookies=options.cookie,
            client_ip=options.client_ip,
        )
    except ValueError as error:
        parser.error(str(error))
    secrets = LenientSecrets()
    try:
        exchange = explain.explain(config, request, options.seed, secrets)
    except ConfigError as error:
        return refuse_config(options.config, error)
    for name in dict.fromkeys(secrets.missing):
        complain(f'l7proxy: the environment variable "{name}" is not set: no cookie is valid')
    if options.json:
        say(explain.as_json(exchange))
    else:
        coloured = is_terminal(sys.stdout) and not os.environ.get("NO_COLOR")
        shown = explain.as_tree(exchange, explain.Paint(wanted=coloured))
        if sys.stdout is not None and encodable(explain.LINES, sys.stdout) != explain.LINES:
            shown = explain.in_ascii(shown)
        write_stdout(shown)
    return 0


def _parser() -> ArgumentParser:
    parser = command_parser("explain", "Say where a request would go first, and why.")
    parser.usage = "l7proxy explain [OPTIONS] [METHOD] URL"
    parser.add_argument(
        "request", nargs="+", metavar="[METHOD] URL", help="a URL, or a path; GET if not given"
    )
    parser.add_argument(
        "-X", "--request", dest="method", metavar="METHOD", help="the method, as curl takes it"
    )
    parser.add_argument(
        "-H",
        "--header",
        action="append",
        default=[],
        metavar="HEADER",
        help='a header, as in "Name: value"; may be given several times',
    )
    parser.add_argument(
        "-d",
        "--data",
        action="append",
        default=[],
        metavar="DATA",
        help="the body, which makes it a POST; several are joined with &",
    )
    parser.add_argument(
        "-b",
        "--cookie",
        action="append",
        default=[],
        metavar="COOKIES",
        help='cookies, as in "a=1; b=2"; may be given several times',
    )
    parser.add_argument(
        "--client-ip",
        default="127.0.0.1",
        metavar="ADDRESS",
        help="where it comes from (default: %(default)s)",
    )
    parser.add_argument("--config", metavar="FILE", help="the configuration")
    parser.add_argument("--seed", type=int, default=0, help="what chance begins with (default: 0)")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a tree")
    return parser
