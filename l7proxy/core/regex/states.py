"""The states of a regular expression: its characters, and the ways between them.

What is not told exactly is told too generously. That goes for looks at more than one character,
and for repeats of more than `MOST_COPIES`.
"""

from __future__ import annotations

import re

from l7proxy.core.regex.text import CHARACTERS, ENDLESS, REPEATS, written, written_set

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    Condition = tuple[str, bool]
    """A set of characters, and whether one must be in it. The text's ends are in no set."""

MOST_COPIES = 64
"""A repeat that may be more often is taken for one without end."""
MOST_STATES = 2000
LONGEST_LOOK_BEHIND = 32
"""The most steps that a look behind may take."""

ALL = "(?s:.)"
"""The set of all characters."""
_NOT_NEWLINE = r"(?:[^\n])"


class CantTell(ValueError):
    """Whether an expression is safe can't be told; the text says because of what."""


class State:
    """A point in an expression: a character to be read, or edges along which nothing is.

    - `character` is the set that the character is of, None where nothing is read; `to` is where
      it leads
    - `edges` lead on without reading, those that are tried first in front
    - `out` is the edge out of the repeat that begins anew here, None where none does
    - `groups` are the atomic groups around it, the innermost last; `ends` is whether nothing keeps
      that from ending behind the character
    - `loops` are the endless repeats around a character, the outermost first, each with its text
    - `light` is whether it is all that a repeat repeats; `dear` whether it is looked for slowly
    """

    __slots__ = (
        "character",
        "dear",
        "edges",
        "ends",
        "groups",
        "light",
        "loops",
        "number",
        "out",
        "to",
    )

    def __init__(self, number: int, groups: tuple[int, ...]) -> None:
        self.number = number
        self.groups = groups
        self.character: str | None = None
        self.to: State | None = None
        self.edges: list[Edge] = []
        self.out: Edge | None = None
        self.ends = False
        self.loops: tuple[tuple[int, str], ...] = ()
        self.light = False
        self.dear = False


class Edge:
    """A way on that reads nothing, if the characters `before` and `after` it are as they must be.

    It `enters` or `leaves` an atomic group. It is `sure` where nothing else keeps it from being
    taken.
    """

    __slots__ = ("after", "before", "enters", "leaves", "sure", "to")

    def __init__(
        self,
        to: State,
        *,
        before: Condition | None = None,
        after: Condition | None = None,
        sure: bool = True,
        enters: int = -1,
        leaves: int = -1,
    ) -> None:
        self.to = to
        self.before = before
        self.after = after
        self.sure = sure
        self.enters = enters
        self.leaves = leaves


class Builder:
    """Builds the states of an expression from its end to its beginning."""

    def __init__(self) -> None:
        self.states: list[State] = []
        self.sets: dict[str, None] = {ALL: None}
        """The sets of characters, by their expressions."""
        self.looks: dict[Condition, None] = {}
        """The conditions on the character before."""
        self._groups: tuple[int, ...] = ()
        self._loops: tuple[tuple[int, str], ...] = ()
        self._count = 0

    def state(self, *edges: Edge) -> State:
        """Returns a new state."""
        if len(self.states) >= MOST_STATES:
            raise CantTell("it has too many parts")
        made = State(len(self.states), self._groups)
        made.edges += edges
        self.states.append(made)
        return made

    def sequence(self, items: Iterable[Any], flags: int, then: State) -> State:
        """Returns where the items begin that lead to `then`."""
        for operator, value in reversed(list(items)):
            then = self._item(str(operator), value, flags, then)
        return then

    def _item(self, operator: str, value: Any, flags: int, then: State) -> State:
        if operator in CHARACTERS:
            return self._character(operator, value, flags, then)
        if operator in REPEATS:
            low, high, body = value
            if operator == "POSSESSIVE_REPEAT":
                item = ("MAX_REPEAT", value)
                return self._atomic([item], flags, then)
            text = written([(operator, value)])
            return self._repeat(low, high, body, operator == "MIN_REPEAT", text, flags, then)
        if operator == "SUBPATTERN":
            _, add, remove, body = value
            return self.sequence(body, (flags | add) & ~remove, then)
        if operator == "ATOMIC_GROUP":
            return self._atomic(value, flags, then)
        if operator == "BRANCH":
            bodies = [self.sequence(body, flags, then) for body in value[1]]
            return self.state(*map(Edge, bodies))
        if operator == "AT":
            return self._point(str(value), flags, then)
        if operator in ("ASSERT", "ASSERT_NOT"):
            return self._look(operator == "ASSERT", value[0], value[1], flags, then)
        if operator == "GROUPREF":
            raise CantTell("it refers back to a group, which may be as long as the text")
        if operator == "GROUPREF_EXISTS":
            _, yes, no = value
            bodies = [self.sequence(body or (), flags, then) for body in (yes, no)]
            return self.state(*(Edge(body, sure=False) for body in bodies))
        # Every other operator never matches, or is of a Python that is yet to come.
        raise CantTell(f"nothing is known about {operator}")

    def _set(self, operator: str, value: Any, flags: int) -> str:
        name = written_set((operator, value), flags)
        self.sets[name] = None
        return name

    def _named_set(self, name: str) -> str:
        self.sets[name] = None
        return name

    def _character(self, operator: str, value: Any, flags: int, then: State) -> State:
        made = self.state()
        made.character = self._set(operator, value, flags)
        made.to = then
        made.loops = self._loops
        made.dear = bool(flags & re.IGNORECASE)
        return made

    def _repeat(
        self, low: int, high: int, body: Any, lazy: bool, text: str, flags: int, then: State
    ) -> State:
        """Returns where a repeat begins: copies of its body, and perhaps a loop behind them."""
        low = min(low, MOST_COPIES)
        if high > MOST_COPIES:
            copies = max(low - 1, 0)
            then = self._loop(body, lazy, text, flags, then, sure=high == ENDLESS, once=low > 0)
        else:
            copies, out = low, then
            for _ in range(high - low):
                inner = self.sequence(body, flags, then)
                edges = [Edge(inner), Edge(out)]
                then = self.state(*(reversed(edges) if lazy else edges))
        for _ in range(copies):
            then = self.sequence(body, flags, then)
        return then

    def _loop(
        self, body: Any, lazy: bool, text: str, flags: int, then: State, *, sure: bool, once: bool
    ) -> State:
        """Returns where a repeat without end begins, whose body is there at least `once` or not."""
        head = self.state()
        around = self._loops
        self._count += 1
        self._loops = (*around, (self._count, text))
        inner = self.sequence(body, flags, head)
        self._loops = around
        inner.light = len(body) == 1 and str(body[0][0]) in CHARACTERS
        head.out = Edge(then, sure=sure)
        head.edges += [Edge(inner, sure=sure), head.out]
        if lazy:
            head.edges.reverse()
        return inner if once else head

    def _atomic(self, body: Any, flags: int, then: State) -> State:
        """Returns where an atomic group begins."""
        around = self._groups
        self._count += 1
        number = self._count
        self._groups = (*around, number)
        end = self.state(Edge(then, leaves=number))
        inner = self.sequence(body, flags, end)
        self._groups = around
        return self.state(Edge(inner, enters=number))

    def _point(self, name: str, flags: int, then: State) -> State:
        """Returns where a point such as the beginning of the text or a boundary of words is."""
        newline = self._named_set(_NOT_NEWLINE)
        if name.startswith("AT_BEGINNING"):
            per_line = flags & re.MULTILINE and name == "AT_BEGINNING"
            return self.state(self._behind(then, (newline if per_line else ALL, False)))
        if name.startswith("AT_END"):
            return self.state(Edge(then, after=(newline if name == "AT_END" else ALL, False)))
        word = self._named_set(r"(?a:\w)" if flags & re.ASCII else r"(?:\w)")
        same = name == "AT_NON_BOUNDARY"
        return self.state(
            *(
                self._behind(then, (word, is_word), (word, is_word == same))
                for is_word in (True, False)
            )
        )

    def _behind(self, then: State, before: Condition, after: Condition | None = None) -> Edge:
        self.looks[before] = None
        return Edge(then, before=before, after=after)

    def _look(self, wanted: bool, direction: int, body: Any, flags: int, then: State) -> State:
        """Returns where a look ahead or behind is."""
        if len(body) == 1 and str(body[0][0]) in CHARACTERS:
            condition = (self._set(str(body[0][0]), body[0][1], flags), wanted)
            if direction > 0:
                return self.state(Edge(then, after=condition))
            return self.state(self._behind(then, condition))
        if direction < 0:
            if _steps(body)[1] > LONGEST_LOOK_BEHIND:
                raise CantTell("it looks behind in too many ways")
            return self.state(Edge(then, sure=False))
        # A look is a way of its own, which is over when it has found something.
        seen = self._atomic(body, flags, self.state())
        return self.state(Edge(seen, sure=False), Edge(then, sure=False))


def leads_out(state: State, group: int) -> bool:
    """Returns whether nothing keeps one who is at the state from leaving the atomic group."""
    seen = set()
    ahead = [state]
    while ahead:
        here = ahead.pop()
        if here.number in seen:
            continue
        seen.add(here.number)
        for edge in here.edges:
            if edge.leaves == group:
                return True
            if edge.sure and not (edge.before or edge.after) and edge.enters == -1:
                ahead.append(edge.to)
    return False


def _steps(items: Iterable[Any]) -> tuple[int, int]:
    """Returns in how many ways items can be matched at most, and in how many steps all of them."""
    ways, steps = 1, 0
    for operator, value in items:
        its_ways, its_steps = _steps_of(str(operator), value)
        steps += ways * its_steps
        ways *= its_ways
    return ways, steps


def _steps_of(operator: str, value: Any) -> tuple[int, int]:
    if operator in CHARACTERS or operator == "AT":
        return 1, 1
    if operator == "SUBPATTERN":
        return _steps(value[3])
    if operator == "BRANCH":
        bodies = list(map(_steps, value[1]))
        return sum(ways for ways, _ in bodies), sum(steps for _, steps in bodies)
    if operator in REPEATS:
        ways, steps = _steps(value[2])
        times = min(value[0], LONGEST_LOOK_BEHIND + 1)
        return ways**times, steps * times * ways**times
    raise CantTell("it looks behind at more than characters")
