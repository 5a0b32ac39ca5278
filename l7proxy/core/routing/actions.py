"""The actions of a route: rewrites, redirects, splits and edits of headers."""

from __future__ import annotations

import re
from bisect import bisect_right
from itertools import accumulate

from l7proxy.core.config.routes import HOST_FIELDS
from l7proxy.core.http.cookies import cookies_of
from l7proxy.core.http.grammar import host_in, plain_name
from l7proxy.core.http.local_reply import BAD_REQUEST, BAD_REWRITE, Refused
from l7proxy.core.http.messages import Headers, HttpResponse, header_lines
from l7proxy.core.http.target import escape_non_ascii, host_of, normal_path, with_query
from l7proxy.core.routing.conditions import query_values
from l7proxy.core.routing.locations import Location
from l7proxy.core.routing.templates import Template, group

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from l7proxy.core.config.routes import (
        HeaderEditsConfig,
        RedirectConfig,
        RewriteConfig,
        SplitConfig,
    )
    from l7proxy.core.exchange import Exchange
    from l7proxy.core.http.messages import HttpRequest
    from l7proxy.core.http.target import PathRules, Target
    from l7proxy.core.policies.rate_limit import RateLimits


class Rewrite:
    """Changes the path and the host that the backend gets.

    `regex` is that of the route's path: templates may use its groups.
    """

    def __init__(
        self, config: RewriteConfig, regex: re.Pattern[str] | None, rules: PathRules
    ) -> None:
        self._regex = regex
        self._rules = rules
        if config.strip_prefix is not None:
            prefixes = {config.strip_prefix: "/"}
        else:
            prefixes = dict(config.replace_prefix or {})
        self._prefixes = sorted(
            (
                (_segments(prefix, rules), _segments(instead, rules))
                for prefix, instead in prefixes.items()
            ),
            key=lambda pair: -len(pair[0]),
        )
        self._pattern = None if config.regex is None else re.compile(config.regex)
        self._template = None if config.substitution is None else Template(config.substitution)
        self._host = None if config.host is None else Template(config.host)

    def path(self, path: str) -> str | None:
        """Returns the path in place of this one; None where it stays as it is.

        What a substitution has behind a `?` is a query, which is no part of the path.
        Raises `Refused` where the result is not a path that may be sent.
        """
        if self._template is None:
            changed = self._with_prefix_replaced(path)
        elif self._pattern is None:
            changed = self._template.fill(self._groups(path))
        else:
            template = self._template
            changed = self._pattern.sub(
                lambda match: template.fill(lambda name: group(match, name)), path
            )
        if changed != path:
            changed, mark, query = changed.partition("?")
            try:
                changed = normal_path(changed or "/", self._rules)
                changed += mark + escape_non_ascii(query)
            except Refused as refused:
                raise Refused(BAD_REWRITE.with_detail(refused.local_reply.text)) from None
        return None if changed == path else changed

    def host(self, request: HttpRequest, target: Target) -> str | None:
        """Returns the Host header that the backend gets; None where it is the client's.

        Raises `Refused` where the result is not a host.
        """
        if self._host is None:
            return None
        groups = self._groups(target.path)
        host = self._host.fill(
            lambda name: _host_field(name, request, target) if name in HOST_FIELDS else groups(name)
        )
        if host_in(host) is None:
            raise Refused(BAD_REWRITE.with_detail(f'"{host}" is not a host'))
        return host

    def _with_prefix_replaced(self, path: str) -> str:
        for prefix, instead in self._prefixes:
            if path.startswith(prefix) and path[len(prefix) : len(prefix) + 1] in ("", "/"):
                return instead + path[len(prefix) :] or "/"
        return path

    def _groups(self, path: str) -> _Groups:
        return _Groups(self._regex, path)


class _Groups:
    """The groups of a route's regular expression, matched when one is asked for."""

    def __init__(self, regex: re.Pattern[str] | None, path: str) -> None:
        self._regex = regex
        self._path = path

    def __call__(self, name: str) -> str | None:
        assert self._regex is not None
        match = self._regex.fullmatch(self._path)
        assert match is not None
        return group(match, name)


def _host_field(name: str, request: HttpRequest, target: Target) -> str | None:
    """Returns the `host`, in lower case and without its port, or the `authority` as sent.

    Raises `Refused` with a 400 where what the client wrote is not a host.
    """
    host = host_of(request, target)
    return host if name == "host" else target.authority or request.headers.get("host")


def _segments(prefix: str, rules: PathRules) -> str:
    """Returns a prefix in normal form and without its last slash."""
    return normal_path(prefix, rules).removesuffix("/")


class Redirect:
    """Sends the client elsewhere."""

    def __init__(self, config: RedirectConfig, regex: re.Pattern[str] | None) -> None:
        self._status = config.status
        self._location = Location(config.location)
        self._needs_host = not set(HOST_FIELDS).isdisjoint(self._location.names)
        self._regex = regex

    def response(self, request: HttpRequest, target: Target, path: str) -> HttpResponse:
        """Returns the answer; `path` is the request's own or its rewritten one with its query.

        Raises `Refused` with a 400 where the host is needed and not known, and where the values
        make another one: see `Location`.
        """
        asked = with_query(path, target.query)
        groups = _Groups(self._regex, target.path)

        def value_of(name: str) -> str | None:
            if name in HOST_FIELDS:
                return _host_field(name, request, target)
            if name == "path":
                return asked.partition("?")[0]
            if name == "query":
                return asked.partition("?")[2]
            return asked if name == "target" else groups(name)

        if self._needs_host and not host_of(request, target):
            raise Refused(BAD_REQUEST.with_detail("a redirect needs to know the host"))
        return HttpResponse(self._status, Headers((("Location", self._location.fill(value_of)),)))


TEXT_TYPE = "text/plain; charset=utf-8"


def typed_response(response: HttpResponse) -> HttpResponse:
    """Returns a route's own response, with the type of its body where that is not given.

    What has no type is taken by browsers for whatever it looks like (RFC 9110, 8.3).
    """
    headers = () if response.headers is None else tuple(response.headers)
    if not response.body or any(name.lower() == "content-type" for name, _ in headers):
        return response
    typed = Headers((*headers, ("Content-Type", TEXT_TYPE)))
    return HttpResponse(response.status, typed, response.body)


def header_edits(config: HeaderEditsConfig) -> HeaderEdits:
    """Returns what the configuration says of headers."""
    replaced = config.set or {}
    gone = frozenset(map(plain_name, (*(config.remove or ()), *replaced)))
    return HeaderEdits(gone, [*replaced.items(), *header_lines(config.add or {})])


class Split:
    """Shares requests among pools, by smooth weighted round robin or by the hash of a key.

    Smooth weighted round robin is nginx's: each pool's current weight grows by its weight, the
    largest is picked and falls by the sum. A key is hashed with six bytes of BLAKE2b, which have
    nothing in common with the hashes by which pools spread keys over their backends: with one hash
    for both, all keys of a small share would be at home on one backend.
    """

    def __init__(self, config: SplitConfig) -> None:
        self.pools = tuple(config.pools)
        self._weights = tuple(config.pools.values())
        self._bounds = tuple(accumulate(self._weights))
        self._sum = self._bounds[-1]
        self._currents = [0.0] * len(self.pools)
        self._source, _, self._name = (config.sticky or "").partition(":")
        if self._source == "header":
            self._name = self._name.lower()

    def pick(self, exchange: Exchange) -> str:
        """Returns the name of the pool whose turn it is, or that of the request's key."""
        assert exchange.target is not None
        key = self._key(exchange.request, exchange.target)
        return self._next() if key is None else self.pools[self._index_of(key)]

    def _next(self) -> str:
        currents = self._currents
        for index, weight in enumerate(self._weights):
            currents[index] += weight
        best = max(range(len(currents)), key=currents.__getitem__)
        currents[best] -= self._sum
        return self.pools[best]

    def _index_of(self, key: str) -> int:
        from hashlib import blake2b

        digest = blake2b(key.encode("utf-8", "surrogatepass"), digest_size=6).digest()
        return bisect_right(self._bounds, int.from_bytes(digest) / 2**48 * self._sum)

    def _key(self, request: HttpRequest, target: Target) -> str | None:
        source = self._source
        if not source:
            return None
        if source == "client_ip":
            return request.client_ip or None
        if source == "header":
            return request.headers.get(self._name)
        if source == "cookie":
            return cookies_of(request).get(self._name)
        values = query_values(target).get(self._name)
        return values[0] if values else None


class HeaderEdits:
    """Removes headers, sets them and adds them, in this order.

    With a name that is edited its other spellings go, too (`plain_name`): nobody but the route has
    a say about it.
    """

    def __init__(self, gone: frozenset[str], added: list[tuple[str, str]]) -> None:
        self.gone = gone
        """The names that are removed or replaced, as `plain_name` has them."""
        self.added = added
        """What is set and added, each with its name."""
        self._touched = gone.union(plain_name(name) for name, _ in added)
        self._added_names = frozenset(name.lower() for name, _ in added)

    def of(self, exchange: Exchange) -> HeaderEdits:
        """Returns the edits of one exchange's response: the same for all of a route."""
        return self

    def apply(self, pairs: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
        """Returns the names and values as they are passed on."""
        return [pair for pair in pairs if not self._drops(pair[0])] + self.added

    def touches(self, name: str) -> bool:
        """Whether a field called so, or a spelling of it, is removed, replaced or added to."""
        return plain_name(name) in self._touched

    def edited(self, response: HttpResponse) -> HttpResponse:
        """Returns the response with its headers changed."""
        headers = self.apply(response.headers or ())
        return HttpResponse(response.status, Headers(headers) if headers else None, response.body)

    def _drops(self, name: str) -> bool:
        plain = plain_name(name)
        if plain in self.gone:
            return True
        return plain in self._touched and name.lower() not in self._added_names


class LimitedEdits(HeaderEdits):
    """The edits of a route whose responses tell clients how much of their limits is left."""

    def __init__(self, edits: HeaderEdits | None, limits: RateLimits) -> None:
        """`edits` are those that the configuration has for the route."""
        if edits is None:
            super().__init__(frozenset(), [])
        else:
            super().__init__(edits.gone, edits.added)
        self._limits = limits

    def of(self, exchange: Exchange) -> HeaderEdits:
        return HeaderEdits(self.gone, [*self.added, *self._limits.fields(exchange)])
