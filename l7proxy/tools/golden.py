"""Golden conversations: what is said to a node, and what must be answered to the byte.

A golden conversation is `NAME.in.jsonl`, what is said, and `NAME.out.jsonl`, what is answered;
`NAME.config.json` beside them is its configuration, where it has one of its own.
"""

from __future__ import annotations

from difflib import SequenceMatcher
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from l7proxy.core.config import parse_config

if TYPE_CHECKING:
    from collections.abc import Callable

    from l7proxy.core.config import Config
    from l7proxy.core.exchange import Exchange
    from l7proxy.core.proxy import Proxy
    from l7proxy.tools.coverage import Coverage

    MakeNode = Callable[
        [Config, Callable[[Exchange], None], Callable[[Proxy], None]], "NodeUnderTest"
    ]
    """Makes a node, which calls one function for each exchange that ends and the other for each
    proxy that it puts to work."""

LEGEND = "- expected, + answered, ^ where they differ"
MARK = "^"
_ALIKE = 0.4
"""From 0 (nothing) to 1 (the same); lines that are less alike get no marks."""

_LONGEST = 2000
"""Characters of two lines that are compared one by one."""

IN, OUT, CONFIG = ".in.jsonl", ".out.jsonl", ".config.json"


class NodeUnderTest(Protocol):
    """The node, as far as it is needed here: all times are in seconds."""

    @property
    def idle(self) -> bool: ...

    def feed(self, data: bytes, now: float) -> bytes: ...

    def finish(self, now: float) -> bytes: ...

    def next_deadline(self) -> float | None: ...

    def advance(self, now: float) -> bytes: ...

    def abort(self, now: float) -> bytes: ...


class BadCase(ValueError):
    """A test can't be used; the text says why and where."""


class Golden:
    """One golden conversation on disk."""

    def __init__(self, source: Path, default: Path) -> None:
        """`source` is the `.in.jsonl`; `default` the configuration where it has none."""
        self.source = source
        stem = str(source).removesuffix(IN)
        self.name = Path(stem).name
        self.answers = Path(stem + OUT)
        own = Path(stem + CONFIG)
        self.config = own if own.exists() else default

    def run(self, make_node: MakeNode, coverage: Coverage) -> bytes:
        """Returns what is answered now; raises `ConfigError` and `BadCase`."""
        node = make_node(read_config(self.config), *coverage.listener(str(self.config)))
        out = [node.feed(read_bytes(self.source), 0.0), node.finish(0.0)]
        while not node.idle and (due := node.next_deadline()) is not None:
            out.append(node.advance(due))
        out.append(node.abort(0.0))
        return b"".join(out)

    def differences(self, got: bytes, update: str = "--golden-update") -> str:
        """Returns each line that is not as written down, with its place; "" where all are.

        `update` is the option that has the answers written down. Raises `BadCase`.
        """
        if not self.answers.exists():
            missing = f"{self.answers}: there is no such file; {update} writes it\n"
            return missing + difference(str(self.answers), [], _lines(got))
        return difference(str(self.answers), _lines(read_bytes(self.answers)), _lines(got))

    def update(self, got: bytes) -> bool:
        """Writes down what is answered now; returns whether that is something new.

        Raises `BadCase` where that is nothing: then nothing in the conversation is a message.
        """
        if not got:
            raise BadCase(f"{self.source}: nothing in it is answered")
        if self.answers.exists() and read_bytes(self.answers) == got:
            return False
        self.answers.write_bytes(got)
        return True


def difference(name: str, expected: list[str], got: list[str]) -> str:
    """Returns what differs between lines, each group with the number of its first line."""
    found = []
    matcher = SequenceMatcher(None, expected, got, autojunk=False)
    for tag, start, end, got_start, got_end in matcher.get_opcodes():
        if tag != "equal":
            found.append(f"{name}:{start + 1}:")
            found += _marked(expected[start:end], got[got_start:got_end])
    return "".join(f"{line}\n" for line in found)


def _marked(expected: list[str], got: list[str]) -> list[str]:
    """Returns the lines of a group; those of as many are paired, and marked where they differ."""
    if len(expected) != len(got):
        return [*(f"- {line}" for line in expected), *(f"+ {line}" for line in got)]
    found = []
    for one, other in zip(expected, got, strict=True):
        found += [f"- {one}", f"+ {other}", *marks(one, other).splitlines()]
    return found


def marks(expected: str, got: str) -> str:
    """Returns a line that stands below `+ ` and what was got, with a mark where it differs.

    Where something is missing the mark is at what follows it. Returns "" where nearly nothing is
    the same, for then marks would say nothing. Of long lines only the first difference is marked.
    """
    if len(expected) + len(got) > _LONGEST:
        pairs = enumerate(zip(expected, got, strict=False))
        same = next(
            (at for at, (one, other) in pairs if one != other), min(len(expected), len(got))
        )
        return f"  {' ' * same}{MARK}\n"
    matcher = SequenceMatcher(None, expected, got, autojunk=False)
    if matcher.real_quick_ratio() < _ALIKE or matcher.ratio() < _ALIKE:
        return ""
    line = [" "] * (len(got) + 1)
    for tag, _, _, start, end in matcher.get_opcodes():
        if tag != "equal":
            line[start : max(end, start + 1)] = MARK * max(end - start, 1)
    return f"  {''.join(line).rstrip()}\n"


def _lines(data: bytes) -> list[str]:
    return data.decode("utf-8", "backslashreplace").splitlines()


def read_config(file: Path) -> Config:
    """Returns the configuration in the file; raises `ConfigError` and `BadCase`."""
    return parse_config(read_bytes(file))


def read_bytes(file: Path) -> bytes:
    """Returns what is in the file; raises `BadCase` where it can't be read."""
    try:
        return file.read_bytes()
    except OSError as error:
        raise BadCase(f"{file}: {error.strerror}") from None
