"""The ways that a match can go, as a graph: those that come to nothing, and the trunk.

Only ways that fail cost more than the match itself (Weideman and others, 2016). Where every text
that may follow is accepted, nothing is tried again, so such nodes are in no failing way. A match
that succeeds is one way more, the trunk, from which failing ways branch off. A search is begun at
each character: its trunk passes over the characters before a match, and goes on behind one.
"""

from __future__ import annotations

from l7proxy.core.regex.automaton import END, Automaton
from l7proxy.core.regex.uses import FULL, SEARCH

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from l7proxy.core.regex.states import State

    Step = tuple[int, "Node"]
    """The classes of characters, as bits, along which it leads, and where to."""

_FRAME = 5
"""Steps that it takes to come back to a place that is no repeat of one character."""
_DEAR = 6
"""Steps that it takes to look for a character in either case."""


class Node:
    """A place in a text: the state whose character has just been read, and the class of that.

    - `state` is None at the beginning, and where a search has not begun
    - `failing` are the steps on ways that come to nothing, `branches` those away from the trunk
    - `trunk` are the steps that a match which succeeds can take
    - `price` is how many steps of the matcher it takes to try all ways on
    """

    __slots__ = (
        "accepting",
        "before",
        "branches",
        "edges",
        "failing",
        "number",
        "price",
        "state",
        "sure",
        "surely_accepting",
        "trunk",
    )

    def __init__(self, number: int, state: State | None, before: int) -> None:
        self.number = number
        self.state = state
        self.before = before
        self.edges: list[Step] = []
        self.sure: list[Step] = []
        self.trunk: list[Step] = []
        self.failing: list[Step] = []
        self.branches: list[Step] = []
        self.accepting = 0
        """What may follow where the expression has been matched, as bits."""
        self.surely_accepting = 0
        """The part of it for which it certainly has been."""
        self.price = 1


class MatchGraph:
    """The graph of an automaton, for one use of it.

    `nodes` are all of it, and `start` is where the trunk begins. A match that fails as a whole has
    only failing ways: from `start`, if `fails_from_start`.
    """

    def __init__(self, automaton: Automaton, use: str) -> None:
        """Raises `CantTell`."""
        self._automaton = automaton
        self._any = automaton.everything | END
        self._known: dict[tuple[int, int], Node] = {}
        self.nodes: list[Node] = []
        self.start = self._node(None, next(group for group in automaton.groups if group & END))
        self.fails_from_start = use != SEARCH
        if use == SEARCH:
            for group in automaton.groups:
                self._node(None, group)
        for node in self.nodes:
            self._connect(node)
        for node in self.nodes:
            node.trunk += node.edges
        self._leave_out(self._accepted(use))
        if use == SEARCH:
            self._search_on()

    def _node(self, state: State | None, before: int) -> Node:
        number = -1 if state is None else state.number
        found = self._known.get((number, before))
        if found is None:
            found = self._known[number, before] = Node(len(self.nodes), state, before)
            self.nodes.append(found)
        return found

    def _connect(self, node: Node) -> None:
        """Gives a node its edges; the nodes at their ends may be new."""
        state = self._automaton.start if node.state is None else node.state.to
        assert state is not None
        for way in self._automaton.ways(state, node.before):
            if way.state is None:
                node.accepting |= way.mask
                if way.sure:
                    node.surely_accepting |= way.mask
                continue
            node.price += _DEAR if way.state.dear else 1
            for bits, group in self._apart(way.mask):
                step = bits, self._node(way.state, group)
                node.edges.append(step)
                if way.sure:
                    node.sure.append(step)
        if node.state is None or not node.state.light:
            node.price += _FRAME

    def _apart(self, mask: int) -> Iterator[tuple[int, int]]:
        """Yields the parts of a mask that are told apart afterwards, each with its group."""
        for group in self._automaton.groups:
            if mask & group & ~END:
                yield mask & group & ~END, group

    def _search_on(self) -> None:
        """Has the trunk pass over characters before a match, and behind one."""
        begins = [node for node in self.nodes if node.state is None]
        for node in begins:
            for bits, group in self._apart(self._automaton.everything):
                node.trunk.append((bits, self._node(None, group)))
        for node in self.nodes:
            if node.state is not None and node.accepting:
                begin = self._node(None, node.before)
                node.trunk += begin.trunk
                node.branches += begin.branches

    def _accepted(self, use: str) -> dict[Node, int]:
        """Returns the nodes from which every text is accepted, and for each node what may follow
        so that this is certain, as bits."""
        # At the end of the text the whole of it has been matched.
        counts = END if use == FULL else self._any
        certain = {node: node.surely_accepting & counts for node in self.nodes}
        good = set(self.nodes)
        while True:
            found = {
                node: certain[node] | _union(bits for bits, to in node.sure if to in good)
                for node in self.nodes
            }
            still = {node for node in good if found[node] == self._any}
            if still == good:
                return found
            good = still

    def _leave_out(self, accepted: dict[Node, int]) -> None:
        """Gives the nodes their steps that may come to nothing."""
        for node in self.nodes:
            node.branches += [step for step in node.edges if accepted[step[1]] != self._any]
            if accepted[node] != self._any:
                rest = ~accepted[node]
                node.failing += [(bits & rest, to) for bits, to in node.branches if bits & rest]


def _union(masks: Iterable[int]) -> int:
    together = 0
    for mask in masks:
        together |= mask
    return together
