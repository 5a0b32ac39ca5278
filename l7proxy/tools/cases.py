"""Tests of a configuration, as files: cases with what is expected, and golden conversations.

Cases are the lines of `NAME.cases.jsonl`, or of any other file that is named: a `request` with the
members of an `http_request`, what to `expect` of the reply (only what is named is compared; `route`
and `pool` may be named, too), perhaps the time `at` which it is sent, and a `name`. They are put to
one node in turn; `NAME.config.json` beside them is its configuration, where it has one of its own.
What can't fail is refused: keys that mean nothing, and places without any test.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from l7proxy.core.config import ConfigError
from l7proxy.core.config.problems import suggestion
from l7proxy.core.config.strict_json import why_not
from l7proxy.tools.golden import CONFIG, IN, BadCase, Golden, read_bytes, read_config

if TYPE_CHECKING:
    from l7proxy.core.exchange import Exchange
    from l7proxy.tools.coverage import Coverage
    from l7proxy.tools.golden import MakeNode

CASES = ".cases.jsonl"
KEYS = ("request", "expect", "at", "name")
"""The keys of a case."""
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


class Cases:
    """A file of cases."""

    def __init__(self, source: Path, default: Path) -> None:
        self.source = source
        self.name = source.name.removesuffix(".jsonl").removesuffix(".cases")
        own = Path(str(source).removesuffix(".jsonl").removesuffix(".cases") + CONFIG)
        self.config = own if own.exists() else default

    def run(self, make_node: MakeNode, coverage: Coverage) -> str:
        """Returns the differences of all cases, each with its line, or "".

        Raises `BadCase` and `ConfigError`.
        """
        ended: list[Exchange] = []
        seen, configured = coverage.listener(str(self.config))

        def exchange_ended(exchange: Exchange) -> None:
            ended.append(exchange)
            seen(exchange)

        node = make_node(read_config(self.config), exchange_ended, configured)
        cases = list(self._read())
        if not cases:
            raise BadCase(f"{self.source}: no case in it")
        out = [node.feed(_line(number, case), 0.0) for number, case in cases]
        out.append(node.finish(0.0))
        bodies = [json.loads(line)["body"] for line in b"".join(out).splitlines()]
        replies = {body.get("in_reply_to", -1): body for body in bodies}
        ways = {exchange.owner.msg_id: _way(exchange) for exchange in ended}
        found = []
        for number, case in cases:
            title = case.get("name") or _asked(case["request"])
            lines = [*_differences(case["expect"], replies.get(number), ways.get(number, {}))]
            if lines:
                found += [f"{self.source.name}:{number}: {title}\n", *lines]
        return "".join(found)

    def _read(self) -> Iterator[tuple[int, dict[str, Any]]]:
        at = 0.0
        for number, line in enumerate(read_bytes(self.source).split(b"\n"), 1):
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


def _line(number: int, case: dict[str, Any]) -> bytes:
    """Returns the envelope that the case says to the node; its `msg_id` is the case's line."""
    body = {"type": "http_request", **case["request"], "msg_id": number}
    return json.dumps({"src": "test", "at": case["at"], "body": body}).encode() + b"\n"


def _way(exchange: Exchange) -> dict[str, str | None]:
    """Returns what a case can expect of the way to the reply."""
    return {
        "route": None if exchange.route is None else str(exchange.route),
        "pool": None if exchange.pool is None else exchange.pool.name,
    }


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
    return unknown


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
        if got.get(key) != wanted:
            yield f"- {key}: {json.dumps(wanted)}\n+ {key}: {json.dumps(got.get(key))}\n"


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
            say(f"FAILED {test.source}\n{found}")
        else:
            passed += 1
    say(f"{passed} passed, {failed} failed" + (f", {written} written" if written else "") + "\n")
    return not failed
