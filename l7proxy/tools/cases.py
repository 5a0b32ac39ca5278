"""Tests of a configuration, as files: golden conversations, and cases with what is expected.

A golden conversation is `NAME.in.jsonl`, what is said, and `NAME.out.jsonl`, byte for byte what is
answered; `NAME.config.json` beside them is its configuration, where it has one of its own.

Cases are the lines of `NAME.cases.jsonl`, or of any other file that is named: a `request` with the
members of an `http_request`, what to `expect` of the reply (only what is named is compared; `route`
and `pool` may be named, too), perhaps the time `at` which it is sent, and a `name`. They are put to
one node in turn. What can't fail is refused: keys that mean nothing, and places without any test.
"""

from __future__ import annotations

import json
from pathlib import Path

from l7proxy.core.config import ConfigError, parse_config
from l7proxy.core.config.problems import suggestion
from l7proxy.core.config.strict_json import why_not
from l7proxy.core.routing.conditions import conditions_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any, Protocol

    from l7proxy.core.config import Config
    from l7proxy.core.exchange import Exchange
    from l7proxy.core.proxy import Proxy
    from l7proxy.core.routing import Route

    class Answering(Protocol):
        """The node, as far as it is needed here."""

        @property
        def idle(self) -> bool: ...

        def feed(self, data: bytes, now: float) -> bytes: ...

        def finish(self, now: float) -> bytes: ...

        def next_deadline(self) -> float | None: ...

        def advance(self, now: float) -> bytes: ...

        def abort(self, now: float) -> bytes: ...

    MakeNode = Callable[[Config, Callable[[Exchange], None], Callable[[Proxy], None]], Answering]
    """Makes a node, which shows the exchanges that end and the proxies it puts to work."""

IN, OUT, CONFIG, CASES = ".in.jsonl", ".out.jsonl", ".config.json", ".cases.jsonl"
KEYS = ("request", "expect", "at", "name")
"""What a case may have."""
REQUEST_KEYS = (
    "type",
    "method",
    "path",
    "headers",
    "cookies",
    "client_ip",
    "body",
    "body_encoding",
    "simulate",
    "explain",
    "circuit_state",
)
"""What an `http_request` may have; a case's `msg_id` is its line."""
REPLY_KEYS = (
    "type",
    "in_reply_to",
    "status",
    "headers",
    "body",
    "body_encoding",
    "backend",
    "rewritten_path",
    "set_cookie",
    "circuit_state",
    "error",
    "decision",
    "code",
    "text",
    "route",
    "pool",
)
"""What there may be to compare: of an `http_response`, of an `error`, and of the way there."""


class BadCase(ValueError):
    """A test can't be used; the text says why and where."""


class Coverage:
    """Which routes of which configurations were reached."""

    def __init__(self) -> None:
        self._routes: dict[str, list[str]] = {}
        """How the routes of each configuration are called, in its order."""
        self._reached: dict[str, set[int]] = {}

    def listener(self, source: str) -> tuple[Callable[[Exchange], None], Callable[[Proxy], None]]:
        """What a node that runs with the configuration of that name is to tell."""
        reached = self._reached.setdefault(source, set())
        routes: list[Route] = []

        def seen(exchange: Exchange) -> None:
            route = exchange.route
            if route is not None and route.index < len(routes) and routes[route.index] is route:
                reached.add(route.index)

        def configured(proxy: Proxy) -> None:
            # A configuration that comes in a conversation is the conversation's own affair.
            if not routes:
                routes.extend(proxy.router.routes)
                self._routes[source] = [_described(route) for route in routes]

        return seen, configured

    def missed(self) -> list[tuple[str, str]]:
        """The routes that nothing reached, each with its configuration."""
        return [
            (source, name)
            for source, routes in self._routes.items()
            for index, name in enumerate(routes)
            if index not in self._reached[source]
        ]

    @property
    def percent(self) -> float:
        """How many of all routes were reached."""
        total = sum(map(len, self._routes.values()))
        return 100 * sum(map(len, self._reached.values())) / total if total else 100.0

    def as_text(self) -> str:
        """The coverage, and what is missing, for people."""
        total = sum(map(len, self._routes.values()))
        missed = self.missed()
        lines = [f"routes reached: {total - len(missed)} of {total} ({self.percent:.0f} %)"]
        lines += [f"  {source}: {name} was not reached" for source, name in missed]
        return "\n".join(lines) + "\n"


def _described(route: Route) -> str:
    """How the route is called, and what else it asks for: several may be for the same path."""
    asks = "; ".join(map(str, conditions_of(route.config)))
    return f"{route} ({asks})" if asks else str(route)


class Golden:
    """One golden conversation on disk."""

    def __init__(self, source: Path, default: Path) -> None:
        """`source` is the `.in.jsonl`; `default` the configuration where it has none."""
        self.source = source
        stem = str(source).removesuffix(IN)
        self.name = Path(stem).name
        self.answers = Path(stem + OUT)
        own = Path(stem + CONFIG)
        self.config = own if own.exists() else default

    def run(self, make_node: MakeNode, coverage: Coverage) -> bytes:
        """What is answered now; raises `ConfigError` and `BadCase`."""
        node = make_node(read_config(self.config), *coverage.listener(str(self.config)))
        out = [node.feed(_bytes_of(self.source), 0.0), node.finish(0.0)]
        while not node.idle and (due := node.next_deadline()) is not None:
            out.append(node.advance(due))
        out.append(node.abort(0.0))
        return b"".join(out)

    def differences(self, got: bytes, update: str = "--golden-update") -> str:
        """Every line that is not as written down, with its place; empty where there is none.

        `update` is the option that has the answers written down.
        """
        if not self.answers.exists():
            missing = f"{self.answers}: there is no such file; {update} writes it\n"
            return missing + difference(self.answers.name, [], _lines(got))
        return difference(self.answers.name, _lines(_bytes_of(self.answers)), _lines(got))

    def update(self, got: bytes) -> bool:
        """Writes down what is answered now; whether that is something new.

        Raises `BadCase` where that is nothing: then nothing in the conversation is a message.
        """
        if not got:
            raise BadCase(f"{self.source}: nothing in it is answered")
        if self.answers.exists() and _bytes_of(self.answers) == got:
            return False
        self.answers.write_bytes(got)
        return True


class Cases:
    """A file of cases."""

    def __init__(self, source: Path, default: Path) -> None:
        self.source = source
        self.name = source.name.removesuffix(".jsonl").removesuffix(".cases")
        own = Path(str(source).removesuffix(".jsonl").removesuffix(".cases") + CONFIG)
        self.config = own if own.exists() else default

    def run(self, make_node: MakeNode, coverage: Coverage) -> str:
        """The differences of all cases, each with its line; raises `BadCase` and `ConfigError`."""
        ended: list[Exchange] = []
        seen, configured = coverage.listener(str(self.config))

        def both(exchange: Exchange) -> None:
            ended.append(exchange)
            seen(exchange)

        node = make_node(read_config(self.config), both, configured)
        cases = list(self._read())
        if not cases:
            raise BadCase(f"{self.source}: no case in it")
        replies: dict[int, dict[str, Any]] = {}

        def take(out: bytes) -> None:
            replies.update(
                (body.get("in_reply_to", -1), body)
                for body in (json.loads(line)["body"] for line in out.splitlines())
            )

        ways: dict[int, dict[str, str | None]] = {}
        for number, case in cases:
            body = {"type": "http_request", **case["request"], "msg_id": number}
            envelope = {"src": "test", "at": case["at"], "body": body}
            take(node.feed(json.dumps(envelope).encode() + b"\n", 0.0))
        take(node.finish(0.0))
        for exchange in ended:
            ways[exchange.owner.msg_id] = {
                "route": None if exchange.route is None else str(exchange.route),
                "pool": None if exchange.pool is None else exchange.pool.name,
            }
        found = []
        for number, case in cases:
            title = case.get("name") or _asked(case["request"])
            lines = [*_differences(case["expect"], replies.get(number), ways.get(number, {}))]
            if lines:
                found += [f"{self.source.name}:{number}: {title}\n", *lines]
        return "".join(found)

    def _read(self) -> Iterator[tuple[int, dict[str, Any]]]:
        at = 0.0
        for number, line in enumerate(_bytes_of(self.source).split(b"\n"), 1):
            if not line.strip():
                continue
            try:
                case = json.loads(line.decode())
            except UnicodeDecodeError:
                raise BadCase(f"{self.source}:{number}: not UTF-8") from None
            except ValueError as error:
                raise BadCase(f"{self.source}:{number}: not JSON: {why_not(error)}") from None
            wrong = _what_is_wrong(case)
            if wrong is not None:
                raise BadCase(f"{self.source}:{number}: {wrong}")
            # Time stands still where a case doesn't say when it is sent.
            at = case.setdefault("at", at)
            yield number, case


def _what_is_wrong(case: Any) -> str | None:
    """Why it is no case; None where it is one."""
    for key in ("request", "expect"):
        if not isinstance(case, dict) or not isinstance(case.get(key), dict):
            return f'a case needs an object "{key}"'
    request, expect = case["request"], case["expect"]
    unknown = _unknown(case, KEYS, "")
    # What other messages may say, and what they are answered, is known to those who handle them.
    if unknown is None and request.get("type", "http_request") == "http_request":
        unknown = _unknown(request, REQUEST_KEYS, " in the request")
        unknown = unknown or _unknown(expect, REPLY_KEYS, " in what is expected")
    if unknown is None and not expect:
        return '"expect" is empty: nothing would be compared'
    return unknown


def _unknown(value: dict[str, Any], known: tuple[str, ...], where: str) -> str | None:
    """A text about the first key that is not known; None where all are."""
    for key in value:
        if key not in known:
            return f'unknown key "{key}"{where}{suggestion(key, known)}'
    return None


def _differences(
    expect: dict[str, Any], reply: dict[str, Any] | None, way: dict[str, str | None]
) -> Iterator[str]:
    """A line for each thing that is not as expected; a refusal is one unless it is expected."""
    if reply is None:
        yield "+ no reply\n"
    elif reply["type"] == "error" and not {"type", "code", "text"} & expect.keys():
        yield f"+ error {reply['code']}: {reply['text']}\n"
    got = {**(reply or {}), **way}
    for key, wanted in expect.items():
        if got.get(key) != wanted:
            yield f"- {key}: {json.dumps(wanted)}\n+ {key}: {json.dumps(got.get(key))}\n"


def _asked(request: dict[str, Any]) -> str:
    return f"{request.get('method', 'GET')} {request.get('path', '')}"


def difference(name: str, expected: list[str], got: list[str]) -> str:
    """What differs between lines, each group with the number of its first line."""
    from difflib import SequenceMatcher

    found = []
    matcher = SequenceMatcher(None, expected, got, autojunk=False)
    for kind, start, end, got_start, got_end in matcher.get_opcodes():
        if kind != "equal":
            found.append(f"{name}:{start + 1}:")
            found += [f"- {line}" for line in expected[start:end]]
            found += [f"+ {line}" for line in got[got_start:got_end]]
    return "".join(f"{line}\n" for line in found)


def read_config(file: Path) -> Config:
    """The configuration in the file; raises `ConfigError`, and `BadCase` where it can't be read."""
    return parse_config(_bytes_of(file))


def _bytes_of(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise BadCase(f"{file}: {error.strerror}") from None


def find(paths: Iterable[Path], default: Path) -> list[Golden | Cases]:
    """The tests in files and, at any depth, in directories; raises `BadCase` for an empty one."""
    made: list[Golden | Cases] = []
    for path in paths:
        if path.is_dir():
            files = sorted([*path.rglob(f"*{IN}"), *path.rglob(f"*{CASES}")])
            if not files:
                raise BadCase(f"{path}: no *{IN} and no *{CASES} in it")
        else:
            files = [path]
        made += [
            Golden(file, default) if file.name.endswith(IN) else Cases(file, default)
            for file in files
        ]
    return made


def run_all(
    tests: Iterable[Golden | Cases],
    make_node: MakeNode,
    coverage: Coverage,
    say: Callable[[str], object],
    *,
    update: bool = False,
) -> bool:
    """Runs the tests and says what differs; whether nothing does.

    With `update` golden conversations are written anew instead. Raises `ConfigError`, its
    problems with the file's name in front, and `BadCase`.
    """
    failed = passed = written = 0
    for test in tests:
        try:
            if isinstance(test, Cases):
                found = test.run(make_node, coverage)
            else:
                got = test.run(make_node, coverage)
                if update and test.update(got):
                    written += 1
                    say(f"wrote {test.answers}\n")
                found = test.differences(got)
        except ConfigError as error:
            problems = "; ".join(map(str, error.problems))
            raise BadCase(f"{test.config}: {problems}") from None
        if found:
            failed += 1
            say(f"FAILED {test.source}\n{found}")
        else:
            passed += 1
    say(f"{passed} passed, {failed} failed" + (f", {written} written" if written else "") + "\n")
    return not failed


def _lines(data: bytes) -> list[str]:
    return data.decode("utf-8", "backslashreplace").splitlines()
