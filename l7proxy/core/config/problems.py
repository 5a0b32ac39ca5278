"""Problems with a configuration: each has its place, and all are collected before it is refused.

A problem's place is a JSON pointer (RFC 6901) into what was written.
"""

from __future__ import annotations

from l7proxy.core.config.strict_json import JsonObject

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping


class Problem:
    """One thing wrong with a configuration, where it is, and what to do about it."""

    __slots__ = ("message", "pointer", "structural")

    def __init__(self, pointer: str, message: str, *, structural: bool = True) -> None:
        self.pointer = pointer
        self.message = message
        self.structural = structural
        """False where the value has the right shape and contradicts another part of the file."""

    def __str__(self) -> str:
        # The pointer to the whole is empty (RFC 6901, 5).
        return f"{self.pointer}: {self.message}" if self.pointer else self.message

    __repr__ = __str__

    def under(self, pointer: str) -> Problem:
        """Returns the same problem, where the whole that its pointer is for is at `pointer`."""
        return Problem(pointer + self.pointer, self.message, structural=self.structural)


class Problems:
    """Collects problems, so that a person sees all of them at once.

    `allowed` has what may be named of files and the like (`outside`), each with its noun, or with
    "" if it may be anything; None allows all.
    """

    def __init__(self, allowed: Collection[tuple[str, str]] | None = None) -> None:
        self.found: list[Problem] = []
        self._allowed = allowed
        self._defined: dict[str, dict[str, None]] = {}
        self._references: list[tuple[str, str, str]] = []
        self._suggestions = MOST_SUGGESTIONS

    def add(self, pointer: str, message: str, *, structural: bool = True) -> None:
        """Adds a problem: unless said otherwise, a value of the wrong shape."""
        self.found.append(Problem(pointer, message, structural=structural))

    def conflict(self, pointer: str, message: str) -> None:
        """Adds a contradiction between values that are each well formed."""
        self.add(pointer, message, structural=False)

    def define(self, noun: str, name: str) -> None:
        """Notes that something has this name, so that others may refer to it.

        `noun` is the word for such things in error messages ("pool"); each noun has its own names.
        """
        self._defined.setdefault(noun, {})[name] = None

    def refer(self, pointer: str, noun: str, name: str) -> None:
        """Notes a reference; whether it leads anywhere is known when all is loaded."""
        self._references.append((pointer, noun, name))

    def may_name(self, pointer: str, noun: str, name: str) -> bool:
        """Returns whether something outside may be named; adds a problem where it may not."""
        allowed = self._allowed
        if allowed is None or (noun, name) in allowed or ("", name) in allowed:
            return True
        self.conflict(
            pointer,
            f'the {noun} "{name}" can\'t be named here: it has to be in the configuration at the '
            "start, or allowed by --allow",
        )
        return False

    def resolve(self) -> None:
        """Adds a problem for every reference to something that nothing defines."""
        for pointer, noun, name in self._references:
            known = self._defined.get(noun, ())
            if name not in known:
                self.conflict(pointer, f'no {noun} named "{name}"{self.suggestion(name, known)}')

    def suggestion(self, word: str, known: Iterable[str], likeness: float = 0.6) -> str:
        """Returns as the function `suggestion` does, for the first so many words."""
        if not self._suggestions:
            return ""
        self._suggestions -= 1
        return suggestion(word, known, likeness)

    def __len__(self) -> int:
        return len(self.found)


class ConfigError(ValueError):
    """A configuration was refused; `problems` lists every reason."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))


LONGEST_WORD = 100
"""Characters of the longest word that something near is looked for."""
MOST_KNOWN = 200
"""Known words that are compared with one at most."""
MOST_SUGGESTIONS = 50
"""Words of one configuration that something near is looked for."""


def suggestion(word: str, known: Iterable[str], likeness: float = 0.6) -> str:
    """Returns `; did you mean "users"?`, or nothing where no known word is near; see `nearest`."""
    near = nearest(word, known, likeness)
    return f'; did you mean "{near}"?' if near else ""


def nearest(word: str, known: Iterable[str], likeness: float = 0.6) -> str:
    """Returns the known word that is most like a word, or "" where none is near.

    `likeness` is how near, from 0 (anything) to 1 (the same). Comparing two words takes time by the
    product of their lengths: of very many known words only the first are looked at, and no long
    ones.
    """
    if len(word) > LONGEST_WORD:
        return ""
    import difflib
    from itertools import islice

    short = [name for name in islice(known, MOST_KNOWN) if len(name) <= LONGEST_WORD]
    near = difflib.get_close_matches(word, short, n=1, cutoff=likeness)
    return near[0] if near else ""


def pointer_to(pointer: str, *path: str | int) -> str:
    """Returns the JSON pointer that goes on from `pointer` by the keys and indexes of `path`."""
    for key in path:
        if type(key) is str and ("~" in key or "/" in key):
            key = key.replace("~", "~0").replace("/", "~1")
        pointer = f"{pointer}/{key}"
    return pointer


def json_type(value: object) -> str:
    """Returns the name of a JSON value's type, with its article, for error messages."""
    if value is None:
        return "null"
    if value is True or value is False:
        return "a boolean"
    names = {str: "a string", int: "a number", float: "a number", list: "an array"}
    return names.get(type(value), "an object")


def refuse_repeated(value: Mapping[str, object], at: str, problems: Problems) -> None:
    """Adds a problem for each key that is written twice in an object.

    JSON parsers hide the mistake: the last one silently wins.
    """
    if isinstance(value, JsonObject):
        for key in value.repeated:
            problems.conflict(pointer_to(at, key), "is written more than once")
