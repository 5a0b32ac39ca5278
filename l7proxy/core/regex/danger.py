"""Whether a regular expression takes linear time, whatever text it is matched with.

Python's matcher backtracks: it tries one way through the expression after the other. It is fast
where, at each character of each text, few ways are open that come to nothing. Over a graph of these
ways that can be told (Weber and Seidl, 1991). Their number grows

- exponentially, if some node can be reached from itself by one text in two ways;
- as a power of the text's length, if of two nodes each can be reached from itself, and the second
  from the first, by one text;
- else it has a bound, which is found here by following all ways that are open at once.
"""

from __future__ import annotations

import json
from functools import lru_cache

from l7proxy.core.regex.automaton import ANY_CHARACTERS, Automaton
from l7proxy.core.regex.graph import MatchGraph
from l7proxy.core.regex.states import CantTell

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from l7proxy.core.regex.graph import Node, Step

    Place = tuple[Node, ...]
    """Nodes that are reached by the same text."""
    Steps = Callable[[Place], Iterator[tuple[int, Place]]]
    """Yields the next places, each with the classes of characters that lead there, as bits."""
    Open = tuple[Node | None, tuple[tuple[int, int], ...]]
    """Where the trunk is, None where there is none, and the failing ways open beside it: the
    number of each node that some are at, and how many."""

MOST_WORK = 300_000
"""Steps of the analysis after which it gives up; ten are about a microsecond."""
MOST_SETS = 20_000
"""Sets of ways open at once after which it does."""
NANOSECONDS = 2
"""How long a step of the matcher takes, the price of nodes being counted in such."""
LONGEST_MATCH = 10_000_000
"""Nanoseconds that a match may take."""
LONGEST_SHOWN = 60
"""Characters of an expression's part that people are shown."""


class Danger:
    """Why an expression may take long: `text` says it to people.

    A match takes longer with each `pump` that a text has more; it is "" where none is known.
    """

    __slots__ = ("pump", "text")

    def __init__(self, text: str, pump: str = "") -> None:
        self.text = text
        self.pump = pump


@lru_cache(1024)
def find_danger(
    text: str, use: str, flags: int = 0, alphabet: str = ANY_CHARACTERS, longest: int = 32768
) -> Danger | None:
    """Returns why matching a text of `longest` characters may take more than `LONGEST_MATCH`.

    `use` is one of those of `uses`, and `alphabet` has the characters that texts are of.
    Returns None where it can't take so long. Raises what `re.compile` does, but RecursionError.
    """
    try:
        automaton = Automaton(text, flags, alphabet)
        search = _Search(automaton, MatchGraph(automaton, use))
        return search.doubling() or search.power() or search.price(longest)
    except CantTell as error:
        return Danger(str(error))
    except RecursionError:
        return Danger("it is nested too deep")


class _Search:
    """Looks for dangers in a graph."""

    def __init__(self, automaton: Automaton, graph: MatchGraph) -> None:
        self._samples = automaton.samples
        self._graph = graph
        self._work = 0

    def doubling(self) -> Danger | None:
        """Returns the danger that failing ways double again and again, if there is one."""
        for cycle in _cycles(self._graph.nodes, lambda node: node.failing):
            pump = self._two_ways(cycle)
            if pump is not None:
                return Danger(
                    f"{_loop_around(cycle)} can read {_shown(pump)} in ways that double again and "
                    "again; make a repeat in it possessive, as a++, or put (?>...) around its part",
                    pump,
                )
        return None

    def power(self) -> Danger | None:
        """Returns the danger that the failing ways are as many as characters, if there is one."""
        trunks = list(_cycles(self._graph.nodes, lambda node: node.trunk))
        cycles = list(_cycles(self._graph.nodes, lambda node: node.failing))
        for trunk in trunks:
            for cycle in cycles:
                # Ways that part within a set of which each reaches each can meet again, and double.
                if trunk == cycle and all(node.trunk == node.failing for node in trunk):
                    continue
                pump = self._shared(trunk, cycle)
                if pump is not None:
                    return Danger(_why_shared(trunk, cycle, pump), pump)
        return None

    def price(self, longest: int) -> Danger | None:
        """Returns the danger that too many ways are open at once, if there is one."""
        limit = LONGEST_MATCH // longest // NANOSECONDS
        graph = self._graph
        begin: list[Open] = [(graph.start, ())]
        if graph.fails_from_start:
            begin.append((None, ((graph.start.number, 1),)))
        seen = set(begin)
        ahead = list(begin)
        while ahead:
            here = ahead.pop()
            price = self._price(here)
            if price > limit:
                return Danger(f"{price} steps may be needed for a single character, over {limit}")
            for bit in self._samples:
                for following in self._following(here, bit):
                    if following not in seen:
                        seen.add(following)
                        ahead.append(following)
            if len(seen) > MOST_SETS or self._work > MOST_WORK:
                raise CantTell("it has too many parts that may be begun while others are open")
        return None

    def _two_ways(self, cycle: set[Node]) -> str | None:
        """Returns a text that leads from a node to itself in two ways, None where none does."""

        def steps(place: Place) -> Iterator[tuple[int, Place]]:
            one, other = place
            for bits, to in one.failing:
                for its_bits, its_to in other.failing:
                    if bits & its_bits and to in cycle and its_to in cycle:
                        yield bits & its_bits, (to, its_to)

        for node in _in_order(cycle):
            inside = [step for step in node.failing if step[1] in cycle]
            for index, (bits, to) in enumerate(inside):
                for its_bits, its_to in inside[:index]:
                    if to is its_to and bits & its_bits:
                        back = self._text((to, to), (node, node), steps)
                        assert back is not None
                        return self._sample(bits & its_bits) + back
        start = _in_order(cycle)[0]
        reached = self._reached((start, start), steps)
        for apart in _leading_to((start, start), reached, steps):
            if apart[0] is not apart[1]:
                there = self._text((start, start), apart, steps)
                back = self._text(apart, (start, start), steps)
                assert there is not None and back is not None
                return there + back
        return None

    def _shared(self, trunk: set[Node], cycle: set[Node]) -> str | None:
        """Returns a text that leads from a node of the trunk to itself and to one of the cycle,
        and from that to itself; None where there is none."""

        def steps(place: Place) -> Iterator[tuple[int, Place]]:
            ahead, way, loop = place
            for bits, to in loop.failing:
                for its_bits, its_ahead in ahead.trunk:
                    both = bits & its_bits
                    if both and to in cycle and its_ahead in trunk:
                        for way_bits, its_way in _beside(ahead, way, its_ahead):
                            if both & way_bits:
                                yield both & way_bits, (its_ahead, its_way, to)

        for begin in _in_order(trunk):
            for end in _in_order(cycle):
                if begin is not end:
                    found = self._text((begin, begin, end), (begin, end, end), steps)
                    if found is not None:
                        return found
        return None

    def _reached(self, start: Place, steps: Steps) -> dict[Place, tuple[Place, int]]:
        """Returns the places that can be reached, each with that before it and the step's bits."""
        reached: dict[Place, tuple[Place, int]] = {start: (start, 0)}
        for place in (ahead := [start]):
            for bits, to in steps(place):
                self._work += 1
                if to not in reached:
                    reached[to] = place, bits
                    ahead.append(to)
            if self._work > MOST_WORK:
                raise CantTell("it has too many parts that can read the same characters")
        return reached

    def _text(self, start: Place, end: Place, steps: Steps) -> str | None:
        """Returns a text that leads from one place to another, None where none does."""
        reached = self._reached(start, steps)
        if end not in reached:
            return None
        said = []
        while end != start:
            end, bits = reached[end]
            said.append(self._sample(bits))
        return "".join(reversed(said))

    def _sample(self, bits: int) -> str:
        return next(sample for bit, sample in self._samples.items() if bit & bits)

    def _price(self, here: Open) -> int:
        trunk, ways = here
        nodes = self._graph.nodes
        price = 0 if trunk is None else trunk.price
        return price + sum(nodes[number].price * count for number, count in ways)

    def _following(self, here: Open, bit: int) -> Iterator[Open]:
        """Yields what may be open behind one character more."""
        trunk, ways = here
        nodes = self._graph.nodes
        counts: dict[int, int] = {}
        for number, count in ways:
            for bits, to in nodes[number].failing:
                if bits & bit:
                    counts[to.number] = counts.get(to.number, 0) + count
        if trunk is None:
            yield None, tuple(sorted(counts.items()))
            return
        branches = [to for bits, to in trunk.branches if bits & bit]
        for ahead in dict.fromkeys(to for bits, to in trunk.trunk if bits & bit):
            more = dict(counts)
            for to in branches:
                if to is not ahead:
                    more[to.number] = more.get(to.number, 0) + 1
            yield ahead, tuple(sorted(more.items()))
        self._work += 1


def _beside(trunk: Node, way: Node, ahead: Node) -> Iterator[Step]:
    """Yields the steps of a way while the trunk goes ahead, or branches off where the way is."""
    if way is trunk:
        # As long as it has not branched off, it is where the trunk is.
        yield -1, ahead
    for bits, to in trunk.branches if way is trunk else way.failing:
        if to is not ahead:
            yield bits, to


def _leading_to(end: Place, reached: Iterable[Place], steps: Steps) -> list[Place]:
    """Returns those of the places that lead to another one of them."""
    before: dict[Place, list[Place]] = {}
    for place in reached:
        for _, to in steps(place):
            before.setdefault(to, []).append(place)
    found = {end: None}
    for place in (ahead := [end]):
        for earlier in before.get(place, ()):
            if earlier not in found:
                found[earlier] = None
                ahead.append(earlier)
    return list(found)


def _cycles(nodes: Iterable[Node], steps: Callable[[Node], list[Step]]) -> Iterator[set[Node]]:
    """Yields the largest sets of nodes each of which can be reached from each, by a step or more.

    They are found as by Tarjan (1972).
    """
    order: dict[Node, int] = {}
    low: dict[Node, int] = {}
    stack: list[Node] = []
    done: set[Node] = set()
    for root in nodes:
        path = [] if root in order else [(root, iter(steps(root)))]
        while path:
            node, rest = path[-1]
            if node not in order:
                order[node] = low[node] = len(order)
                stack.append(node)
            new = next((to for _, to in rest if to not in order), None)
            if new is not None:
                path.append((new, iter(steps(new))))
                continue
            path.pop()
            open_ends = [low[to] for _, to in steps(node) if to not in done]
            low[node] = min([low[node], *open_ends])
            if low[node] == order[node]:
                place = stack.index(node)
                found = set(stack[place:])
                del stack[place:]
                done |= found
                if len(found) > 1 or any(to is node for _, to in steps(node)):
                    yield found


def _in_order(nodes: Iterable[Node]) -> list[Node]:
    return sorted(nodes, key=lambda node: node.number)


def _loop_around(nodes: Iterable[Node]) -> str:
    """Returns the text of the outermost endless repeat around all the nodes."""
    loops = [node.state.loops for node in nodes if node.state is not None]
    text = next(text for number, text in loops[0] if all((number, text) in its for its in loops))
    return text if len(text) <= LONGEST_SHOWN else text[:LONGEST_SHOWN] + "…"


def _why_shared(trunk: set[Node], cycle: set[Node], pump: str) -> str:
    if any(node.state is None for node in trunk):
        return (
            f"{_loop_around(cycle)} is tried from many characters of {_shown(pump)}, each time on "
            "to the end; begin with ^, or with what that can't read"
        )
    return (
        f"{_loop_around(trunk)} and {_loop_around(cycle)} can share {_shown(pump)} in as many "
        "ways as it is long; let one stop where the other begins, as [^/]* for .*"
    )


def _shown(pump: str) -> str:
    """Returns a text that repeats the pump, as people are shown it."""
    text = pump * (1 + 8 // len(pump))
    return f'{json.dumps(text)[:-1]}…"'
