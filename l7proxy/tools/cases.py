"""Tests of a configuration, as files: cases with what is expected, and golden conversations.

Cases are the lines of `NAME.cases.jsonl`, or of any other file that is named: a `request` with the
members of an `http_request`, what to `expect` of the reply (only what is named is compared, and of
`headers` only those that are named, in any case; `route` and `pool` may be named, too), perhaps the
time `at` which it is sent, and a `name`. They are put to one node in turn; `NAME.config.json`
beside them is its configuration, where it has one of its own.
What can't fail is refused: keys that mean nothing, and places without any test.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from l7proxy.core.config import ConfigError
from l7proxy.core.config.problems import json_type, suggestion
from l7proxy.core.config.strict_json import why_not
from l7proxy.core.http.local_reply import BAD_REQUEST
from l7proxy.core.routing.explain import explain
from l7proxy.envelope.request import MEMBERS
from l7proxy.tools.golden import (
    CONFIG,
    IN,
    LEGEND,
    BadCase,
    Golden,
    marks,
    read_bytes,
    read_config,
)

if TYPE_CHECKING:
    from l7proxy.core.exchange import Exchange
    from l7proxy.core.proxy import Proxy
    from l7proxy.tools.coverage import Coverage
    from l7proxy.tools.golden import MakeNode

CASES = ".cases.jsonl"
KEYS = ("request", "expect", "at", "name")
"""The keys of a case."""
REQUEST_KEYS = tuple(name for name in MEMBERS if name != "msg_id")
"""The members of an `http_request`, but for `msg_id`."""
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


LOSERS = 3
"""How many routes are shown that did not win."""


class Case:
    """One case: the line that it is in, and what the line says."""

    def __init__(self, number: int, said: dict[str, Any]) -> None:
        self.number = number
        self.request: dict[str, Any] = said["request"]
        self.expect: dict[str, Any] = said["expect"]
        self.at = said["at"]
        self.title = str(said.get("name") or _asked(self.request))


class Way:
    """How a request went: the exchange, and the proxy that was at work then."""

    def __init__(self, exchange: Exchange, proxy: Proxy | None) -> None:
        self.exchange = exchange
        self.proxy = proxy

    def facts(self) -> dict[str, str | None]:
        """Returns what a case can expect of the way to the reply."""
        route, pool = self.exchange.route, self.exchange.pool
        return {
            "route": None if route is None else str(route),
            "pool": None if pool is None else pool.name,
        }

    def reasons(self) -> Iterator[str]:
        """Yields lines that say why the route won, and the closest others did not."""
        target, refusal = self.exchange.target, self.exchange.local_reply
        is_refused = refusal is not None and refusal.name == BAD_REQUEST.name
        if target is None or self.proxy is None or is_refused:
            return
        found = explain(self.proxy.router, self.exchange.request, target, LOSERS)
        yield f"  route {found.winner}\n" if found.winner is not None else "  no route matches\n"
        for route, why in found.lost:
            yield f"    {route}: {why}\n"


class Cases:
    """A file of cases."""

    def __init__(self, source: Path, default: Path) -> None:
        self.source = source
        self.name = source.name.removesuffix(".jsonl").removesuffix(".cases")
        own = Path(str(source).removesuffix(".jsonl").removesuffix(".cases") + CONFIG)
        self.config = own if own.exists() else default

    def run(self, make_node: MakeNode, coverage: Coverage) -> str:
        """Returns the differences of all cases, each with its place, or "".

        Raises `BadCase` and `ConfigError`.
        """
        return "".join(self.failures(make_node, coverage).values())

    def failures(self, make_node: MakeNode, coverage: Coverage) -> dict[int, str]:
        """Returns the differences of the cases that fail, by the numbers of their lines.

        Raises `BadCase` and `ConfigError`.
        """
        ways: dict[object, Way] = {}
        proxies: list[Proxy] = []
        seen, configured = coverage.listener(str(self.config))

        def exchange_ended(exchange: Exchange) -> None:
            ways[exchange.owner.msg_id] = Way(exchange, proxies[-1] if proxies else None)
            seen(exchange)

        def proxy_configured(proxy: Proxy) -> None:
            proxies.append(proxy)
            configured(proxy)

        node = make_node(read_config(self.config), exchange_ended, proxy_configured)
        cases = self.read()
        out = [node.feed(_line(case), 0.0) for case in cases]
        out.append(node.finish(0.0))
        bodies = [json.loads(line)["body"] for line in b"".join(out).splitlines()]
        replies = {body.get("in_reply_to", -1): body for body in bodies}
        found = {}
        for case in cases:
            way = ways.get(case.number)
            facts = {} if way is None else way.facts()
            lines = [*_differences(case.expect, replies.get(case.number), facts)]
            if lines:
                reasons = () if way is None else way.reasons()
                head = f"{self.source}:{case.number}: {case.title}\n"
                found[case.number] = "".join((head, *lines, *reasons))
        return found

    def read(self) -> list[Case]:
        """Returns the cases in the file; raises `BadCase` where one makes no sense."""
        cases = list(self._read())
        if not cases:
            raise BadCase(f"{self.source}: no case in it")
        return cases

    def _read(self) -> Iterator[Case]:
        at = 0.0
        for number, line in enumerate(read_bytes(self.source).split(b"\n"), 1):
            if not line.strip():
                continue
            try:
                said = json.loads(line.decode())
            except UnicodeDecodeError:
                raise BadCase(f"{self.source}:{number}: not UTF-8") from None
            except ValueError as error:
                raise BadCase(f"{self.source}:{number}: not JSON: {why_not(error)}") from None
            wrong = _what_is_wrong(said)
            if wrong is not None:
                raise BadCase(f"{self.source}:{number}: {wrong}")
            # Time stands still where a case doesn't say when it is sent.
            at = said.setdefault("at", at)
            yield Case(number, said)


def _line(case: Case) -> bytes:
    """Returns the envelope that the case says to the node; its `msg_id` is the case's line."""
    body = {"type": "http_request", **case.request, "msg_id": case.number}
    return json.dumps({"src": "test", "at": case.at, "body": body}).encode() + b"\n"


def _what_is_wrong(case: Any) -> str | None:
    """Returns why this is no case; None where it is one."""
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
    return unknown or _what_is_wrong_with_headers(expect.get("headers"))


def _what_is_wrong_with_headers(expected: Any) -> str | None:
    if expected is None or (isinstance(expected, dict) and expected):
        return None
    if expected == {}:
        return '"headers" in what is expected is empty: nothing would be compared'
    return f'"headers" in what is expected must be an object, not {json_type(expected)}'


def _unknown(value: dict[str, Any], known: tuple[str, ...], where: str) -> str | None:
    """Returns a text about the first key that is not known; None where all are."""
    for key in value:
        if key not in known:
            return f'unknown key "{key}"{where}{suggestion(key, known)}'
    return None


def _differences(
    expect: dict[str, Any], reply: dict[str, Any] | None, way: dict[str, str | None]
) -> Iterator[str]:
    """Yields a line for each thing that is not as expected, and for an error that is not."""
    if reply is None:
        yield "+ no reply\n"
    elif reply["type"] == "error" and not {"type", "code", "text"} & expect.keys():
        yield f"+ error {reply['code']}: {reply['text']}\n"
    got = {**(reply or {}), **way}
    for key, wanted in expect.items():
        if key == "headers" and isinstance(wanted, dict):
            yield from _header_differences(wanted, got.get(key) or {})
        elif got.get(key) != wanted:
            yield _difference(key, wanted, got.get(key))


def _header_differences(expected: dict[str, Any], got: dict[str, Any]) -> Iterator[str]:
    """Yields a line for each named header that is not as expected; null is for none."""
    values = {name.lower(): _lines_of(value) for name, value in got.items()}
    for name, wanted in expected.items():
        found = values.get(name.lower())
        if found != (None if wanted is None else _lines_of(wanted)):
            shown = found[0] if found is not None and len(found) == 1 else found
            yield _difference(f"headers.{name}", wanted, shown)


def _lines_of(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _difference(key: str, wanted: Any, got: Any) -> str:
    expected, found = f"{key}: {json.dumps(wanted)}", f"{key}: {json.dumps(got)}"
    return f"- {expected}\n+ {found}\n{marks(expected, found)}"


def _asked(request: dict[str, Any]) -> str:
    return f"{request.get('method', 'GET')} {request.get('path', '')}"


def find(paths: Iterable[Path], default: Path) -> list[Golden | Cases]:
    """Returns the tests in files and, at any depth, in directories.

    Raises `BadCase` for a directory without any.
    """
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
    """Runs the tests and says what differs; returns whether nothing does.

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
            say(f"FAILED {test.source} ({LEGEND})\n{found}")
        else:
            passed += 1
    say(f"{passed} passed, {failed} failed" + (f", {written} written" if written else "") + "\n")
    return not failed
