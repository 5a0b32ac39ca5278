"""`l7proxy [OPTIONS]`: the node on stdin and stdout."""

from __future__ import annotations

import gc
import sys
from random import Random

from l7proxy.commands.console import (
    IO_ERROR,
    USAGE_ERROR,
    complain,
    complain_at_length,
    complain_of_error,
    divert_stdout,
    load_config,
    refuse_config,
    restore_stdout,
)
from l7proxy.core.callbacks import ignore
from l7proxy.core.config import ConfigError
from l7proxy.envelope.framing import DEFAULT_LIMIT
from l7proxy.files import read_secret
from l7proxy.node import blocking_loop
from l7proxy.node.engine import SIMULATED
from l7proxy.node.node import Node

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser
    from collections.abc import Callable, Mapping, Sequence

    from l7proxy.core.config import Config
    from l7proxy.core.pool.pool import Pool
    from l7proxy.node.recorder import Recorder
    from l7proxy.upstreams.base import Upstream

STDIN = 0


class Options:
    """What the command line asks of the node; the defaults are what no arguments ask."""

    config: str | None = None
    log_level: str = "warning"
    max_message: int = DEFAULT_LIMIT
    drain_timeout: float = 30.0
    virtual_time: bool = False
    seed: int = 0
    ordered: bool = False
    simulate: bool = False
    explain: bool = False
    record: str | None = None
    allow: Sequence[str] | None = None


def run(words: Sequence[str], commands: Mapping[str, str]) -> int:
    """Runs the node until its input ends and returns the exit status.

    `commands` has the name of each command and what it is for, which `--help` lists.
    """
    # Most runs have no arguments, and importing argparse takes a tenth of a short one.
    options = _parse(words, commands) if words else Options()
    config = load_config(options.config)
    if config is None:
        return USAGE_ERROR
    try:
        recorder = _open_recorder(options.record) if options.record else None
    except OSError as error:
        complain_of_error(error)
        return USAGE_ERROR
    sink = divert_stdout()
    try:
        status = _converse(options, config, recorder, sink)
    except ConfigError as error:
        status = refuse_config(options.config, error)
    finally:
        restore_stdout(sink)
        if recorder is not None:
            recorder.close()
    recording_failed = recorder is not None and recorder.failed
    return IO_ERROR if recording_failed and not status else status


def _open_recorder(name: str) -> Recorder:
    """Raises OSError where the file can't be written to."""
    from l7proxy.node.recorder import Recorder

    return Recorder(name, complain)


def _converse(options: Options, config: Config, recorder: Recorder | None, sink: int) -> int:
    """Runs the node in the loop that its backends need and returns the exit status.

    `sink` is the descriptor that gets the replies.

    Raises `ConfigError` where the configuration can't be put to work, OSError where stdin or
    stdout fails. A node whose stdout is closed is not run.
    """

    def build(http: Callable[[Pool], Upstream] | None = None) -> Node:
        return _build(options, config, recorder, http)

    if not _has_real_backends(options, config):
        node = build()
        if sys.stdout is not None:
            blocking_loop.run(node, STDIN, sink, drain_timeout=options.drain_timeout)
        return 0
    if options.virtual_time:
        complain("l7proxy: real backends take real time; try --simulate")
        return USAGE_ERROR
    # Imported here because asyncio takes longer than most conversations.
    from l7proxy.node import asyncio_loop

    if sys.stdout is not None:
        asyncio_loop.run(build, STDIN, sink, drain_timeout=options.drain_timeout)
    return 0


def _has_real_backends(options: Options, config: Config) -> bool:
    if options.simulate:
        return False
    return any(pool.upstream == "http" for pool in config.backend_pools.values())


def _build(
    options: Options,
    config: Config,
    recorder: Recorder | None,
    http: Callable[[Pool], Upstream] | None,
) -> Node:
    """Makes the node; `http` makes the upstream of a pool of real backends.

    Raises `ConfigError` where the configuration can't be put to work.
    """
    log, bug = LOGS[options.log_level]
    node = Node(
        config,
        Random(options.seed),
        log,
        bug=bug,
        limit=options.max_message,
        virtual_time=options.virtual_time,
        secrets=read_secret,
        explain=options.explain,
        record=recorder,
        http=http,
        upstreams=SIMULATED if options.simulate else None,
        ordered=options.ordered,
        allowed=options.allow or (),
    )
    # The collector, off since the start, never has to look at what was made until now.
    gc.freeze()
    gc.enable()
    return node


LOGS: dict[str, tuple[Callable[[str], None], Callable[[str], None]]] = {
    "warning": (complain, complain_at_length),
    "error": (ignore, complain_at_length),
    "silent": (ignore, ignore),
}
"""What gets the lines of the log, and what the tracebacks of bugs, at each log level."""


def _parse(words: Sequence[str], commands: Mapping[str, str]) -> Options:
    """Returns what the arguments ask; exits with status 2 where they can't be parsed."""
    parser = _parser(commands)
    if not words[0].startswith("-"):
        from l7proxy.core.config.problems import suggestion

        parser.error(f'no command "{words[0]}"{suggestion(words[0], commands)}')
    options, rest = parser.parse_known_args(words, Options())
    command = next((word for word in rest if word in commands), None)
    if command is not None:
        parser.error(f"the command comes first, as in l7proxy {command} --config FILE")
    if rest:
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    return options


def _parser(commands: Mapping[str, str]) -> ArgumentParser:
    """Returns the parser of the node's arguments, whose defaults are those of `Options`."""
    from argparse import RawDescriptionHelpFormatter

    from l7proxy.commands.parser import command_parser, positive_number, seconds
    from l7proxy.commands.version import version_line

    parser = command_parser("", "A Layer 7 load balancer you can pipe JSON through.")
    parser.formatter_class = RawDescriptionHelpFormatter
    parser.usage = "l7proxy [OPTIONS] < envelopes.jsonl\n       l7proxy COMMAND [OPTIONS]"
    parser.epilog = (
        "Reads one JSON envelope after another from stdin and writes the answers to stdout.\n\n"
        "commands:\n" + "\n".join(f"  {name:<10}{what}" for name, what in commands.items())
    )
    parser.add_argument("--config", metavar="FILE", help="the configuration; - reads stdin")
    parser.add_argument(
        "--log-level",
        choices=LOGS,
        help="what is said on stderr: of messages that can't be answered, of backends' states and "
        "of bugs (warning, the default); of bugs alone (error); nothing (silent)",
    )
    parser.add_argument(
        "--max-message",
        type=positive_number,
        metavar="BYTES",
        help=f"the largest message that is read (default: {DEFAULT_LIMIT})",
    )
    parser.add_argument(
        "--drain-timeout",
        type=seconds,
        metavar="SECONDS",
        help="how long requests in flight may take once the input has ended (default: 30)",
    )
    parser.add_argument(
        "--virtual-time",
        action="store_true",
        help="let the envelopes tell the time from the start, even those without an at",
    )
    parser.add_argument("--seed", type=int, metavar="N", help="where chance begins (default: 0)")
    parser.add_argument(
        "--ordered", action="store_true", help="answer requests in the order in which they came"
    )
    parser.add_argument(
        "--simulate", action="store_true", help="simulate every backend, whatever its upstream"
    )
    parser.add_argument(
        "--explain", action="store_true", help="say in every reply why it was decided so"
    )
    parser.add_argument(
        "--record", metavar="FILE", help="write down what comes in, and when, to replay it"
    )
    parser.add_argument(
        "--allow",
        metavar="NAME",
        action="append",
        help="a file, an environment variable or a selector (module:Class) that an init may name; "
        "may be given several times",
    )
    parser.add_argument("--version", action="version", version=version_line())
    return parser
