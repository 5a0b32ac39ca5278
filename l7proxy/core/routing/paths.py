"""What the path of a route matches, and how specific it is.

| written | matches | literal prefix |
| --- | --- | --- |
| `path: /a` and `path_pattern: /a` | `/a` | exact |
| `/a/*` | `/a`, `/a/` and all below | `/a/` |
| `/a/v*` | `/a/v`, `/a/v1` and all below each | `/a/v` |
| `/a/*/c` | `/a/x/c`, not `/a//c` | `/a/` |
| `/a/v*/c` | `/a/v1/c`, `/a/v/c` | `/a/v` |
| `/*` | every path | `/` |
| `path_regex` | paths that it matches as a whole | none |
| none of these | every path | none |
"""

from __future__ import annotations

import re

from l7proxy.core.http.target import normal_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from l7proxy.core.config import RouteConfig
    from l7proxy.core.http.target import PathRules

EXACT = 0
PREFIX = 1
REGEX = 2
ANY = 3


class PathMatch:
    """How a route's path is looked for.

    - `kind`: `EXACT`, `PREFIX`, `REGEX` or `ANY`, the most specific first
    - `literal`: of a prefix, the text up to its first `*`; of an exact path, all of it
    - `more`: how many literal characters a pattern has after its first `*`
    - `test`: what the whole path must match, where the literal is not the whole truth
    - `shown`: as written
    """

    __slots__ = ("kind", "literal", "more", "shown", "test")

    def __init__(
        self,
        kind: int,
        literal: str,
        shown: str,
        test: re.Pattern[str] | None = None,
        more: int = 0,
    ) -> None:
        self.kind = kind
        self.literal = literal
        self.shown = shown
        self.test = test
        self.more = more

    @property
    def folder(self) -> str:
        """Of a prefix: the whole segments in its literal, where a path is looked up."""
        return self.literal.rpartition("/")[0]

    def matches(self, path: str) -> bool:
        """Whether the path is one that the route takes."""
        if self.kind == EXACT:
            return path == self.literal
        if self.test is not None:
            return self.test.fullmatch(path) is not None
        return self.kind == ANY or path == self.folder or path.startswith(self.literal)

    def covers(self, other: PathMatch) -> bool:
        """Whether this matches every path that `other` matches, as far as can be told."""
        if self.kind == ANY or self.same_as(other):
            return True
        if self.kind != PREFIX or self.test is not None:
            return self.test is not None and other.kind == EXACT and self.matches(other.literal)
        if self.literal == "/":
            return True
        if other.kind == REGEX:
            assert other.test is not None
            return literal_start(other.test.pattern).startswith(self.literal)
        if other.kind == EXACT:
            return self.matches(other.literal)
        return other.kind == PREFIX and other.literal.startswith(self.literal)

    def same_as(self, other: PathMatch) -> bool:
        """Whether both are written alike."""
        return (self.kind, self.literal, self.test) == (other.kind, other.literal, other.test)


def path_match(route: RouteConfig, rules: PathRules) -> PathMatch:
    """How the route's path is looked for; its texts are put in normal form as a request's is."""
    if route.path is not None:
        return PathMatch(EXACT, normal_path(route.path, rules), route.path)
    if route.path_regex is not None:
        return PathMatch(REGEX, "", route.path_regex, re.compile(route.path_regex))
    if route.path_pattern is None:
        return PathMatch(ANY, "", "any path")
    pattern = normal_path(route.path_pattern, rules)
    literal, star, rest = pattern.partition("*")
    if not star:
        return PathMatch(EXACT, pattern, route.path_pattern)
    if not rest and literal.endswith("/"):
        return PathMatch(PREFIX, literal, route.path_pattern)
    more = len(rest.replace("*", "").replace("/", ""))
    return PathMatch(PREFIX, literal, route.path_pattern, re.compile(_regex(pattern)), more)


def _regex(pattern: str) -> str:
    """A pattern with a `*` as a regular expression for the whole path."""
    *segments, last = pattern.split("/")[1:]
    regex = "".join("/" + _segment(segment) for segment in segments)
    if last == "*":
        return f"(?s:{regex}(?:/.*)?)"
    return f"(?s:{regex}/{_segment(last)}{'(?:/.*)?' if '*' in last else ''})"


def _segment(segment: str) -> str:
    """A `*` stands for any characters but a slash; alone, for at least one."""
    if segment == "*":
        return "[^/]+"
    return "[^/]*".join(map(re.escape, segment.split("*")))


def literal_start(regex: str) -> str:
    """Characters that every match of a regular expression begins with; perhaps not all of them."""
    if "|" in regex:
        return ""
    found = re.match(r"[A-Za-z0-9/_-]*", regex)
    assert found is not None
    start = found[0]
    return start[:-1] if regex[len(start) : len(start) + 1] in ("*", "?", "{") else start
