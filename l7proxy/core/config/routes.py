"""The part of the configuration that says which requests go where, and what is done on the way."""

from __future__ import annotations

import re
from collections.abc import Mapping

from l7proxy.core.config.expressions import (
    BACKTRACKING,
    BACKTRACKING_DOC,
    EXPRESSION,
    groups_of,
)
from l7proxy.core.config.fields import (
    END,
    FRAMING,
    HEADER_LINES,
    HEADER_NAME,
    HEADER_VALUE,
    PATH,
    TOKEN,
)
from l7proxy.core.config.limits import ScopedLimitConfig
from l7proxy.core.config.problems import Problems, pointer_to, suggestion
from l7proxy.core.config.record import Record, RecordOf, field
from l7proxy.core.config.simulate import CannedResponse
from l7proxy.core.config.spec import (
    Boolean,
    Either,
    ListOf,
    MapOf,
    Mapped,
    Number,
    Reference,
    Text,
    count,
)
from l7proxy.core.http.addresses import network_in
from l7proxy.core.http.grammar import HOST_START, IP_LITERAL, TARGET_CHARACTER
from l7proxy.core.http.target import NEVER_PASSED_ON, PathRules

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection

    from l7proxy.core.config.spec import Spec

ACTIONS = ("backend_pool", "split", "redirect", "respond")
"""A route has exactly one of these."""

PATHS = ("path", "path_pattern", "path_regex")
"""A route has at most one of these."""

HOST_FIELDS = ("host", "authority")
"""The names in a template for a Host header, beside the groups of a regular expression."""

REQUEST_FIELDS = (*HOST_FIELDS, "path", "query", "target")
"""The names in a template for a URI, beside the groups of a regular expression."""

_PLACEHOLDER = r"\{\{|\}\}|\{([^{}]*)\}|[{}]"


def template_parts(text: str) -> tuple[tuple[str, str | None], ...]:
    """Returns the literal texts of a template, each with the name that stands behind it, or None.

    `{name}` stands for a value, `{{` and `}}` for the braces themselves. Raises ValueError for a
    brace that is neither.
    """
    parts: list[tuple[str, str | None]] = []
    literal = ""
    end = 0
    for found in re.finditer(_PLACEHOLDER, text):
        literal += text[end : found.start()]
        end = found.end()
        if found[0] in ("{{", "}}"):
            literal += found[0][0]
        elif found[1]:
            parts.append((literal, found[1]))
            literal = ""
        else:
            raise ValueError(f'"{text}": a brace that is meant as one is written twice')
    parts.append((literal + text[end:], None))
    return tuple(parts)


def _checked_template(text: str) -> str:
    template_parts(text)
    return text


def _checked_network(text: str) -> str:
    network_in(text)
    return text


def _method(text: str) -> str:
    if text in NEVER_PASSED_ON:
        raise ValueError(f"{text} is never passed on")
    return text


_SUBSTITUTION = Mapped(
    Text(pattern=f"^{TARGET_CHARACTER}*{END}", meaning="a text without spaces and #"),
    _checked_template,
)
_TEMPLATE = Mapped(
    Text(min_length=1, pattern=f"^{TARGET_CHARACTER}*{END}", meaning="a text without spaces and #"),
    _checked_template,
)
_URI_TEMPLATE = Mapped(
    Text(min_length=1, pattern=rf"^[^\x00-\x20\x7f]*{END}", meaning="a URI, without spaces"),
    _checked_template,
)
_HOST = Text(
    pattern=rf"^((\*\.)?{HOST_START}+(\.{HOST_START}+)*\.?|{IP_LITERAL}){END}",
    meaning="a host such as example.com or *.example.com, without a port",
)
_NAME = Text(min_length=1)


def _one_or_more(value: str | tuple[str, ...]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else value


def _several(item: Spec[str]) -> Spec[tuple[str, ...]]:
    """Returns the spec of one string or an array of them, loaded as a tuple."""
    return Mapped(Either(item, ListOf(item, min_items=1)), _one_or_more)


class ValueMatchConfig(Record):
    """What a header, query parameter or cookie must be like; of several lines, one must be."""

    exact: tuple[str, ...] | None = field(_several(Text()), "this value, or one of", default=None)
    prefix: str | None = field(Text(min_length=1), "what it begins with", default=None)
    regex: str | None = field(
        EXPRESSION, "a regular expression for the whole of the value", default=None
    )
    present: bool | None = field(
        Boolean(), "true: there, with whatever value; false: not there", default=None
    )
    backtracking: str = field(BACKTRACKING, BACKTRACKING_DOC, default="refuse")

    exactly_one = ("exact", "prefix", "regex", "present")

    def check(self, at: str, problems: Problems) -> None:
        ways = self.exactly_one
        if len(self.given(ways)) != 1:
            problems.add(at, f"give exactly one of {', '.join(ways)}")


def _value_match(value: str | ValueMatchConfig) -> ValueMatchConfig:
    return ValueMatchConfig(exact=(value,)) if isinstance(value, str) else value


_VALUE = Mapped(Either(Text(), RecordOf(ValueMatchConfig)), _value_match)


class RewriteConfig(Record):
    """What the backend is asked for in place of what the client asked for."""

    strip_prefix: str | None = field(
        PATH, "cut off where the path begins with these whole segments", default=None
    )
    replace_prefix: Mapping[str, str] | None = field(
        MapOf(PATH, keys=PATH),
        "whole segments at the path's beginning, and what replaces them; the longest wins",
        default=None,
    )
    regex: str | None = field(
        EXPRESSION, "each match in the path is replaced by `substitution`", default=None
    )
    backtracking: str = field(BACKTRACKING, BACKTRACKING_DOC, default="refuse")
    substitution: str | None = field(
        _SUBSTITUTION,
        "what replaces a match of `regex` or, without one, the path: {name} and {1} are groups, "
        "of `regex` or of the route's path_regex; a query behind a ? comes before the client's",
        default=None,
    )
    host: str | None = field(
        _TEMPLATE,
        "the Host header; {host} (without the port), {authority} (with it) and the groups of "
        "path_regex may be used",
        default=None,
    )

    at_most_one = ("strip_prefix", "replace_prefix", "substitution")

    def check(self, at: str, problems: Problems) -> None:
        ways = self.at_most_one
        if len(self.given(ways)) > 1:
            problems.add(at, f"give only one of {', '.join(ways)}")
        if self.regex is not None and self.substitution is None:
            problems.conflict(at, '"regex" needs a "substitution"')
        if self.regex is not None and self.substitution is not None:
            check_names(
                self.substitution, groups_of(self.regex), pointer_to(at, "substitution"), problems
            )


def _redirect(status: int) -> int:
    if status not in (301, 302, 303, 307, 308):
        raise ValueError(f"{status} is not one of 301, 302, 303, 307, 308")
    return status


class RedirectConfig(Record):
    """An answer that sends the client elsewhere."""

    status: int = field(
        Mapped(count(301, 308), _redirect),
        "301, 302, 303, 307 or 308",
        default=302,
    )
    location: str = field(
        _URI_TEMPLATE,
        "where to: {host} (without the port), {authority} (with it), {path}, {query}, {target} "
        "(the path and ?query), groups of path_regex",
    )


class SplitConfig(Record):
    """Shares of the requests for several pools."""

    pools: Mapping[str, float] = field(
        MapOf(Number(minimum=0, maximum=1e9), keys=Reference("pool")),
        "each pool's weight; 0 gives it nothing",
    )
    sticky: str | None = field(
        Text(
            pattern=rf"^(client_ip|(header|cookie|query):{TOKEN}){END}",
            meaning="client_ip, header:NAME, cookie:NAME or query:NAME",
        ),
        "requests with the same value of this go to the same pool",
        default=None,
    )

    def check(self, at: str, problems: Problems) -> None:
        if not any(self.pools.values()):
            problems.conflict(pointer_to(at, "pools"), "some pool needs a weight above 0")


class HeaderEditsConfig(Record):
    """Changes to the headers: first `remove`, then `set`, then `add`."""

    set: Mapping[str, str] | None = field(
        MapOf(HEADER_VALUE, keys=HEADER_NAME), "replaces the header, or adds it", default=None
    )
    add: Mapping[str, str | tuple[str, ...]] | None = field(
        HEADER_LINES, "one more line of the header, or several", default=None
    )
    remove: tuple[str, ...] | None = field(
        ListOf(HEADER_NAME), "headers to leave out", default=None
    )

    def check(self, at: str, problems: Problems) -> None:
        for key in ("set", "add", "remove"):
            for name in getattr(self, key) or ():
                if name.lower() in FRAMING:
                    problems.conflict(pointer_to(at, key), f"{name} can't be changed by a route")


class ActionsConfig(Record):
    """What is done with a request; exactly one of backend_pool, split, redirect and respond."""

    backend_pool: str | None = field(Reference("pool"), "the pool that answers", default=None)
    split: SplitConfig | None = field(RecordOf(SplitConfig), "pools that share", default=None)
    redirect: RedirectConfig | None = field(
        RecordOf(RedirectConfig), "the client is sent elsewhere", default=None
    )
    respond: CannedResponse | None = field(
        RecordOf(CannedResponse), "the proxy answers this itself", default=None
    )
    rewrite: RewriteConfig | None = field(
        RecordOf(RewriteConfig), "what the backend is asked for instead", default=None
    )
    request_headers: HeaderEditsConfig | None = field(
        RecordOf(HeaderEditsConfig), "changes to what the backend gets", default=None
    )
    response_headers: HeaderEditsConfig | None = field(
        RecordOf(HeaderEditsConfig), "changes to what the client gets from it", default=None
    )
    mirror: str | None = field(
        Reference("pool"),
        "a pool that gets a copy of each request; its answer is dropped",
        default=None,
    )

    rate_limit: ScopedLimitConfig | None = field(
        RecordOf(ScopedLimitConfig), "how many requests may take it", default=None
    )

    exactly_one = ACTIONS

    def check(self, at: str, problems: Problems) -> None:
        given = self.given(ACTIONS)
        if not given:
            problems.add(at, f"what is to be done? give one of {', '.join(ACTIONS)}")
        elif len(given) > 1:
            problems.add(at, f"give only one of {', '.join(given)}")
        elif given[0] in ("redirect", "respond"):
            for key in ("mirror", "request_headers"):
                if getattr(self, key) is not None:
                    problems.conflict(pointer_to(at, key), f"there is no request with {given[0]}")
        if self.request_headers is not None:
            self._check_host(self.request_headers, pointer_to(at, "request_headers"), problems)
        self._check_templates(at, problems)

    @property
    def groups(self) -> Collection[str] | None:
        """The groups of its path_regex, by name and number; None where it has none."""
        return None

    def _check_host(self, edits: HeaderEditsConfig, at: str, problems: Problems) -> None:
        """Adds a problem for each edit of the Host header, which has a setting of its own."""
        for key in ("set", "add", "remove"):
            if any(name.lower() == "host" for name in getattr(edits, key) or ()):
                where = pointer_to(at, key)
                problems.conflict(where, 'the Host header is changed by "rewrite": {"host"}')

    def _check_templates(self, at: str, problems: Problems) -> None:
        """Adds a problem for each template that names what is not there."""
        groups = self.groups
        rewrite = self.rewrite
        if rewrite is not None:
            where = pointer_to(at, "rewrite")
            if rewrite.host is not None:
                names = (*HOST_FIELDS, *(groups or ()))
                check_names(rewrite.host, names, pointer_to(where, "host"), problems)
            if rewrite.substitution is not None and rewrite.regex is None:
                if groups is None:
                    problems.conflict(where, '"substitution" needs a "regex" or a path_regex')
                else:
                    check_names(
                        rewrite.substitution, groups, pointer_to(where, "substitution"), problems
                    )
        if self.redirect is not None:
            check_names(
                self.redirect.location,
                (*REQUEST_FIELDS, *(groups or ())),
                pointer_to(at, "redirect", "location"),
                problems,
            )


class RouteConfig(ActionsConfig):
    """Which requests, and what is done with them; all the conditions given must hold."""

    name: str | None = field(_NAME, "what it is called in explanations", default=None)
    path: str | None = field(PATH, "the exact path", default=None)
    path_pattern: str | None = field(
        PATH,
        "/api/* matches /api, /api/ and all below; a * in a segment matches within it, and in "
        "the last segment makes the pattern a prefix; without * the exact path",
        default=None,
    )
    path_regex: str | None = field(
        EXPRESSION, "a regular expression for the whole of the path", default=None
    )
    backtracking: str = field(BACKTRACKING, BACKTRACKING_DOC, default="refuse")
    host: tuple[str, ...] | None = field(
        _several(_HOST), "example.com, or *.example.com for all below it; or several", default=None
    )
    methods: tuple[str, ...] | None = field(
        ListOf(Mapped(Text(pattern=f"^{TOKEN}{END}", meaning="a method"), _method), min_items=1),
        "the methods, as in the request (they are case-sensitive)",
        default=None,
    )
    headers: Mapping[str, ValueMatchConfig] | None = field(
        MapOf(_VALUE, keys=HEADER_NAME), "what headers must be like", default=None
    )
    query: Mapping[str, ValueMatchConfig] | None = field(
        MapOf(_VALUE), "what query parameters must be like, decoded", default=None
    )
    cookies: Mapping[str, ValueMatchConfig] | None = field(
        MapOf(_VALUE), "what cookies must be like", default=None
    )
    client_ip: tuple[str, ...] | None = field(
        _several(Mapped(Text(), _checked_network)),
        "an address or a network such as 10.0.0.0/8, or several",
        default=None,
    )

    @property
    def groups(self) -> Collection[str] | None:
        return None if self.path_regex is None else groups_of(self.path_regex)

    @property
    def identity(self) -> str:
        """The route's name or, without one, all its conditions: a reload knows it by that."""
        if self.name is not None:
            return self.name
        return repr([getattr(self, condition) for condition in CONDITIONS])

    at_most_one = PATHS

    def check(self, at: str, problems: Problems) -> None:
        given = self.given(PATHS)
        if len(given) > 1:
            problems.add(at, f"give only one of {', '.join(given)}")
        super().check(at, problems)


CONDITIONS = tuple(
    name
    for name in RouteConfig.fields
    if name not in ActionsConfig.fields and name not in ("name", "backtracking")
)
"""The fields by which a route says which requests it takes."""

TESTED = tuple(name for name in CONDITIONS if name not in ("host", *PATHS))
"""Those that are tested one by one: a host and a path are looked up."""


class PathsConfig(Record):
    """How paths are read, before anything is matched against them."""

    merge_slashes: bool = field(
        Boolean(), "// is the same as /; false keeps every slash", default=True
    )
    encoded_slashes: str = field(
        Text(choices=("refuse", "keep")),
        "%2F in a path: refuse it with a 400, or keep it as a character that separates nothing",
        default="refuse",
    )
    parameters: str = field(
        Text(choices=("refuse", "keep")),
        "a path that is another route's without its ;parameters, as Java servers read it: refuse it"
        " with a 400, or keep ; as a character like any other",
        default="refuse",
    )

    @property
    def rules(self) -> PathRules:
        """The rules by which paths are brought into their normal form."""
        return PathRules(
            merge_slashes=self.merge_slashes,
            keep_encoded_slashes=self.encoded_slashes == "keep",
            keep_parameters=self.parameters == "keep",
        )


def check_names(template: str, known: Collection[str], at: str, problems: Problems) -> None:
    """Adds a problem for each name in the template that is not among the `known`."""
    for _, name in template_parts(template):
        if name is not None and name not in known:
            problems.conflict(at, f"there is no {{{name}}} here{suggestion(name, known)}")
