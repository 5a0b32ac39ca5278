"""Arguments and wiring: what the command line says is put together here, and nothing else."""

from __future__ import annotations

import gc
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Callable, Sequence
    from typing import TextIO

    from l7proxy.core.config import Config, ConfigError
    from l7proxy.core.exchange import Exchange
    from l7proxy.core.pool.pool import Pool
    from l7proxy.core.proxy import Proxy
    from l7proxy.node.node import Node
    from l7proxy.node.recorder import Recorder
    from l7proxy.node.replay_node import RecordingNode
    from l7proxy.tools.arguments import Progress
    from l7proxy.tools.formats import Traffic
    from l7proxy.tools.replay import Player
    from l7proxy.upstreams.base import Upstream

VERSION = "1.0.0"
IO_ERROR = 1
MISMATCH = 1
USAGE_ERROR = 2
INTERRUPTED = 130
LOG_LEVELS = ("warning", "error", "silent")

_PACKAGE = os.path.dirname(os.path.abspath(__file__))
DEFAULT_CONFIGS = (
    os.path.join(_PACKAGE, "default_config.json"),
    os.path.join(os.path.dirname(_PACKAGE), "config", "backends.json"),
)
"""Where the default configuration is: in an installed package, else in a checkout."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line and returns its exit status.

    0 is fine, 1 input or output that failed, 2 a mistake in the usage or the configuration, 130
    an interrupt from the keyboard (128 and the signal's number, as shells have it).
    """
    _hold_closed_numbers()
    words = list(sys.argv[1:] if arguments is None else arguments)
    command = COMMANDS.get(words[0]) if words else None
    try:
        try:
            return _node(words) if command is None else command(words[1:])
        finally:
            gc.enable()
            _flush_stdout()
    except BrokenPipeError:
        _give_up_stdout()
        return 0
    except OSError as error:
        _complain_of(error)
        _give_up_stdout()
        return IO_ERROR
    except KeyboardInterrupt:
        _give_up_stdout()
        return INTERRUPTED


def _hold_closed_numbers() -> None:
    """Keeps the number of what is closed from being given to the next file that is opened."""
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        if stream is None:
            os.open(os.devnull, os.O_RDWR)


def _flush_stdout() -> None:
    if sys.stdout is not None:
        try:
            sys.stdout.flush()
        except OSError as error:
            raise _named(error, "stdout") from None


def _give_up_stdout() -> None:
    """What is printed can't be written; Python would try and complain again when it exits."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def _node(words: Sequence[str]) -> int:
    """`l7proxy [OPTIONS]`: the node on stdin and stdout."""
    # Nothing that is made from here to the first message is ever garbage.
    gc.disable()
    # Most runs have no arguments, and importing argparse takes a tenth of a short one.
    options = _node_options(words) if words else None
    config = load_config_file(options.config if options else None)
    if config is None:
        return USAGE_ERROR
    from random import Random

    from l7proxy.core.config import ConfigError
    from l7proxy.envelope.framing import DEFAULT_LIMIT
    from l7proxy.node import blocking_loop
    from l7proxy.node.node import Node

    level = options.log_level if options else "warning"
    limit = options.max_message if options else DEFAULT_LIMIT
    record: Recorder | None = None
    try:
        if options and options.record:
            from l7proxy.node.recorder import Recorder

            record = Recorder(options.record, complain)
    except OSError as error:
        _complain_of(error)
        return USAGE_ERROR
    drain_timeout = options.drain_timeout if options else 30.0

    def node(http: Callable[[Pool], Upstream] | None = None) -> Node:
        made = Node(
            config,
            Random(options.seed if options else 0),
            complain if level == "warning" else _say_nothing,
            bug=_say_nothing if level == "silent" else _complain_at_length,
            limit=limit,
            virtual_time=options is not None and options.virtual_time,
            secrets=read_secret,
            explain=options is not None and options.explain,
            record=record,
            http=http,
            simulate=options is not None and options.simulate,
            ordered=options is not None and options.ordered,
        )
        gc.freeze()
        gc.enable()
        return made

    real = any(pool.upstream == "http" for pool in config.backend_pools.values())
    try:
        if real and not (options and options.simulate):
            if options is not None and options.virtual_time:
                complain("l7proxy: real backends take real time; try --simulate")
                return USAGE_ERROR
            # Imported here because asyncio takes longer than most conversations.
            from l7proxy.node import asyncio_loop

            if sys.stdout is not None:
                asyncio_loop.run(node, 0, 1, drain_timeout=drain_timeout)
        else:
            plain = node()
            if sys.stdout is not None:
                blocking_loop.run(plain, 0, 1, drain_timeout=drain_timeout)
    except ConfigError as error:
        return refuse_config((options and options.config) or default_config_file(), error)
    finally:
        if record is not None:
            record.close()
    return IO_ERROR if record is not None and record.failed else 0


def _check(words: Sequence[str]) -> int:
    """`l7proxy check FILE`: every problem at once."""
    from l7proxy.tools.check import check

    parser = _parser("check", "Validate a configuration and print every problem in it.")
    parser.add_argument("file", metavar="FILE", help="the configuration; - reads stdin")
    parser.add_argument("--strict", action="store_true", help="make warnings fatal")
    options = parser.parse_args(words)
    text = read_file(options.file)
    if text is None:
        return USAGE_ERROR
    return check(
        _shown(options.file),
        text,
        _say,
        complain,
        read_secret,
        strict=options.strict,
    )


def _schema(words: Sequence[str]) -> int:
    """`l7proxy schema`: the JSON Schema of a configuration, for editors."""
    from json import dumps

    from l7proxy.tools.schema import config_schema

    _parser("schema", "Print the JSON Schema (draft 2020-12) of a configuration.").parse_args(words)
    _say(dumps(config_schema(), indent=2) + "\n")
    return 0


def _serve(words: Sequence[str]) -> int:
    """`l7proxy serve --config FILE --listen ADDRESS`: an HTTP proxy in front of HTTP backends."""
    import signal

    # A signal that comes before there is anybody to handle it waits until there is.
    before = signal.pthread_sigmask(
        signal.SIG_BLOCK, (signal.SIGHUP, signal.SIGTERM, signal.SIGUSR1)
    )
    try:
        return _serve_http(words)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _serve_http(words: Sequence[str]) -> int:
    parser = _parser("serve", "Take HTTP/1.1 requests and give them to the configured backends.")
    parser.add_argument("--config", metavar="FILE", help="the configuration")
    parser.add_argument(
        "--listen",
        metavar="ADDRESS",
        action="append",
        help="host:port, [v6]:port, tls:host:port or unix:/path; may be given several times",
    )
    parser.add_argument(
        "--workers",
        type=_positive,
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
    options, rest = parser.parse_known_args(words)
    if rest:
        named = f"; a configuration is named by --config {rest[0]}"
        hint = "" if options.config or rest[0].startswith("-") else named
        parser.error(f"unrecognized arguments: {' '.join(rest)}{hint}")
    from l7proxy.server.reloader import FileWatch

    name = options.config or default_config_file()
    watch = None if options.no_watch or name == "-" else FileWatch(name)
    config = load_config_file(name)
    if config is None:
        return USAGE_ERROR
    listens = options.listen or config.server.listen
    if not listens:
        parser.error("give --listen, or server.listen in the configuration")
    from l7proxy.core.config import ConfigError
    from l7proxy.server.workers import serve

    try:
        return serve(
            config,
            listens,
            workers=options.workers,
            fast=not options.no_uvloop,
            log=complain,
            reread=lambda: load_config_file(name),
            watch=watch,
            secrets=read_secret,
        )
    except ConfigError as error:
        return refuse_config(name, error)
    except (OSError, ValueError) as error:
        complain(f"l7proxy: {error}")
        return USAGE_ERROR


def _explain(words: Sequence[str]) -> int:
    """`l7proxy explain [METHOD] URL`: where one request goes, and why."""
    parser = _parser("explain", "Say where a request would go first, and why.")
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
    options = parser.parse_intermixed_args(words)
    config = load_config_file(options.config)
    if config is None:
        return USAGE_ERROR
    from l7proxy.core.config import ConfigError
    from l7proxy.tools import explain

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
    try:
        exchange = explain.explain(config, request, options.seed, read_secret)
    except ConfigError as error:
        return refuse_config(options.config or default_config_file(), error)
    coloured = _is_terminal(sys.stdout) and not os.environ.get("NO_COLOR")
    if options.json:
        _say(explain.as_json(exchange))
    else:
        _print(explain.as_tree(exchange, explain.Paint(wanted=coloured)))
    return 0


def _replay(words: Sequence[str]) -> int:
    """`l7proxy replay TRAFFIC`: recorded traffic in virtual time, and a report."""
    from l7proxy.tools import arguments

    parser = _parser("replay", "Play recorded traffic in virtual time and report what came of it.")
    arguments.add_traffic_arguments(parser)
    parser.add_argument("--html", metavar="FILE", help="write the report as a web page, too")
    options = parser.parse_args(words)
    _refuse_stdin_twice(parser, options.traffic, options.config)

    def run(lines: TextIO, progress: Progress | None, config: Config) -> int:
        import json
        from random import Random

        from l7proxy.node.replay_node import ReplayNode
        from l7proxy.tools.metrics import ReplayMetrics
        from l7proxy.tools.replay import as_text, replay, report

        traffic = arguments.traffic_from(options, lines)
        metrics = ReplayMetrics()
        player = ReplayNode(
            config,
            Random(options.seed),
            metrics.ended,
            configured=metrics.watch,
            noted=metrics.note,
            secrets=read_secret,
            simulated=traffic.format != "envelopes",
        )
        played = replay(traffic, player, progress)
        if progress is not None:
            progress.clear()
        _complain_of_lines(traffic)
        if not played and traffic.bad:
            raise ValueError(
                f'no line of it is of the format "{traffic.format}"; --format says which it is in'
            )
        made = report(metrics, traffic, player.refused)
        _say(json.dumps(made, indent=2) + "\n" if options.json else as_text(made))
        if options.html is not None:
            from l7proxy.tools.page import page

            title = f"Replay of {os.path.basename(options.traffic)}"
            return _write_file(options.html, page(made, metrics, title))
        return 0

    return _with_traffic(options, run)


def _diff(words: Sequence[str]) -> int:
    """`l7proxy diff --against B TRAFFIC`: what another configuration would change."""
    from l7proxy.tools import arguments

    parser = _parser(
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
    options = parser.parse_args(words)
    _refuse_stdin_twice(parser, options.traffic, options.config, options.against, options.answers)
    from l7proxy.tools import diff

    try:
        allowance = diff.Allowance(options.allow)
    except ValueError as error:
        parser.error(f"argument --allow: {error}")

    def run(lines: TextIO, progress: Progress | None, config: Config) -> int:
        import json
        from random import Random

        from l7proxy.node.replay_node import ReplayNode

        traffic = arguments.traffic_from(options, lines)
        comparison = diff.Comparison()
        players: list[Player] = []
        unanswered = False

        def add_side(config: Config) -> None:
            listener = comparison.side(len(players))
            players.append(
                ReplayNode(
                    config,
                    Random(options.seed),
                    listener,
                    secrets=read_secret,
                    simulated=traffic.format != "envelopes",
                    settled=options.against is not None,
                )
            )

        add_side(config)
        if options.answers is None:
            against = load_config_file(options.against)
            if against is None:
                return USAGE_ERROR
            add_side(against)
            diff.compare(traffic, players, progress)
        else:
            answers = _open_lines(options.answers)
            if answers is None:
                return USAGE_ERROR
            with answers:
                answered = diff.Answers(answers, comparison)
                players.append(answered)
                diff.compare(traffic, players, progress)
            unanswered = not answered.read
        comparison.finish()
        if progress is not None:
            progress.clear()
        _complain_of_lines(traffic)
        if unanswered:
            complain(f"l7proxy: {_shown(options.answers)}: there is no answer of a node in it")
            return USAGE_ERROR
        if not comparison.compared:
            raise ValueError("there is no request in it, so nothing was compared")
        made = diff.as_json(comparison)
        _say(json.dumps(made, indent=2) + "\n" if options.json else diff.as_text(comparison))
        return 0 if allowance.covers(comparison) else MISMATCH

    return _with_traffic(options, run)


def _test(words: Sequence[str]) -> int:
    """`l7proxy test PATH...`: golden conversations and cases, and which routes they reach."""
    from l7proxy.tools.arguments import percentage

    parser = _parser(
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
    options = parser.parse_args(words)
    from pathlib import Path

    from l7proxy.tools import cases

    def make_node(
        config: Config, seen: Callable[[Exchange], None], configured: Callable[[Proxy], None]
    ) -> RecordingNode:
        from random import Random

        from l7proxy.node.replay_node import RecordingNode

        return RecordingNode(
            config,
            Random(options.seed),
            complain,
            seen,
            configured=configured,
            secrets=read_secret,
        )

    coverage = cases.Coverage()
    try:
        found = cases.find(map(Path, options.paths), Path(options.config or default_config_file()))
        fine = cases.run_all(found, make_node, coverage, _say, update=options.golden_update)
    except cases.BadCase as error:
        complain(f"l7proxy: {error}")
        return USAGE_ERROR
    if options.route_coverage:
        _say(coverage.as_text())
    if coverage.percent < options.fail_under:
        complain(f"only {coverage.percent:.0f} % of the routes were reached")
        fine = False
    return 0 if fine else MISMATCH


def default_config_file() -> str:
    """Where the configuration is that is used if none is named."""
    return next(filter(os.path.exists, DEFAULT_CONFIGS), DEFAULT_CONFIGS[0])


def _refuse_stdin_twice(parser: ArgumentParser, *names: str | None) -> None:
    if names.count("-") > 1:
        parser.error("stdin can be read once: only one of the files can be -")


def _with_traffic(options: Namespace, run: Callable[[TextIO, Progress | None, Config], int]) -> int:
    """Opens what a tool needs, and says what is wrong with it. Raises OSError beyond opening."""
    from l7proxy.core.config import ConfigError
    from l7proxy.tools import arguments

    config = load_config_file(options.config)
    if config is None:
        return USAGE_ERROR
    traffic = _open_lines(options.traffic)
    if traffic is None:
        return USAGE_ERROR
    try:
        with traffic as lines:
            progress = None
            # Of what comes through a pipe nobody knows how much there will be.
            if _is_terminal(sys.stderr) and os.path.isfile(options.traffic):
                size = os.path.getsize(options.traffic)
                progress = arguments.Progress(lines, size, sys.stderr.write)
            return run(lines, progress, config)
    except ConfigError as error:
        return refuse_config(options.config or default_config_file(), error)
    except ValueError as error:
        complain(f"l7proxy: {_shown(options.traffic)}: {error}")
    return USAGE_ERROR


def _open_lines(name: str) -> TextIO | None:
    """The lines of a file, or of stdin for `-`; None after saying why it can't be opened."""
    from l7proxy.tools.arguments import open_text

    try:
        return open_text(name)
    except OSError as error:
        _complain_of(error)
        return None


def _write_file(name: str, text: str) -> int:
    """Writes a file anew and gives the exit status; raises OSError beyond opening."""
    try:
        file = open(name, "w", encoding="utf-8", errors="replace")  # noqa: SIM115
    except OSError as error:
        _complain_of(error)
        return USAGE_ERROR
    try:
        with file:
            file.write(text)
    except OSError as error:
        raise _named(error, name) from None
    return 0


def _complain_of_lines(traffic: Traffic) -> None:
    """Says how many lines were skipped, and shows the first of them."""
    if not traffic.bad:
        return
    lines = "line was" if traffic.bad == 1 else "lines were"
    complain(f"{traffic.bad} {lines} skipped")
    for number, why, text in traffic.shown:
        complain(f"  line {number}: {why}: {text}")
    if traffic.bad > len(traffic.shown):
        complain("  ...")


COMMANDS: dict[str, Callable[[Sequence[str]], int]] = {
    "serve": _serve,
    "check": _check,
    "explain": _explain,
    "replay": _replay,
    "diff": _diff,
    "test": _test,
    "schema": _schema,
}


def _parser(command: str, description: str) -> ArgumentParser:
    from argparse import ArgumentParser

    return ArgumentParser(prog=f"l7proxy {command}".strip(), description=description)


def _node_options(words: Sequence[str]) -> Namespace:
    parser = _node_parser()
    if not words[0].startswith("-"):
        from l7proxy.core.config.problems import suggestion

        parser.error(f'no command "{words[0]}"{suggestion(words[0], COMMANDS)}')
    options, rest = parser.parse_known_args(words)
    command = next((word for word in rest if word in COMMANDS), None)
    if command is not None:
        parser.error(f"the command comes first, as in l7proxy {command} --config FILE")
    if rest:
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    return options


def _node_parser() -> ArgumentParser:
    from argparse import RawDescriptionHelpFormatter

    from l7proxy.envelope.framing import DEFAULT_LIMIT

    parser = _parser("", "A Layer 7 load balancer you can pipe JSON through.")
    parser.formatter_class = RawDescriptionHelpFormatter
    parser.usage = "l7proxy [OPTIONS] < envelopes.jsonl\n       l7proxy COMMAND [OPTIONS]"
    parser.epilog = (
        "Reads one JSON envelope after another from stdin and writes the answers to stdout.\n\n"
        "commands:\n"
        + "\n".join(
            f"  {name:<10}{(run.__doc__ or '').partition(': ')[2].rstrip('.')}"
            for name, run in COMMANDS.items()
        )
    )
    parser.add_argument("--config", metavar="FILE", help="the configuration; - reads stdin")
    parser.add_argument(
        "--log-level",
        choices=LOG_LEVELS,
        default="warning",
        help="what is said on stderr: of messages that can't be answered, of backends' states and "
        "of bugs (warning, the default); of bugs alone (error); nothing (silent)",
    )
    parser.add_argument(
        "--max-message",
        type=_positive,
        default=DEFAULT_LIMIT,
        metavar="BYTES",
        help="the largest message that is read (default: %(default)s)",
    )
    parser.add_argument(
        "--drain-timeout",
        type=_seconds,
        default=30.0,
        metavar="SECONDS",
        help="how long requests in flight may take once the input has ended (default: 30)",
    )
    parser.add_argument(
        "--virtual-time",
        action="store_true",
        help="let the envelopes tell the time from the start, even those without an at",
    )
    parser.add_argument(
        "--seed", type=int, default=0, metavar="N", help="where chance begins (default: 0)"
    )
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
    parser.add_argument("--version", action="version", version=f"l7proxy {VERSION}")
    return parser


def _positive(text: str) -> int:
    from argparse import ArgumentTypeError

    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise ArgumentTypeError(f"{text} is not a whole number above 0")
    return number


def _seconds(text: str) -> float:
    from argparse import ArgumentTypeError

    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not number >= 0:
        raise ArgumentTypeError(f"{text} is not a number of seconds")
    return number


def read_file(name: str) -> bytes | None:
    """The bytes of a file, or of stdin for `-`; None after saying why there are none."""
    try:
        if name == "-":
            return b"" if sys.stdin is None else sys.stdin.buffer.read()
        with open(name, "rb") as file:
            return file.read()
    except OSError as error:
        _complain_of(_named(error, _shown(name)))
        return None


def read_secret(kind: str, name: str) -> bytes:
    """The bytes of the file ("file") or environment variable ("env") of that name.

    Raises ValueError, with a text for people, where there are none.
    """
    if kind == "env":
        value = os.environb.get(os.fsencode(name))
        if value is None:
            raise ValueError(f'the environment variable "{name}" is not set')
        return value
    try:
        with open(name, "rb") as file:
            return file.read()
    except OSError as error:
        raise ValueError(f"can't read it: {error.strerror}") from None


def load_config_file(name: str | None) -> Config | None:
    """The configuration in a file (None: the default one), or None after saying what is wrong."""
    from l7proxy.core.config import ConfigError, parse_config

    if name is None:
        name = default_config_file()
    text = read_file(name)
    if text is None:
        return None
    try:
        return parse_config(text)
    except ConfigError as error:
        refuse_config(name, error)
        return None


def refuse_config(name: str, error: ConfigError) -> int:
    """Prints one line for each problem and gives the exit status."""
    for problem in error.problems:
        complain(f"{_shown(name)}: {problem}")
    return USAGE_ERROR


def _named(error: OSError, name: str) -> OSError:
    """The error with the name of what it is about, which one of writing or reading lacks."""
    return OSError(error.errno, error.strerror, name)


def _complain_of(error: OSError) -> None:
    where = "" if error.filename is None else f"{error.filename}: "
    complain(f"l7proxy: {where}{error.strerror or error}")


def _shown(name: str) -> str:
    return "<stdin>" if name == "-" else name


def complain(line: str) -> None:
    """One line on stderr; a stderr that is closed or that nobody reads is no reason to stop."""
    if sys.stderr is None:
        return
    if not line.isprintable():
        from l7proxy.tools.printable import printable

        line = printable(line)
    try:
        sys.stderr.write(line + "\n")
    except OSError:
        pass


def _complain_at_length(text: str) -> None:
    """Several lines on stderr."""
    for line in text.split("\n"):
        complain(line)


def _say(text: str) -> None:
    """Prints, unless stdout is closed."""
    from l7proxy.tools.printable import printable_lines

    _print(printable_lines(text))


def _print(text: str) -> None:
    """Prints what is known to be printable, or is coloured."""
    if sys.stdout is not None:
        try:
            sys.stdout.write(text)
        except OSError as error:
            raise _named(error, "stdout") from None


def _is_terminal(stream: TextIO | None) -> bool:
    """Whether somebody sits at the other end; a stream that is closed has none."""
    return stream is not None and stream.isatty()


def _say_nothing(line: str) -> None:
    """The log of those who want none."""
