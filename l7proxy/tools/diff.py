"""`l7proxy diff`: what another configuration, or what was answered in reality, makes different.

Both sides get the same traffic, and each request of one is compared with the same request of the
other. Requests that change in the same way are one group.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from math import inf
from typing import TYPE_CHECKING, Any

from l7proxy.core.config.problems import pointer_to
from l7proxy.tools.formats import BadLine, envelopes
from l7proxy.tools.outcome import FIELDS, NOTHING, OF_THE_REQUEST, differences, outcome
from l7proxy.tools.printable import printable

if TYPE_CHECKING:
    from l7proxy.core.config import Config
    from l7proxy.core.exchange import Exchange
    from l7proxy.core.http.messages import HttpRequest
    from l7proxy.tools.outcome import Difference, Outcome

    Ended = Callable[[int, Exchange, float], None]
    """Is called with the line of a request that has ended, its exchange, and the time."""
    Values = dict[str, Any]
    """Fields that have changed, with what they are on one side."""

EXAMPLES = 3
"""How many requests of a group are shown."""
LONGEST_SHOWN = 80
"""Characters of a value that are shown in the text."""


class Example:
    """A request that changes: its line, how it is shown, and the values that it changes between."""

    __slots__ = ("after", "asked", "before", "line")

    def __init__(self, line: int, asked: str, found: Iterable[Difference]) -> None:
        self.line = line
        self.asked = asked
        self.before: Values = {}
        self.after: Values = {}
        for field, one, other in found:
            self.before[field] = one
            self.after[field] = other


class Change:
    """A way in which requests change: what was and what is, how often, and for whom first.

    `varying` are the fields whose values are not the same for all of the requests.
    """

    __slots__ = ("after", "before", "count", "examples", "varying")

    def __init__(self, first: Example) -> None:
        self.before = first.before
        self.after = first.after
        self.varying: dict[str, None] = {}
        self.count = 0
        self.examples: list[Example] = []

    def add(self, example: Example) -> None:
        """Counts one more request that changes in this way."""
        self.count += 1
        if len(self.examples) < EXAMPLES:
            self.examples.append(example)
        for field, value in self.before.items():
            if value != example.before[field] or self.after[field] != example.after[field]:
                self.varying[field] = None


class Comparison:
    """Pairs the outcomes of the two sides by the line of their request, in any order."""

    def __init__(self, fields: Iterable[str] = FIELDS) -> None:
        """Compares these fields alone; raises ValueError where one of them is not in `FIELDS`."""
        wanted = set(fields)
        for field in wanted - set(FIELDS):
            raise ValueError(f'"{field}" is not one of {", ".join(FIELDS)}')
        self._fields = tuple(field for field in FIELDS if field in wanted)
        self.compared = 0
        """How many pairs there were."""
        self.changes: dict[tuple[object, ...], Change] = {}
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
            self._compare(before_only[line], NOTHING, line)
        for line in sorted(after_only):
            self._compare(NOTHING, after_only[line], line)
        before_only.clear()
        after_only.clear()

    def _compare(self, before: Outcome, after: Outcome, line: int) -> None:
        self.compared += 1
        asked = self._asked.pop(line, "")
        found = differences(before, after, self._fields)
        if not found:
            return
        # What follows from the request is of one kind where the same routes have made it.
        key: list[object] = [before.get("route"), after.get("route")]
        for field, one, other in found:
            key.append(field if field in OF_THE_REQUEST else (field, one, other))
        example = Example(line, asked, found)
        change = self.changes.get(tuple(key))
        if change is None:
            change = self.changes[tuple(key)] = Change(example)
        change.add(example)


class RecordedAnswers:
    """The answers in a node's output, as the second side of a comparison: a `Player`.

    An answer belongs to the request with the same client and id; of several alike, answers belong
    to requests in their order.
    """

    def __init__(self, lines: Iterable[str], comparison: Comparison) -> None:
        self._lines: Iterator[str] = iter(lines)
        self._comparison = comparison
        self._unanswered: dict[tuple[str, int | str | None], deque[int]] = {}
        """The lines of the requests whose answers have not been read."""
        self._early: dict[tuple[str, int | str | None], deque[Outcome]] = {}
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
                self._answered(str(answer.get("dest")), body.get("in_reply_to"), _answer(body))
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


def _answer(body: Mapping[str, Any]) -> Outcome:
    """Returns what a recorded answer tells of an outcome.

    What a real backend said can't be compared with what a simulated one says.
    """
    found = {"backend": body.get("backend"), "status": body.get("status")}
    headers = body.get("headers")
    if found["backend"] is None and isinstance(headers, dict):
        lines = (value for name, value in headers.items() if name.lower() == "location")
        found["location"] = next(lines, None)
    return found


def _id(value: Any) -> int | str | None:
    return value if type(value) is int or type(value) is str else None


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


def unplayed(before: Config, after: Config) -> list[str]:
    """Returns the JSON pointers of what differs and changes what backends are sent by serve alone.

    Traffic that is played comes over no connection of which a backend could be told.
    """
    keys = ("forwarded", "trusted_proxies", "via")
    one, other = before.server, after.server
    return [pointer_to("/server", key) for key in keys if getattr(one, key) != getattr(other, key)]


def as_json(comparison: Comparison) -> dict[str, Any]:
    """Returns the comparison as JSON values, the largest group first.

    Where a value is not the same for all requests of a group, `before` and `after` have that of the
    first one, `varying` has the field's name, and each example has its own value.
    """
    return {
        "compared": comparison.compared,
        "changed": sum(change.count for change in comparison.changes.values()),
        "changes": [_as_json(change) for change in _largest_first(comparison)],
    }


def _as_json(change: Change) -> dict[str, Any]:
    made: dict[str, Any] = {"count": change.count, "before": change.before, "after": change.after}
    examples: list[dict[str, Any]] = [
        {"line": example.line, "request": example.asked} for example in change.examples
    ]
    if change.varying:
        made["varying"] = list(change.varying)
        for shown, example in zip(examples, change.examples, strict=True):
            shown["before"] = {field: example.before[field] for field in change.varying}
            shown["after"] = {field: example.after[field] for field in change.varying}
    return {**made, "examples": examples}


def as_text(comparison: Comparison, place: Callable[[int], str] = "line {}".format) -> str:
    """Returns the comparison as text for a terminal; `place` says where a line is."""
    changed = sum(change.count for change in comparison.changes.values())
    lines = [f"{changed} of {comparison.compared} requests change"]
    for change in _largest_first(comparison):
        what = ", ".join(
            field if field in change.varying else _arrow(field, change.before, change.after)
            for field in change.before
        )
        lines.append(f"{change.count:>7}  {what}")
        for example in change.examples:
            lines.append(f"{'':9}{place(example.line)}: {example.asked}")
            for field in change.varying:
                arrow = _arrow(field, example.before, example.after)
                lines.append(f"{'':13}{arrow}")
    return "\n".join(lines) + "\n"


def _largest_first(comparison: Comparison) -> list[Change]:
    return sorted(comparison.changes.values(), key=lambda change: -change.count)


def _arrow(field: str, before: Values, after: Values) -> str:
    name = field.replace("_", " ")
    return f"{name} {_shown(before[field])} -> {_shown(after[field])}"


def _shown(value: Any) -> str:
    if value is None:
        return "none"
    text = printable(" | ".join(value) if isinstance(value, tuple) else str(value))
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}..."
