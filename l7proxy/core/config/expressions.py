"""Regular expressions in a configuration: those that could take long are refused.

No request may keep the others waiting, so each expression is held to `LONGEST_MATCH` for the
longest text that a client can send, unless `"backtracking": "allowed"` is beside it.
"""

from __future__ import annotations

import re

from l7proxy.core.config.problems import Problems, pointer_to
from l7proxy.core.config.spec import Mapped, Text
from l7proxy.core.regex.uses import FULL, SEARCH

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from l7proxy.core.config.model import Config
    from l7proxy.core.config.routes import ActionsConfig, RouteConfig
    from l7proxy.core.regex.danger import Danger

LONGEST_LINE = 8 * 1024
"""The longest path, in characters, that an expression has to be fast with at least."""
LONGEST_HEAD = 32 * 1024
"""The same of a value."""


def _checked_regex(text: str) -> str:
    try:
        re.compile(text)
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(f'"{text}" is not a regular expression: {error}') from None
    return text


EXPRESSION = Mapped(Text(min_length=1), _checked_regex)
ALLOWED = "allowed"
BACKTRACKING = Text(choices=("refuse", ALLOWED))
BACKTRACKING_DOC = (
    "refuse: an expression that a client could make take long is a mistake; allowed: it may"
)


def groups_of(regex: str) -> Collection[str]:
    """Returns the names of a regular expression's groups in a template; `0` is all of the match."""
    compiled = re.compile(regex)
    return [*compiled.groupindex, *map(str, range(compiled.groups + 1))]


def check_expressions(config: Config, at: str, problems: Problems) -> None:
    """Adds a problem for each expression that could take too long and is not allowed to."""
    limits = config.server.limits
    longest = max(limits.line, LONGEST_LINE)
    for index, route in enumerate(config.routes or ()):
        where = pointer_to(at, "routes", index)
        if route.path_regex is not None and route.backtracking != ALLOWED:
            _check_path(route.path_regex, FULL, longest, pointer_to(where, "path_regex"), problems)
        for place, regex in _value_expressions(route, where):
            _check_value(regex, max(limits.head, LONGEST_HEAD), place, problems)
        _check_rewrite(route, longest, where, problems)
    if config.default is not None:
        _check_rewrite(config.default, longest, pointer_to(at, "default"), problems)


def _value_expressions(route: RouteConfig, at: str) -> Iterator[tuple[str, str]]:
    """Yields the places of a route's expressions for values that must not take long, and them."""
    for key in ("headers", "query", "cookies"):
        for name, match in (getattr(route, key) or {}).items():
            if match.regex is not None and match.backtracking != ALLOWED:
                yield pointer_to(at, key, name, "regex"), match.regex


def _check_rewrite(actions: ActionsConfig, longest: int, at: str, problems: Problems) -> None:
    rewrite = actions.rewrite
    if rewrite is not None and rewrite.regex is not None and rewrite.backtracking != ALLOWED:
        _check_path(rewrite.regex, SEARCH, longest, pointer_to(at, "rewrite", "regex"), problems)


def _check_path(regex: str, use: str, longest: int, at: str, problems: Problems) -> None:
    # Imported here because most configurations have no expressions.
    from l7proxy.core.regex.automaton import PATH_CHARACTERS
    from l7proxy.core.regex.danger import find_danger

    _report(regex, find_danger(regex, use, 0, PATH_CHARACTERS, longest), at, problems)


def _check_value(regex: str, longest: int, at: str, problems: Problems) -> None:
    from l7proxy.core.regex.automaton import ANY_CHARACTERS
    from l7proxy.core.regex.danger import find_danger

    _report(regex, find_danger(regex, FULL, re.DOTALL, ANY_CHARACTERS, longest), at, problems)


def _report(regex: str, danger: Danger | None, at: str, problems: Problems) -> None:
    if danger is not None:
        problems.conflict(
            at,
            f'"{regex}" could hold up all requests: {danger.text} '
            '("backtracking": "allowed" beside it lets it pass)',
        )
