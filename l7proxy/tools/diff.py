"""`l7proxy diff`: what another configuration, or what was really answered, makes different.

Both sides get the same traffic, a request of the one is compared with that request of the other,
and what changes in the same way is one group.
"""

from __future__ import annotations

from collections import deque
from math import inf

from l7proxy.tools.formats import BadLine, find_reader

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from typing import Any

    from l7proxy.core.exchange import Exchange
    from l7proxy.tools.formats import Envelope
    from l7proxy.tools.replay import Player

    Outcome = Mapping[str, Any]
    Ended = Callable[[int, Exchange, float], None]

FIELDS = ("route", "pool", "backend", "status")
EXAMPLES = 3


class Change:
    """A way in which requests change: what was and what is, how often, and for whom first."""

    __slots__ = ("after", "before", "count", "examples")

    def __init__(self, before: Outcome, after: Outcome) -> None:
        self.before = before
        self.after = after
        self.count = 0
        self.examples: list[tuple[int, str]] = []


class Comparison:
    """Pairs outcomes by the number of their request, in whatever order they come."""

    def __init__(self) -> None:
        self.compared = 0
        self.changes: dict[tuple[Any, ...], Change] = {}
        self._single: tuple[dict[int, Outcome], dict[int, Outcome]] = ({}, {})
        """Outcomes that wait for the other side's."""
        self._asked: dict[int, str] = {}

    def side(self, number: int) -> Ended:
        """The listener of side 0 or 1."""

        def ended(line: int, exchange: Exchange, now: float) -> None:
            if number == 0:
                request = exchange.request
                self._asked[line] = f"{request.method} {request.target}"
            self.add(number, line, outcome(exchange))

        return ended

    def add(self, side: int, line: int, found: Outcome) -> None:
        """Notes the outcome of the request in a line."""
        other = self._single[1 - side].pop(line, None)
        if other is None:
            self._single[side][line] = found
            return
        asked = self._asked.pop(line, "")
        self.compared += 1
        before, after = (found, other) if side == 0 else (other, found)
        self._compare(before, after, line, asked)

    def finish(self) -> None:
        """Counts what only one side has decided upon: the other refused the message."""
        for side, left in enumerate(self._single):
            for line in sorted(left):
                pair = (left[line], _NOTHING) if side == 0 else (_NOTHING, left[line])
                self.compared += 1
                self._compare(*pair, line, self._asked.pop(line, ""))
            left.clear()

    def _compare(self, before: Outcome, after: Outcome, line: int, asked: str) -> None:
        changed = tuple(
            (field, before[field], after[field])
            for field in FIELDS
            if field in before and field in after and before[field] != after[field]
        )
        if any(field == "pool" for field, _, _ in changed):
            # Another pool has other backends: which of them it is says nothing more.
            changed = tuple(entry for entry in changed if entry[0] != "backend")
        if not changed:
            return
        change = self.changes.get(changed)
        if change is None:
            fields = [field for field, _, _ in changed]
            change = self.changes[changed] = Change(
                {field: before[field] for field in fields},
                {field: after[field] for field in fields},
            )
        change.count += 1
        if len(change.examples) < EXAMPLES:
            change.examples.append((line, asked))


_NOTHING: Outcome = dict.fromkeys(FIELDS)


def outcome(exchange: Exchange) -> Outcome:
    """What is compared of a request that has ended."""
    assert exchange.response is not None
    route, pool, backend = exchange.route, exchange.pool, exchange.backend
    return {
        "route": None if route is None else str(route),
        "pool": None if pool is None else pool.name,
        "backend": None if backend is None else backend.name,
        "status": exchange.response.status,
    }


def compare(
    traffic: Iterable[tuple[int, Envelope]],
    players: Sequence[Player],
    progress: Callable[[int], None] | None = None,
) -> None:
    """Plays the traffic to both sides, step by step."""
    for count, (number, envelope) in enumerate(traffic, 1):
        for player in players:
            player.play(envelope, number)
        if progress is not None and not count & 0x3FF:
            progress(count)
    for player in players:
        player.end()


class Answers:
    """What was answered in reality, from a node's output, as one side of a comparison.

    Answers are known by who asked and under which id; of several alike, by their order.
    """

    def __init__(self, lines: Iterable[str], comparison: Comparison) -> None:
        self._lines: Iterator[str] = iter(lines)
        self._comparison = comparison
        self._waiting: dict[tuple[str, Any], deque[int]] = {}
        self._early: dict[tuple[str, Any], deque[Outcome]] = {}
        self.refused = 0
        self.read = 0
        """How many answers there were."""

    def play(self, envelope: Mapping[str, Any], number: int) -> None:
        """Reads one more answer for each request that is played."""
        if envelope["body"].get("type") != "http_request":
            return
        key = (envelope["src"], envelope["body"].get("msg_id"))
        early = self._early.get(key)
        if early:
            self._comparison.add(1, number, early.popleft())
        else:
            self._waiting.setdefault(key, deque()).append(number)
        self._read_one()

    def end(self) -> None:
        """Reads the rest."""
        while self._read_one():
            pass

    def _read_one(self) -> bool:
        read = find_reader("envelopes")
        for line in self._lines:
            try:
                value = read(line)
            except BadLine:
                continue
            body = value["body"]
            if body.get("type") != "http_response":
                continue
            self.read += 1
            key = (str(value.get("dest")), body.get("in_reply_to"))
            found: Outcome = {"backend": body.get("backend"), "status": body.get("status")}
            waiting = self._waiting.get(key)
            if waiting:
                self._comparison.add(1, waiting.popleft(), found)
                if not waiting:
                    del self._waiting[key]
            else:
                self._early.setdefault(key, deque()).append(found)
            return True
        return False


class Allowance:
    """What may change: a number of requests, a share (up to 100%), or certain fields at all."""

    def __init__(self, said: Iterable[str]) -> None:
        """Raises ValueError where something is neither."""
        self.fields: set[str] = set()
        self._count = 0.0
        self._share = 0.0
        for text in said:
            if text in FIELDS:
                self.fields.add(text)
                continue
            is_share = text.endswith("%")
            try:
                number = float(text[:-1]) / 100 if is_share else int(text)
            except ValueError:
                number = -1
            if not 0 <= number < inf or (is_share and number > 1):
                fields = ", ".join(FIELDS)
                raise ValueError(f'"{text}" is not a number, a share or one of {fields}')
            if is_share:
                self._share = number
            else:
                self._count = number

    def covers(self, comparison: Comparison) -> bool:
        """Whether no more has changed than may."""
        counted = sum(
            change.count
            for change in comparison.changes.values()
            if not self.fields.issuperset(change.before)
        )
        return counted <= max(self._count, self._share * comparison.compared)


def as_json(comparison: Comparison) -> dict[str, Any]:
    """The comparison as JSON values, the largest group first."""
    return {
        "compared": comparison.compared,
        "changed": sum(change.count for change in comparison.changes.values()),
        "changes": [
            {
                "count": change.count,
                "before": change.before,
                "after": change.after,
                "examples": [{"line": line, "request": asked} for line, asked in change.examples],
            }
            for change in _largest_first(comparison)
        ],
    }


def as_text(comparison: Comparison) -> str:
    """The comparison for a terminal."""
    changed = sum(change.count for change in comparison.changes.values())
    lines = [f"{changed} of {comparison.compared} requests change"]
    for change in _largest_first(comparison):
        what = ", ".join(
            f"{field} {_shown(change.before[field])} -> {_shown(change.after[field])}"
            for field in change.before
        )
        lines.append(f"{change.count:>7}  {what}")
        lines += [f"{'':9}line {line}: {asked}" for line, asked in change.examples]
    return "\n".join(lines) + "\n"


def _largest_first(comparison: Comparison) -> list[Change]:
    return sorted(comparison.changes.values(), key=lambda change: -change.count)


def _shown(value: Any) -> str:
    return "none" if value is None else str(value)
