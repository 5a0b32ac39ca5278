"""`l7proxy diff`: what another configuration, or what was answered in reality, makes different.

Both sides get the same traffic, and each request of one is compared with the same request of the
other. Requests that change in the same way are one group.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from math import inf
from typing import TYPE_CHECKING, Any

from l7proxy.tools.formats import BadLine, envelopes

if TYPE_CHECKING:
    from l7proxy.core.exchange import Exchange
    from l7proxy.core.http.messages import HttpRequest

    Outcome = Mapping[str, Any]
    """What is compared of a request: a value for each of `FIELDS`, or for those that are known."""
    Ended = Callable[[int, Exchange, float], None]
    """Is called with the line of a request that has ended, its exchange, and the time."""
    Difference = tuple[str, Any, Any]
    """A field, and its values before and after."""

FIELDS = ("route", "pool", "backend", "status")
EXAMPLES = 3
"""How many requests of a group are shown."""


class Change:
    """A way in which requests change: what was and what is, how often, and for whom first."""

    __slots__ = ("after", "before", "count", "examples")

    def __init__(self, before: Outcome, after: Outcome) -> None:
        self.before = before
        self.after = after
        self.count = 0
        self.examples: list[tuple[int, str]] = []


class Comparison:
    """Pairs the outcomes of the two sides by the line of their request, in any order."""

    def __init__(self) -> None:
        self.compared = 0
        """How many pairs there were."""
        self.changes: dict[tuple[Difference, ...], Change] = {}
        self._unpaired: tuple[dict[int, Outcome], dict[int, Outcome]] = ({}, {})
        """The outcomes of either side that the other side has none for yet."""
        self._asked: dict[int, str] = {}
        """The requests of those, as they are shown."""

    def side(self, number: int) -> Ended:
        """Returns what a player of side 0 or 1 is to call for each request that ends."""

        def ended(line: int, exchange: Exchange, now: float) -> None:
            if number == 0:
                request = exchange.request
                self._asked[line] = f"{request.method} {request.target}"
            self.add(number, line, outcome(exchange))

        return ended

    def add(self, side: int, line: int, found: Outcome) -> None:
        """Notes the outcome of the request in a line."""
        other = self._unpaired[1 - side].pop(line, None)
        if other is None:
            self._unpaired[side][line] = found
        elif side == 0:
            self._compare(found, other, line)
        else:
            self._compare(other, found, line)

    def finish(self) -> None:
        """Counts the requests that only one side decided: the other side refused the message."""
        before_only, after_only = self._unpaired
        for line in sorted(before_only):
            self._compare(before_only[line], _NOTHING, line)
        for line in sorted(after_only):
            self._compare(_NOTHING, after_only[line], line)
        before_only.clear()
        after_only.clear()

    def _compare(self, before: Outcome, after: Outcome, line: int) -> None:
        self.compared += 1
        asked = self._asked.pop(line, "")
        differences = _differences(before, after)
        if not differences:
            return
        change = self.changes.get(differences)
        if change is None:
            change = self.changes[differences] = Change(
                {field: value for field, value, _ in differences},
                {field: value for field, _, value in differences},
            )
        change.count += 1
        if len(change.examples) < EXAMPLES:
            change.examples.append((line, asked))


_NOTHING: Outcome = dict.fromkeys(FIELDS)


def _differences(before: Outcome, after: Outcome) -> tuple[Difference, ...]:
    """Returns the fields that both outcomes know and that are not the same."""
    found = [
        (field, before[field], after[field])
        for field in FIELDS
        if field in before and field in after and before[field] != after[field]
    ]
    if any(field == "pool" for field, _, _ in found):
        # Another pool has other backends: which of them it is says nothing more.
        found = [difference for difference in found if difference[0] != "backend"]
    return tuple(found)


def outcome(exchange: Exchange) -> Outcome:
    """Returns what is compared of a request that has ended."""
    assert exchange.response is not None
    route, pool, backend = exchange.route, exchange.pool, exchange.backend
    return {
        "route": None if route is None else str(route),
        "pool": None if pool is None else pool.name,
        "backend": None if backend is None else backend.name,
        "status": exchange.response.status,
    }


class RecordedAnswers:
    """The answers in a node's output, as the second side of a comparison: a `Player`.

    An answer belongs to the request with the same client and id; of several alike, answers belong
    to requests in their order.
    """

    def __init__(self, lines: Iterable[str], comparison: Comparison) -> None:
        self._lines: Iterator[str] = iter(lines)
        self._comparison = comparison
        self._unanswered: dict[tuple[str, int | None], deque[int]] = {}
        """The lines of the requests whose answers have not been read."""
        self._early: dict[tuple[str, int | None], deque[Outcome]] = {}
        """The answers to requests that have not been played."""
        self.refused = 0
        self.read = 0
        """How many answers there were."""

    def play(self, envelope: Mapping[str, Any], number: int) -> None:
        """Reads one more answer if the envelope is a request."""
        body = envelope["body"]
        if body.get("type") == "http_request":
            self._expect(envelope["src"], body.get("msg_id"), number)

    def play_request(self, request: HttpRequest, at: float, number: int) -> None:
        """Reads one more answer."""
        self._expect(request.client_ip, None, number)

    def end(self) -> None:
        """Reads the rest."""
        while self._read_one():
            pass

    def _expect(self, client: str, msg_id: Any, number: int) -> None:
        key = (client, _id(msg_id))
        early = self._early.get(key)
        if early:
            self._comparison.add(1, number, early.popleft())
        else:
            self._unanswered.setdefault(key, deque()).append(number)
        self._read_one()

    def _read_one(self) -> bool:
        """Reads on to the next answer; returns whether there was one."""
        for line in self._lines:
            try:
                answer = envelopes.read(line)
            except BadLine:
                continue
            body = answer["body"]
            if body.get("type") == "http_response":
                self.read += 1
                found: Outcome = {"backend": body.get("backend"), "status": body.get("status")}
                self._answered(str(answer.get("dest")), body.get("in_reply_to"), found)
                return True
        return False

    def _answered(self, client: str, msg_id: Any, found: Outcome) -> None:
        key = (client, _id(msg_id))
        unanswered = self._unanswered.get(key)
        if not unanswered:
            self._early.setdefault(key, deque()).append(found)
            return
        self._comparison.add(1, unanswered.popleft(), found)
        if not unanswered:
            del self._unanswered[key]


def _id(value: Any) -> int | None:
    return value if type(value) is int else None


class Allowance:
    """What may change: a number of requests, a share (up to 100%), or certain fields at all."""

    def __init__(self, words: Iterable[str]) -> None:
        """Raises ValueError where a word is none of these."""
        self.fields: set[str] = set()
        self._count = 0.0
        self._share = 0.0
        for text in words:
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
        """Returns whether no more has changed than may."""
        counted = sum(
            change.count
            for change in comparison.changes.values()
            if not self.fields.issuperset(change.before)
        )
        return counted <= max(self._count, self._share * comparison.compared)


def as_json(comparison: Comparison) -> dict[str, Any]:
    """Returns the comparison as JSON values, the largest group first."""
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


def as_text(comparison: Comparison, place: Callable[[int], str] = "line {}".format) -> str:
    """Returns the comparison as text for a terminal; `place` says where a line is."""
    changed = sum(change.count for change in comparison.changes.values())
    lines = [f"{changed} of {comparison.compared} requests change"]
    for change in _largest_first(comparison):
        what = ", ".join(
            f"{field} {_shown(change.before[field])} -> {_shown(change.after[field])}"
            for field in change.before
        )
        lines.append(f"{change.count:>7}  {what}")
        lines += [f"{'':9}{place(line)}: {asked}" for line, asked in change.examples]
    return "\n".join(lines) + "\n"


def _largest_first(comparison: Comparison) -> list[Change]:
    return sorted(comparison.changes.values(), key=lambda change: -change.count)


def _shown(value: Any) -> str:
    return "none" if value is None else str(value)
