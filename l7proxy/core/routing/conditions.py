"""A route's conditions beside host and path: methods, headers, query, cookies, clients.

Each condition can say whether it holds, what it asks for, and whether it holds wherever another
one does.
"""

from __future__ import annotations

import re

from l7proxy.core.http.addresses import client_address, network_in
from l7proxy.core.http.cookies import cookies_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Any

    from l7proxy.core.config.routes import RouteConfig, ValueMatchConfig
    from l7proxy.core.http.messages import HttpRequest
    from l7proxy.core.http.target import Target


class Condition:
    """One thing that a route asks of a request; `allows` are its methods, if it asks for those."""

    allows: tuple[str, ...] = ()

    def holds(self, request: HttpRequest, target: Target) -> bool:
        """Returns whether it holds for the request."""
        raise NotImplementedError

    def covers(self, other: Condition) -> bool:
        """Returns whether this holds for every request for which `other` holds.

        False where it can't be told.
        """
        raise NotImplementedError

    def __str__(self) -> str:
        raise NotImplementedError


class MethodIn(Condition):
    """The method is one of these."""

    def __init__(self, methods: Iterable[str]) -> None:
        self.allows = tuple(dict.fromkeys(methods))
        self._set = frozenset(self.allows)

    def holds(self, request: HttpRequest, target: Target) -> bool:
        return request.method in self._set

    def covers(self, other: Condition) -> bool:
        return isinstance(other, MethodIn) and other._set <= self._set

    def __str__(self) -> str:
        return f"the method must be {' or '.join(self.allows)}"


class PathIs(Condition):
    """The whole path matches, which look-ups alone can't decide; `PathMatch` describes it."""

    def __init__(self, test: re.Pattern[str]) -> None:
        self._matches = test.fullmatch

    def holds(self, request: HttpRequest, target: Target) -> bool:
        return self._matches(target.path) is not None


class ValueIs(Condition):
    """A value of the request, or one of several under its name, passes a test."""

    what = ""

    def __init__(self, name: str, test: ValueTest) -> None:
        self.name = name
        self.test = test

    def values(self, request: HttpRequest, target: Target) -> Sequence[str]:
        """Returns the values under the name."""
        raise NotImplementedError

    def holds(self, request: HttpRequest, target: Target) -> bool:
        return self.test.passes(self.values(request, target))

    def covers(self, other: Condition) -> bool:
        return (
            isinstance(other, ValueIs)
            and type(other) is type(self)
            and other.name == self.name
            and self.test.covers(other.test)
        )

    def __str__(self) -> str:
        return f'{self.what} "{self.name}" {self.test}'


class HeaderIs(ValueIs):
    """A header, by its name in lower case; every line of it counts."""

    what = "the header"

    def values(self, request: HttpRequest, target: Target) -> Sequence[str]:
        return request.headers.all(self.name)


class QueryIs(ValueIs):
    """A query parameter, decoded as forms are."""

    what = "the query parameter"

    def values(self, request: HttpRequest, target: Target) -> Sequence[str]:
        return query_values(target).get(self.name, ())


class CookieIs(ValueIs):
    """A cookie."""

    what = "the cookie"

    def values(self, request: HttpRequest, target: Target) -> Sequence[str]:
        value = cookies_of(request).get(self.name)
        return () if value is None else (value,)


class ClientIn(Condition):
    """The client's address is in one of these networks; a client with a name is in none."""

    def __init__(self, networks: Iterable[str]) -> None:
        self._shown = " or ".join(networks)
        self._networks = tuple(map(network_in, networks))

    def holds(self, request: HttpRequest, target: Target) -> bool:
        address = client_address(request.client_ip)
        return address is not None and any(address in network for network in self._networks)

    def covers(self, other: Condition) -> bool:
        return isinstance(other, ClientIn) and all(
            any(
                theirs.version == ours.version and theirs.subnet_of(ours)  # type: ignore[arg-type]
                for ours in self._networks
            )
            for theirs in other._networks
        )

    def __str__(self) -> str:
        return f"the client must be in {self._shown}"


class ValueTest:
    """A test of values."""

    def passes(self, values: Sequence[str]) -> bool:
        """Returns whether one of the values passes."""
        raise NotImplementedError

    def covers(self, other: ValueTest) -> bool:
        """Returns whether all that pass `other` pass this; False where it can't be told."""
        raise NotImplementedError


class Exact(ValueTest):
    def __init__(self, values: Iterable[str]) -> None:
        self.allowed = tuple(dict.fromkeys(values))

    def passes(self, values: Sequence[str]) -> bool:
        return any(value in self.allowed for value in values)

    def covers(self, other: ValueTest) -> bool:
        return isinstance(other, Exact) and set(other.allowed) <= set(self.allowed)

    def __str__(self) -> str:
        return f"must be {' or '.join(map(repr, self.allowed))}"


class Prefix(ValueTest):
    def __init__(self, prefix: str) -> None:
        self.prefix = prefix

    def passes(self, values: Sequence[str]) -> bool:
        return any(value.startswith(self.prefix) for value in values)

    def covers(self, other: ValueTest) -> bool:
        if isinstance(other, Exact):
            return all(value.startswith(self.prefix) for value in other.allowed)
        return isinstance(other, Prefix) and other.prefix.startswith(self.prefix)

    def __str__(self) -> str:
        return f"must begin with {self.prefix!r}"


class Regex(ValueTest):
    def __init__(self, regex: str) -> None:
        self.regex = re.compile(regex, re.DOTALL)

    def passes(self, values: Sequence[str]) -> bool:
        return any(map(self.regex.fullmatch, values))

    def covers(self, other: ValueTest) -> bool:
        if isinstance(other, Exact):
            return all(map(self.regex.fullmatch, other.allowed))
        return isinstance(other, Regex) and other.regex == self.regex

    def __str__(self) -> str:
        return f"must match {self.regex.pattern}"


class Present(ValueTest):
    def passes(self, values: Sequence[str]) -> bool:
        return len(values) > 0

    def covers(self, other: ValueTest) -> bool:
        return not isinstance(other, Absent)

    def __str__(self) -> str:
        return "must be there"


class Absent(ValueTest):
    def passes(self, values: Sequence[str]) -> bool:
        return not values

    def covers(self, other: ValueTest) -> bool:
        return isinstance(other, Absent)

    def __str__(self) -> str:
        return "must not be there"


def conditions_of(route: RouteConfig) -> list[Condition]:
    """Returns the conditions of a route beside host and path, each of which counts as one."""
    return [
        condition
        for field, make in MAKERS.items()
        for value in [getattr(route, field)]
        if value is not None
        for condition in make(value)
    ]


def test_of(match: ValueMatchConfig) -> ValueTest:
    """Returns the test that a `ValueMatchConfig` asks for."""
    given = {field: getattr(match, field) for field in TESTS}
    (made,) = (TESTS[field](value) for field, value in given.items() if value is not None)
    return made


TESTS: dict[str, Callable[[Any], ValueTest]] = {
    "exact": Exact,
    "prefix": Prefix,
    "regex": Regex,
    "present": lambda there: Present() if there else Absent(),
}
"""The test that each field of `ValueMatchConfig` stands for."""

MAKERS: dict[str, Callable[[Any], list[Condition]]] = {
    "methods": lambda methods: [MethodIn(methods)],
    "headers": lambda asked: [HeaderIs(name.lower(), test_of(asked[name])) for name in asked],
    "query": lambda asked: [QueryIs(name, test_of(asked[name])) for name in asked],
    "cookies": lambda asked: [CookieIs(name, test_of(asked[name])) for name in asked],
    "client_ip": lambda networks: [ClientIn(networks)],
}
"""What makes the conditions of each field of `RouteConfig`, those of host and path aside."""


def query_values(target: Target) -> dict[str, list[str]]:
    """Returns the values of each parameter in a target's query, decoded as forms are.

    They are kept with the target, since several routes may ask for them, and forgotten with it.
    """
    found = target.parameters
    if found is None:
        found = target.parameters = {}
        for part in (target.query or "").split("&"):
            if part:
                name, _, value = part.partition("=")
                found.setdefault(_decoded(name), []).append(_decoded(value))
    return found


_ESCAPES = re.compile(r"(?:%[0-9A-Fa-f]{2})+")


def _decoded(text: str) -> str:
    text = text.replace("+", " ")
    if "%" not in text:
        return text
    return _ESCAPES.sub(
        lambda found: bytes.fromhex(found[0].replace("%", "")).decode("utf-8", "replace"), text
    )
