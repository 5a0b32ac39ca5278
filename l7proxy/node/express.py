"""The express: answers lines that differ from earlier ones only in `msg_id` and path.

Most of a conversation repeats itself. The first line of its kind goes the long way: it is decoded,
routed and answered by the reference implementation. What can be learned from that is kept as a
`Shape`, the bytes of the line around its `msg_id` and path, and as the bytes of the reply around
its `in_reply_to`. The next line of that shape needs no decoding and no encoding, only its turn on
the lane that its path leads to.

Nothing is taken for granted. A shape is kept only if decoding the line with another `msg_id` and
another path in those places changes these two and nothing else, so that what is cut out is surely
what it seems to be; and only plain digits and paths that went the long way before are let through.
Whatever does not fit, in whatever way, goes the long way.
"""

from __future__ import annotations

from l7proxy.core.strict_json import NotJson
from l7proxy.node.codec import decode_envelope

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from l7proxy.core.backend import Backend
    from l7proxy.core.lane import GuardedLane, Lane

    Render = Callable[[Backend], bytes]

MOST_SHAPES = 512
MOST_ALIKE = 8
"""Shapes that begin alike, which are tried one after another."""
MOST_STOPS = 16384
MOST_TAILS = 65536

PATIENCE = 64
"""Lines in a row that did not fit, after which the express stops trying for a while."""
PAUSE = 1024
"""How many lines it then lets pass."""

SPELLINGS = ((b'"msg_id": ', b'"path": "'), (b'"msg_id":', b'"path":"'))
"""How the two keys are written by those who put blanks after colons, and by those who don't."""

IN_REPLY_TO = b'"in_reply_to": '


class Stop:
    """Where a path leads: its lane's `take`, and how the reply ends for each backend."""

    __slots__ = ("render", "tails", "take")

    def __init__(
        self, lane: Lane | GuardedLane, render: Render, tails: dict[Backend, bytes]
    ) -> None:
        self.take = lane.take
        self.render = render
        self.tails = tails


class Shape:
    """A kind of line: start, `"msg_id": `, digits, `middle`, path, `end`; how its reply starts.

    `other` is the next shape with the same start.
    """

    __slots__ = ("cut", "end", "middle", "other", "reply", "skip", "stops")

    def __init__(self, middle: bytes, end: bytes, reply: bytes, stops: dict[bytes, Stop]) -> None:
        self.middle = middle
        self.skip = len(middle)
        self.end = end
        self.cut = -len(end)
        self.reply = reply
        self.stops = stops
        self.other: Shape | None = None


class Express:
    """Answers what it can of a list of lines, into `out`."""

    def __init__(self, out: list[bytes]) -> None:
        self._out = out
        self._pause = 0
        self._in_vain = 0
        self.forget()

    def forget(self, find_route: Callable[[str], object] | None = None) -> None:
        """Starts over: what was learned holds for one configuration only.

        `find_route(path)`, given where the path alone decides, is the route that a path takes, or
        None where that takes a closer look.
        """
        self._find_route = find_route
        self._stop_of_route: dict[object, Stop] = {}
        self._key = SPELLINGS[0][0]
        self._length = 0
        """How long the last line was up to its `msg_id`: the next one is likely to be so too."""
        self._shapes: dict[bytes, Shape] = {}
        """The shapes by all that comes before the `msg_id`."""
        self._shared_stops: dict[bytes, Stop] = {}
        self._shared_tails: dict[object, dict[Backend, bytes]] = {}
        self._shape_count = self._stop_count = self._tail_count = 0

    @property
    def is_listening(self) -> bool:
        """Whether it is worth while to learn."""
        return not self._pause

    def run(self, lines: list[bytes], start: int, now: float) -> int:
        """Answers lines from `start` on; gives the index of the first that goes the long way."""
        if self._pause:
            self._pause -= 1
            return start
        shape_of, write = self._shapes.get, self._out.extend
        length = self._length
        index = start
        # Measured at a third of a microsecond over the cost of the calls that are left: whatever
        # can be looked up once for a shape or a stop is, and nothing is built that is not written.
        for index in range(start, len(lines)):
            line = lines[index]
            shape = shape_of(line[:length])
            if shape is None:
                length = line.find(self._key) + len(self._key)
                shape = shape_of(line[:length])
                if shape is None:
                    break
            comma = line.find(b",", length)
            while not (line.startswith(shape.middle, comma) and line.endswith(shape.end)):
                shape = shape.other
                if shape is None:
                    break
            else:
                path = line[comma + shape.skip : shape.cut]
                stop = shape.stops.get(path) or self._arrive(path, shape)
                msg_id = line[length:comma]
                # JSON has no leading zeros; and Python won't convert a number that is too long.
                if stop is None or not msg_id.isdigit() or msg_id < b"1" or comma - length > 18:
                    break
                backend = stop.take(now)
                if backend is None:
                    break
                tail = stop.tails.get(backend)
                write((shape.reply, msg_id, self._render(stop, backend) if tail is None else tail))
                continue
            break
        else:
            self._in_vain, self._length = 0, length
            return len(lines)
        self._length = length
        if index > start:
            self._in_vain = 0
        else:
            self._in_vain += 1
            if self._in_vain >= PATIENCE:
                self._in_vain, self._pause = 0, PAUSE
        return index

    def learn(
        self,
        line: bytes,
        msg_id: int,
        reply: bytes,
        lane: Lane | GuardedLane,
        render: Render,
        route: object | None,
    ) -> None:
        """Learns from a line that went the long way and from the reply that it got.

        `render(backend)` is how such a reply ends, behind its `in_reply_to`. `route` is None where
        that depends on more than the route.
        """
        start, found, _ = reply.partition(IN_REPLY_TO + b"%d" % msg_id)
        if not found:
            return
        parts = self._take_apart(line)
        if parts is None:
            return
        if (
            self._shape_count >= MOST_SHAPES
            or self._stop_count >= MOST_STOPS
            or self._tail_count >= MOST_TAILS
        ):
            self.forget(self._find_route)
        before, middle, path, end = parts
        shape = self._known(before, middle, end)
        if shape is None:
            stops = {} if self._find_route is None else self._shared_stops
            shape = Shape(middle, end, start + IN_REPLY_TO, stops)
            self._put(before, shape)
        tails = {} if route is None else self._shared_tails.setdefault(route, {})
        shape.stops[path] = stop = Stop(lane, render, tails)
        self._stop_count += 1
        if route is not None:
            self._stop_of_route[route] = stop

    def _arrive(self, path: bytes, shape: Shape) -> Stop | None:
        """Where a path leads that was not seen before, if its route alone decides that."""
        if self._find_route is None or not path.isascii():
            return None
        stop = self._stop_of_route.get(self._find_route(path.decode()))
        if stop is not None and self._stop_count < MOST_STOPS:
            shape.stops[path] = stop
            self._stop_count += 1
        return stop

    def _known(self, before: bytes, middle: bytes, end: bytes) -> Shape | None:
        shape = self._shapes.get(before)
        while shape is not None and not (shape.middle == middle and shape.end == end):
            shape = shape.other
        return shape

    def _put(self, before: bytes, shape: Shape) -> None:
        """Puts the shape among those that start alike, those with longer ends first.

        A shorter end may be the end of a longer one, but then finds no path that it knows.
        """
        alike = [shape]
        other = self._shapes.get(before)
        while other is not None and len(alike) < MOST_ALIKE:
            alike.append(other)
            other = other.other
        alike.sort(key=lambda s: s.cut)
        for one, following in zip(alike, (*alike[1:], None), strict=True):
            one.other = following
        self._shapes[before] = alike[0]
        self._shape_count += 1

    def _render(self, stop: Stop, backend: Backend) -> bytes:
        """The end of the reply for a backend that comes up here for the first time."""
        self._tail_count += 1
        tail = stop.tails[backend] = stop.render(backend)
        return tail

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
