"""The paths of routes: what they match, and how specific they are.

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

# The forms of a route's path, the most specific first.
EXACT = 0
PREFIX = 1
REGEX = 2
ANY = 3


class PathMatch:
    """A route's path, compiled.

    - `form`: `EXACT`, `PREFIX`, `REGEX` or `ANY`, the most specific first
    - `literal`: of a prefix, the text up to its first `*`; of an exact path, all of it
    - `more`: the number of literal characters that a pattern has after its first `*`
    - `test`: the regular expression for the whole path, where the literal does not say all
    - `shown`: as written
    """

    __slots__ = ("form", "literal", "more", "shown", "test")

    def __init__(
        self,
        form: int,
        literal: str,
        shown: str,
        test: re.Pattern[str] | None = None,
        more: int = 0,
    ) -> None:
        self.form = form
        self.literal = literal
        self.shown = shown
        self.test = test
        self.more = more

    @property
    def folder(self) -> str:
        """The whole segments in a prefix's literal, by which it is looked up."""
        return self.literal.rpartition("/")[0]

    def matches(self, path: str) -> bool:
        """Returns whether the route takes the path."""
        if self.form == EXACT:
            return path == self.literal
        if self.test is not None:
            return self.test.fullmatch(path) is not None
        return self.form == ANY or path == self.folder or path.startswith(self.literal)

    def covers(self, other: PathMatch) -> bool:
        """Returns whether this matches every path that `other` matches, as far as can be told."""
        if self.form == ANY or self.same_as(other):
            return True
        if self.form != PREFIX or self.test is not None:
            return self.test is not None and other.form == EXACT and self.matches(other.literal)
        if self.literal == "/":
            return True
        if other.form == REGEX:
            assert other.test is not None
            return literal_start(other.test.pattern).startswith(self.literal)
        if other.form == EXACT:
            return self.matches(other.literal)
        return other.form == PREFIX and other.literal.startswith(self.literal)

    def same_as(self, other: PathMatch) -> bool:
        """Returns whether both are written alike."""
        return (self.form, self.literal, self.test) == (other.form, other.literal, other.test)


def path_match(route: RouteConfig, rules: PathRules) -> PathMatch:
    """Compiles a route's path; its texts are brought into the normal form of a request's path."""
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
    """Returns the regular expression for the whole path of a pattern with a `*`."""
    *segments, last = pattern.split("/")[1:]
    regex = "".join("/" + _segment(segment) for segment in segments)
    if last == "*":
        return f"(?s:{regex}(?:/.*)?)"
    return f"(?s:{regex}/{_segment(last)}{'(?:/.*)?' if '*' in last else ''})"


def _segment(segment: str) -> str:
    """Returns the regular expression of a segment: `*` is any characters; alone, at least one.

    What is between two `*` is looked for once, from the left: found later it leaves no more room
    for what follows. So the time does not grow with a power of the path's length.
    """
    if segment == "*":
        return "[^/]+"
    first, *rest = map(re.escape, segment.split("*"))
    if not rest:
        return first
    *middle, last = rest
    found = "".join(f"(?>[^/]*?{text})" for text in middle if text)
    return f"{first}{found}[^/]*{last}"


def literal_start(regex: str) -> str:
    """Returns text that every match of a regular expression begins with; perhaps not all of it."""
    if "|" in regex:
        return ""
    found = re.match(r"[A-Za-z0-9/_-]*", regex)
    assert found is not None
    start = found[0]
    return start[:-1] if regex[len(start) : len(start) + 1] in ("*", "?", "{") else start
