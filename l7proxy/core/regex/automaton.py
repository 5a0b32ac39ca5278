"""Regular expressions as automata: a path through one is what a backtracking matcher tries.

The nodes are the characters in the expression. A path of nodes that a text can take is a way in
which Python's matcher may go through that text before it gives up: where there are few of them
for every text, matching is fast. Of an atomic group, or a possessive repeat, those ways are left
out that are not tried because of what the next character is.
"""

from __future__ import annotations

import re
from functools import lru_cache

from l7proxy.core.regex.states import ALL, Builder, CantTell, leads_out
from l7proxy.core.regex.text import parsed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from l7proxy.core.regex.states import Condition, Edge, State

MOST_WAYS = 1000
"""The most ways from one character to the next, along which nothing is read."""

PATH_CHARACTERS = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) not in "#?\\")
"""The characters that a path in normal form can have."""
OCTETS = "".join(map(chr, range(256)))
_BEYOND = "\u0430\u0660\u2003\u20ac"
"""A letter, a digit, a blank and another character: all that a class of characters tells apart."""
_EITHER_CASE = "\u0130\u0131\u0178\u017f\u03bc\u1e9e\u212a\u212b"
"""Those that are, in either case, the same as one of the first 256."""
ANY_CHARACTERS = OCTETS + _BEYOND + _EITHER_CASE
"""Of all characters those that an expression tells apart, if it names none beyond the first 256."""


class Way:
    """A way from one character to the next: which the next must be of, and where that is.

    `mask` has a bit for each class of characters, and `END` for the end of the text; `state` is
    None where the expression has been matched. `sure` is whether nothing else is asked.
    """

    __slots__ = ("mask", "state", "sure")

    def __init__(self, state: State | None, mask: int, sure: bool) -> None:
        self.state = state
        self.mask = mask
        self.sure = sure


END = 1
"""The bit for the end of the text, or the beginning; the classes of characters have the others."""


class Automaton:
    """An expression's states, and the ways between its characters.

    Characters that the expression does not tell apart are one class. `everything` has the bits of
    all classes, and `samples` a character of each, by its bit. `groups` are the classes, and `END`,
    that it does not tell apart when it looks behind.
    """

    def __init__(self, text: str, flags: int, alphabet: str) -> None:
        """Raises `CantTell`, and what `re.compile` does."""
        tree = parsed(text, flags)
        if alphabet is ANY_CHARACTERS and _names_others(text):
            alphabet = "".join(map(chr, range(0x110000)))
        builder = Builder()
        self.end = builder.state()
        self.start = builder.sequence(tree, tree.state.flags, self.end)
        for state in builder.states:
            if state.groups and state.to is not None:
                state.ends = leads_out(state.to, state.groups[-1])
        self.masks, self.samples = _classes(tuple(builder.sets), alphabet)
        self.everything = self.masks[ALL]
        self.groups = self._groups_for(builder.looks)
        self._known: dict[tuple[int, int], list[Way]] = {}

    def _groups_for(self, looks: Iterable[Condition]) -> list[int]:
        groups = [self.everything | END]
        for condition in looks:
            mask = self.meets(condition)
            groups = [part for group in groups for part in (group & mask, group & ~mask) if part]
        return groups

    def ways(self, state: State, before: int) -> list[Way]:
        """Returns the ways on from a state, with the character `before` it of that group.

        Raises `CantTell` where there are too many.
        """
        key = state.number, before
        found = self._known.get(key)
        if found is None:
            walk = _Walk(self, before)
            walk.visit(state, self.everything | END, True)
            found = self._known[key] = walk.found
        return found

    def meets(self, condition: Condition | None) -> int:
        """Returns the bits of the classes, and of the end, for which a condition holds."""
        if condition is None:
            return self.everything | END
        name, wanted = condition
        mask = self.masks[name]
        return mask if wanted else (self.everything | END) & ~mask


class _Walk:
    """Finds the ways on from a state, in the order in which they are tried."""

    def __init__(self, automaton: Automaton, before: int) -> None:
        self.found: list[Way] = []
        self._automaton = automaton
        self._before = before
        self._turns: set[int] = set()
        """The repeats in whose body nothing has been read yet."""
        self._decided: dict[int, int] = {}
        """For what next characters an atomic group ends before anything else in it is tried."""
        self._tried: dict[int, int] = {}
        """For which of them something in the group is tried before, whether it ends then or not."""

    def visit(self, state: State, mask: int, sure: bool) -> None:
        """Adds the ways from a state, of which the next character is in the mask."""
        if state.character is not None:
            mask &= self._automaton.masks[state.character]
            if mask:
                self._add(state, mask, sure and not self._may_end_before(state.groups, mask))
                for group in state.groups:
                    self._note(self._tried, group, mask)
                if state.ends and sure:
                    self._note(self._decided, state.groups[-1], mask)
            return
        if state is self._automaton.end:
            self._add(None, mask, sure)
            return
        # Behind a turn in which nothing was read a repeat is left.
        turn = state.number in self._turns
        for edge in state.edges:
            if edge is state.out:
                self._turns.discard(state.number)
            elif turn:
                continue
            elif state.out is not None:
                self._turns.add(state.number)
            self._follow(edge, state, mask, sure)
        if turn:
            self._turns.add(state.number)
        else:
            self._turns.discard(state.number)

    def _follow(self, edge: Edge, state: State, mask: int, sure: bool) -> None:
        automaton = self._automaton
        if not self._before & automaton.meets(edge.before):
            return
        mask &= automaton.meets(edge.after)
        for group in state.groups:
            mask &= ~self._decided.get(group, 0)
        if not mask:
            return
        sure = sure and edge.sure
        if edge.enters >= 0:
            before = self._decided.pop(edge.enters, 0), self._tried.pop(edge.enters, 0)
            self.visit(edge.to, mask, sure)
            self._decided[edge.enters], self._tried[edge.enters] = before
        elif edge.leaves >= 0:
            sure = sure and not self._may_end_before((edge.leaves,), mask)
            self.visit(edge.to, mask, sure)
            self._note(self._tried, edge.leaves, mask)
            if sure:
                self._note(self._decided, edge.leaves, mask)
        else:
            self.visit(edge.to, mask, sure)

    def _may_end_before(self, groups: Iterable[int], mask: int) -> bool:
        """Returns whether one of the groups may have ended elsewhere before this is tried."""
        return any(self._tried.get(group, 0) & mask for group in groups)

    def _note(self, masks: dict[int, int], group: int, mask: int) -> None:
        masks[group] = masks.get(group, 0) | mask

    def _add(self, state: State | None, mask: int, sure: bool) -> None:
        if len(self.found) >= MOST_WAYS:
            raise CantTell("there are too many ways to match nothing")
        self.found.append(Way(state, mask, sure))


def _classes(sets: tuple[str, ...], alphabet: str) -> tuple[dict[str, int], dict[int, str]]:
    """Returns the mask of each set of characters, and a character of each class by its bit."""
    spans = {name: _spans(name, alphabet) for name in sets}
    cuts = {0, len(alphabet)}
    for found in spans.values():
        for span in found:
            cuts.update(span)
    places = sorted(cuts)
    index = {place: number for number, place in enumerate(places)}
    signatures = [0] * len(places)
    for number, found in enumerate(spans.values()):
        for start, end in found:
            for piece in range(index[start], index[end]):
                signatures[piece] |= 1 << number
    bits: dict[int, int] = {}
    samples: dict[int, str] = {}
    for place, signature in zip(places, signatures[:-1], strict=False):
        bit = bits.setdefault(signature, END << (len(bits) + 1))
        samples[bit] = min(samples.get(bit, alphabet[place]), alphabet[place], key=_strangeness)
    masks = {
        name: sum(bit for signature, bit in bits.items() if signature >> number & 1)
        for number, name in enumerate(sets)
    }
    return masks, samples


def _names_others(text: str) -> bool:
    """Returns whether an expression may name characters beyond the first 256."""
    return max(text, default="") > "\xff" or any(escape in text for escape in (r"\u", r"\U", r"\N"))


def _strangeness(character: str) -> tuple[bool, bool]:
    """Returns what of two characters the one has less of that is shown to people."""
    return not (character.isascii() and character.isalnum()), not character.isprintable()


@lru_cache(1024)
def _spans(name: str, alphabet: str) -> list[tuple[int, int]]:
    """Returns where in the alphabet the characters of a set are."""
    return [found.span() for found in re.finditer(f"{name}+", alphabet)]
