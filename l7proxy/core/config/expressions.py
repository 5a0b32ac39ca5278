"""Regular expressions in a configuration: those that could take long are refused.

No request may keep the others waiting, so each expression is held to `LONGEST_MATCH` for the
longest text that a client can send, unless `"backtracking": "allowed"` is beside it.
"""

from __future__ import annotations

import re

from l7proxy.core.config.problems import Problems, pointer_to
from l7proxy.core.config.spec import Mapped, Text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from l7proxy.core.config.model import Config
    from l7proxy.core.config.routes import ActionsConfig
    from l7proxy.core.config.server import ServerLimitsConfig
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
    for place, regex, kind in _expressions(config, at):
        danger = _danger_in(regex, kind, config.server.limits)
        if danger is not None:
            problems.conflict(
                place,
                f'"{regex}" could hold up all requests: {danger.text} '
                '("backtracking": "allowed" beside it lets it pass)',
            )


_PATH, _PART_OF_PATH, _VALUE = range(3)
"""What an expression is for: a whole path, any part of one, a whole value."""


def _expressions(config: Config, at: str) -> Iterator[tuple[str, str, int]]:
    """Yields the place, the text and the kind of each expression that must not take long."""
    for index, route in enumerate(config.routes or ()):
        where = pointer_to(at, "routes", index)
        if route.path_regex is not None and route.backtracking != ALLOWED:
            yield pointer_to(where, "path_regex"), route.path_regex, _PATH
        for key in ("headers", "query", "cookies"):
            for name, match in (getattr(route, key) or {}).items():
                if match.regex is not None and match.backtracking != ALLOWED:
                    yield pointer_to(where, key, name, "regex"), match.regex, _VALUE
        yield from _of_rewrite(route, where)
    if config.default is not None:
        yield from _of_rewrite(config.default, pointer_to(at, "default"))


def _of_rewrite(actions: ActionsConfig, at: str) -> Iterator[tuple[str, str, int]]:
    rewrite = actions.rewrite
    if rewrite is not None and rewrite.regex is not None and rewrite.backtracking != ALLOWED:
        yield pointer_to(at, "rewrite", "regex"), rewrite.regex, _PART_OF_PATH


def _danger_in(regex: str, kind: int, limits: ServerLimitsConfig) -> Danger | None:
    # Imported here because most configurations have no expressions.
    from l7proxy.core.regex.automaton import ANY_CHARACTERS, PATH_CHARACTERS
    from l7proxy.core.regex.danger import find_danger
    from l7proxy.core.regex.uses import FULL, SEARCH

    if kind == _VALUE:
        longest = max(limits.head, LONGEST_HEAD)
        return find_danger(regex, FULL, re.DOTALL, ANY_CHARACTERS, longest)
    use = FULL if kind == _PATH else SEARCH
    return find_danger(regex, use, 0, PATH_CHARACTERS, max(limits.line, LONGEST_LINE))
