"""`l7proxy serve --config FILE --listen ADDRESS`: an HTTP proxy in front of HTTP backends."""

from __future__ import annotations

import signal

from l7proxy.commands.console import (
    USAGE_ERROR,
    PatientConsole,
    complain,
    complain_of_error,
    parsed_config,
    refuse_config,
)
from l7proxy.commands.parser import command_parser, positive_number
from l7proxy.core.config import ConfigError
from l7proxy.files import (
    default_config_file,
    display_name,
    is_descriptor,
    read_file,
    read_secret,
    refuse_special,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Callable, Sequence

    from l7proxy.core.config import Config


def run(words: Sequence[str]) -> int:
    """Serves until SIGTERM or SIGINT, then drains, and returns the exit status."""
    # A signal that comes before its handler is there has to wait for it, and the server takes
    # long to import.
    signals = (signal.SIGHUP, signal.SIGTERM, signal.SIGUSR1)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    try:
        parser = _parser()
        return _serve(parser, _parse(parser, words))
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _parser() -> ArgumentParser:
    parser = command_parser(
        "serve", "Take HTTP/1.1 requests and give them to the configured backends."
    )
    parser.add_argument("--config", metavar="FILE", help="the configuration")
    parser.add_argument(
        "--listen",
        metavar="ADDRESS",
        action="append",
        help="host:port, [v6]:port, tls:host:port or unix:/path; may be given several times",
    )
    parser.add_argument(
        "--workers",
        type=positive_number,
        default=1,
        metavar="N",
        help="processes that share the port; limits, health and counts are each worker's own",
    )
    parser.add_argument(
        "--no-watch",
        action="store_true",
        help="reload on SIGHUP only, and not when the configuration or a file it names changes",
    )
    parser.add_argument(
        "--no-uvloop", action="store_true", help="use asyncio's own event loop in any case"
    )
    return parser


def _parse(parser: ArgumentParser, words: Sequence[str]) -> Namespace:
    """Returns the options; exits with status 2 where they can't be parsed."""
    options, rest = parser.parse_known_args(words)
    if rest:
        named = f"; a configuration is named by --config {rest[0]}"
        hint = "" if options.config or rest[0].startswith("-") else named
        parser.error(f"unrecognized arguments: {' '.join(rest)}{hint}")
    return options


def _serve(parser: ArgumentParser, options: Namespace) -> int:
    from l7proxy.server.reloader import FileWatch

    name = options.config or default_config_file()
    # What changes while the file is read has to be seen as a change.
    watch = None if options.no_watch or name == "-" else FileWatch(name)
    config = _read(name, complain)
    if config is None:
        return USAGE_ERROR
    listens = options.listen or config.server.listen
    if not listens:
        parser.error("give --listen, or server.listen in the configuration")
    from l7proxy.commands.version import version_line
    from l7proxy.server.workers import serve

    log = PatientConsole().complain
    try:
        return serve(
            config,
            listens,
            workers=options.workers,
            fast=not options.no_uvloop,
            log=log,
            reread=lambda: _reread(name, log),
            watch=watch,
            secrets=read_secret,
            greeting=version_line(),
        )
    except ConfigError as error:
        return refuse_config(name, error)
    except (OSError, ValueError) as error:
        complain(f"l7proxy: {error}")
        return USAGE_ERROR


def _read(name: str, say: Callable[[str], None]) -> Config | None:
    """Reads the configuration; returns None after it has said why that can't be used."""
    try:
        refuse_special(name)
        text = read_file(name)
    except OSError as error:
        complain_of_error(error, say)
        return None
    return parsed_config(name, text, say)


def _reread(name: str, say: Callable[[str], None]) -> Config | None:
    """Does the same while it serves: what waits for more to be read would hold up everybody."""
    if is_descriptor(name):
        say(f"l7proxy: {display_name(name)}: it can't be read a second time")
        return None
    return _read(name, say)
