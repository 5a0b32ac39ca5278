"""The express: answers lines that differ from earlier ones only in `msg_id` and path.

Most of a conversation repeats itself. The first line of its kind goes the long way: it is decoded,
routed and answered by the reference implementation. What can be learned from that is kept as a
`Shape`, the bytes of the line around its `msg_id` and path, and as the bytes of the reply around
its `in_reply_to`. The next line of that shape needs no decoding and no encoding, only its turn on
the lane that its path leads to.

Nothing is taken for granted. A shape is kept only if decoding the line with another `msg_id` and
another path in those places changes these two and nothing else, so that what is cut out is surely
what it seems to be; and only plain digits and paths whose way is known are let through. Whatever
does not fit, in whatever way, goes the long way.
"""

from __future__ import annotations

from itertools import islice

from l7proxy.core.strict_json import NotJson
from l7proxy.node.codec import decode_envelope

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from l7proxy.core.backend import Backend
    from l7proxy.core.lane import Lane, Lanes
    from l7proxy.core.routing import Route

    Render = Callable[[Backend, str | None], bytes]
    """How a reply ends, behind its `in_reply_to`, for a backend and a rewritten path."""

ROOM = 4 << 20
"""About how many bytes may be remembered; with more it starts over."""
ENTRY = 200
"""About how many bytes it takes to keep anything, beside what it is kept under."""
MOST_ALIKE = 8
"""Shapes that begin alike, which are tried one after another."""

PATIENCE = 64
"""Lines in a row that did not fit, after which the express stops trying for a while."""
PAUSE = 1024
"""How many lines it then lets pass."""

SPELLINGS = ((b'"msg_id": ', b'"path": "'), (b'"msg_id":', b'"path":"'))
"""How the two keys are written by those who put blanks after colons, and by those who don't."""

IN_REPLY_TO = b'"in_reply_to": '


class Tails(dict["Backend", bytes]):
    """How a reply ends for each backend; made when that backend first has its turn."""

    __slots__ = ("_keep", "_render", "_rewritten")

    def __init__(
        self, render: Render, rewritten: str | None, keep: Callable[[bytes], None]
    ) -> None:
        """`keep` is told what is remembered from now on."""
        self._render = render
        self._rewritten = rewritten
        self._keep = keep

    def __missing__(self, backend: Backend) -> bytes:
        tail = self[backend] = self._render(backend, self._rewritten)
        self._keep(tail)
        return tail


class Journey:
    """How a line went that took the long way, and what that tells about others.

    - `lane` is for its like; `lanes` for those that are like it in all but their path
    - `render` is how replies end; where `alike` is equal, so are all ends
    - `route` is the one that it took, None where lane and reply depend on more than that and the
      `rewritten_path`
    """

    __slots__ = ("alike", "lane", "lanes", "render", "rewritten_path", "route")

    def __init__(
        self,
        lane: Lane,
        lanes: Lanes,
        render: Render,
        alike: object,
        route: Route | None,
        rewritten_path: str | None,
    ) -> None:
        self.lane = lane
        self.lanes = lanes
        self.render = render
        self.alike = alike
        self.route = route
        self.rewritten_path = rewritten_path


class Stop:
    """Where a path leads: its lane's `take`, and how the reply ends for each backend."""

    __slots__ = ("tails", "take")

    def __init__(self, lane: Lane, tails: Tails) -> None:
        self.take = lane.take
        self.tails = tails


class Kind:
    """Lines that are alike in what comes behind their `msg_id`, their path aside.

    - `middle` and `end` are the bytes on either side of the path
    - `stops` are those of the paths that came up, by all that comes behind the `msg_id`
    - `lanes` are those of the paths that did not
    """

    __slots__ = ("end", "lanes", "middle", "stops")

    def __init__(self, middle: bytes, end: bytes, lanes: Lanes) -> None:
        self.middle = middle
        self.end = end
        self.lanes = lanes
        self.stops: dict[bytes, Stop] = {}

    def path_in(self, rest: bytes) -> str | None:
        """The path in what comes behind a `msg_id`; None where that is of another kind.

        Neither where the path could be written otherwise, or be more than the path.
        """
        if not (rest.startswith(self.middle) and rest.endswith(self.end)):
            return None
        path = rest[len(self.middle) : -len(self.end)]
        plain = path.isascii() and b'"' not in path and b"\\" not in path
        return path.decode() if plain else None


class Shape:
    """Lines of one kind that also begin alike, up to their `msg_id`; how their reply begins.

    `other` is the next shape that begins so.
    """

    __slots__ = ("kind", "other", "reply", "stop_at")

    def __init__(self, reply: bytes, kind: Kind) -> None:
        self.reply = reply
        self.kind = kind
        self.stop_at = kind.stops.get
        self.other: Shape | None = None


class Express:
    """Answers what it can of a list of lines, into `out`."""

    def __init__(self, out: list[bytes]) -> None:
        self._out = out
        self._pause = 0
        self._in_vain = 0
        self.forget()

    def forget(self, lanes: Lanes | None = None) -> None:
        """Starts over: what was learned holds for one configuration only.

        `lanes` are everybody's, given where the path alone decides.
        """
        self._lanes = lanes
        if lanes is not None:
            lanes.forget()
        self._key = SPELLINGS[0][0]
        self._length = self._comma = 0
        """How long the last line was up to its `msg_id`, and up to the comma behind it: the next
        one is likely to be so too."""
        self._shapes: dict[bytes, Shape] = {}
        """The shapes by all that comes before the `msg_id`."""
        self._kinds: dict[tuple[bytes, bytes], Kind] = {}
        """The kinds that are everybody's, by what is on either side of the path."""
        self._tails: dict[tuple[object, str | None], Tails] = {}
        """How replies end, by what makes them alike and the rewritten path."""
        self._renders: dict[Route, tuple[object, Render]] = {}
        """How replies end, and what makes them alike, by route."""
        self._room = ROOM

    @property
    def is_listening(self) -> bool:
        """Whether it is worth while to learn."""
        return not self._pause

    def run(self, lines: list[bytes], start: int, now: float) -> int:
        """Answers lines from `start` on; gives the index of the first that goes the long way."""
        if self._pause:
            self._pause -= 1
            return start
        out, shape_of = self._out, self._shapes.get
        length, comma = self._length, self._comma
        before = len(out)
        # Measured: half the time of a line is in the two look-ups by its pieces, a fifth in its
        # turn. A piece that is found proves where it was cut, so first it is cut where the last
        # line was; that a `msg_id` is nothing but digits is all that is left to check.
        for line in islice(lines, start, None):
            shape = shape_of(line[:length])
            if shape is None:
                length = line.find(self._key) + len(self._key)
                shape = shape_of(line[:length])
                if shape is None:
                    break
            stop = shape.stop_at(line[comma:])
            if stop is None:
                comma = line.find(b",", length)
                rest = line[comma:]
                stop = shape.stop_at(rest)
                if stop is None:
                    found = self._look_around(shape, rest)
                    if found is None:
                        break
                    shape, stop = found
            msg_id = line[length:comma]
            # JSON has no leading zeros; and Python won't convert a number that is too long.
            if not msg_id.isdigit() or msg_id < b"1" or comma - length > 18:
                break
            backend = stop.take(now)
            if backend is None:
                break
            out += (shape.reply, msg_id, stop.tails[backend])
        self._length, self._comma = length, comma
        answered = (len(out) - before) // 3
        if answered or start == len(lines):
            self._in_vain = 0
        else:
            self._in_vain += 1
            if self._in_vain >= PATIENCE:
                self._in_vain, self._pause = 0, PAUSE
        return start + answered

    def learn(self, line: bytes, msg_id: int, reply: bytes, journey: Journey) -> None:
        """Learns from a line that went the long way, as `journey`, and from the reply it got."""
        start, found, _ = reply.partition(IN_REPLY_TO + b"%d" % msg_id)
        if not found:
            return
        parts = self._take_apart(line)
        if parts is None:
            return
        if self._room <= 0:
            self.forget(self._lanes)
        before, middle, path, end = parts
        shape = self._known(before, middle, end)
        if shape is None:
            shape = self._put(before, Shape(start + IN_REPLY_TO, self._kind(middle, end, journey)))
        kind = shape.kind
        if journey.route is None:
            tails = Tails(journey.render, journey.rewritten_path, self._keep)
        else:
            kind.lanes.add(journey.route, journey.lane)
            self._renders[journey.route] = journey.alike, journey.render
            tails = self._tails_of(journey.route, journey.rewritten_path)
        rest = middle + path + end
        kind.stops[rest] = Stop(journey.lane, tails)
        self._keep(rest)

    def _look_around(self, shape: Shape | None, rest: bytes) -> tuple[Shape, Stop] | None:
        """Which of the shapes that begin alike a line has that goes on so, and where it leads."""
        while shape is not None:
            kind = shape.kind
            stop = kind.stops.get(rest) or self._arrive(kind, rest)
            if stop is not None:
                return shape, stop
            shape = shape.other
        return None

    def _arrive(self, kind: Kind, rest: bytes) -> Stop | None:
        """Where a path leads that did not come up before, if its route is known."""
        path = kind.path_in(rest)
        way = None if path is None else kind.lanes.find(path)
        if way is None or self._room <= 0:
            return None
        lane, route, rewritten = way
        stop = kind.stops[rest] = Stop(lane, self._tails_of(route, rewritten))
        self._keep(rest)
        return stop

    def _keep(self, remembered: bytes) -> None:
        self._room -= len(remembered) + ENTRY

    def _tails_of(self, route: Route, rewritten: str | None) -> Tails:
        alike, render = self._renders[route]
        tails = self._tails.get((alike, rewritten))
        if tails is None:
            tails = self._tails[alike, rewritten] = Tails(render, rewritten, self._keep)
        return tails

    def _kind(self, middle: bytes, end: bytes, journey: Journey) -> Kind:
        """A kind of its own, or everybody's where the path alone decides."""
        if self._lanes is None:
            return Kind(middle, end, journey.lanes)
        kind = self._kinds.get((middle, end))
        if kind is None:
            kind = self._kinds[middle, end] = Kind(middle, end, self._lanes)
        return kind

    def _known(self, before: bytes, middle: bytes, end: bytes) -> Shape | None:
        shape = self._shapes.get(before)
        while shape is not None and not (shape.kind.middle == middle and shape.kind.end == end):
            shape = shape.other
        return shape

    def _put(self, before: bytes, shape: Shape) -> Shape:
        """Puts the shape in front of those that start alike; the last may have to go."""
        shape.other = last = self._shapes.get(before)
        self._shapes[before] = shape
        self._keep(before)
        for _ in range(MOST_ALIKE - 2):
            last = None if last is None else last.other
        if last is not None:
            last.other = None
        return shape

    def _take_apart(self, line: bytes) -> tuple[bytes, bytes, bytes, bytes] | None:
        """What stands before the `msg_id`, between it and the path, the path, and the rest.

        None where the line can't be cut so, or where these are not what they seem to be.
        """
        for key, path_key in SPELLINGS:
            before, found, rest = line.partition(key)
            _, comma, rest = rest.partition(b",")
            middle, path_found, rest = rest.partition(path_key)
            path, quote, rest = rest.partition(b'"')
            if not (found and comma and path_found and quote):
                continue
            before, middle, end = before + key, comma + middle + path_key, quote + rest
            changed = b"".join((before, b"7", middle, b"/", end))
            if self._known(before, middle, end) or _means_only(line, changed):
                self._key = key
                return before, middle, path, end
        return None


def _means_only(line: bytes, changed: bytes) -> bool:
    """Whether the changed line differs from the line in `msg_id` 7 and path / alone."""
    try:
        meant: Any = decode_envelope(line)
        other: Any = decode_envelope(changed)
    except NotJson:
        return False
    if getattr(meant, "repeated", ()) or getattr(other, "repeated", ()):
        return False
    body = {**meant["body"], "msg_id": 7, "path": "/"}
    same: bool = other == {**meant, "body": body} and list(other["body"]) == list(body)
    return same
