"""One route, compiled."""

from __future__ import annotations

from l7proxy.core.config.routes import TESTED
from l7proxy.core.http.grammar import host_in
from l7proxy.core.http.target import USUAL_RULES
from l7proxy.core.routing.paths import EXACT, REGEX, path_match

TYPE_CHECKING = False
if TYPE_CHECKING:
    from l7proxy.core.config.routes import ActionsConfig, HeaderEditsConfig, RouteConfig
    from l7proxy.core.exchange import Exchange
    from l7proxy.core.http.messages import HttpRequest, HttpResponse
    from l7proxy.core.http.target import PathRules, Target
    from l7proxy.core.routing.actions import HeaderEdits, Redirect, Rewrite, Split
    from l7proxy.core.routing.conditions import Condition
    from l7proxy.core.routing.paths import PathMatch

ANY_HOST = ""


class Route:
    """A compiled route.

    - `index` is its position in the configuration; the `default` comes after the last
    - `hosts` are the hosts that it is for, `ANY_HOST` where it names none
    - `conditions`, None where there are none, must all hold once host and path are found
    - `pool_name` is the pool that answers, None where a split or the route itself decides
    - `acts` is whether there is anything to do before the request goes to its pool
    - `mirror` names the pool that gets a copy
    """

    __slots__ = (
        "acts",
        "conditions",
        "config",
        "hosts",
        "index",
        "mirror",
        "path",
        "pool_name",
        "redirect",
        "request_headers",
        "respond",
        "response_headers",
        "rewrite",
        "specificity",
        "split",
    )

    def __init__(self, index: int, config: RouteConfig, rules: PathRules = USUAL_RULES) -> None:
        self.index = index
        self.config = config
        self.path: PathMatch = path_match(config, rules)
        self.hosts: tuple[str, ...] = (ANY_HOST,)
        if config.host is not None:
            self.hosts = tuple(dict.fromkeys(_plain_host(host) for host in config.host))
        self.conditions = _conditions(config, self.path)
        self.pool_name = config.backend_pool
        self.mirror = config.mirror
        self.split: Split | None = None
        self.rewrite: Rewrite | None = None
        self.redirect: Redirect | None = None
        self.respond: HttpResponse | None = None
        self.request_headers = _header_edits(config.request_headers)
        self.response_headers: HeaderEdits | None = _header_edits(config.response_headers)
        self.acts = _has_actions(config)
        if self.acts:
            self._compile_actions(config, rules)
        asked = len(self.conditions or ()) - (self.path.test is not None)
        path = self.path
        # Of two routes for the same host, the one with the smaller tuple wins.
        prefix = 0 if path.form == EXACT else len(path.literal)
        self.specificity = (path.form, -prefix, -asked, -path.more, index)

    def _compile_actions(self, config: ActionsConfig, rules: PathRules) -> None:
        from l7proxy.core.http.messages import written_response
        from l7proxy.core.routing.actions import Redirect, Rewrite, Split, typed_response

        regex = self.path.test if self.path.form == REGEX else None
        if config.split is not None:
            self.split = Split(config.split)
        if config.rewrite is not None:
            self.rewrite = Rewrite(config.rewrite, regex, rules)
        if config.redirect is not None:
            self.redirect = Redirect(config.redirect, regex)
        if config.respond is not None:
            self.respond = typed_response(written_response(config.respond))

    def admits(self, request: HttpRequest, target: Target) -> bool:
        """Returns whether all conditions hold."""
        return all(condition.holds(request, target) for condition in self.conditions or ())

    def act(self, exchange: Exchange) -> None:
        """Rewrites the request, and answers it where the route answers by itself.

        Raises `Refused` where that can't be done.
        """
        request, target = exchange.request, exchange.target
        assert target is not None
        exchange.rewritten_path, exchange.rewritten_host = self.rewritten(request, target)
        response = self.respond
        if self.redirect is not None:
            path = exchange.rewritten_path or target.path
            response = self.redirect.response(request, target, path)
        if response is not None:
            exchange.reply(response)

    def rewritten(self, request: HttpRequest, target: Target) -> tuple[str | None, str | None]:
        """Returns the path and the host that the backend gets, None where they stay as they are.

        Raises `Refused` where either can't be sent.
        """
        rewrite = self.rewrite
        if rewrite is None:
            return None, None
        return rewrite.path(target.path), rewrite.host(request, target)

    @property
    def pattern(self) -> str:
        """The path or pattern, as written."""
        return self.path.shown

    def __str__(self) -> str:
        """Returns the route's name or, without one, what it matches."""
        if self.config.name is not None:
            return self.config.name
        host = " ".join(host for host in self.config.host or ())
        return f"{host} {self.pattern}".strip()

    def __repr__(self) -> str:
        return f"Route({self.index}: {self})"


def _plain_host(host: str) -> str:
    """Returns a host of the configuration as `host_in` gives those of requests."""
    return host_in(host) or host.lower().removesuffix(".")


def _conditions(config: RouteConfig, path: PathMatch) -> tuple[Condition, ...] | None:
    asks = any(getattr(config, name) is not None for name in TESTED)
    if not asks and path.test is None:
        return None
    from l7proxy.core.routing.conditions import PathIs, conditions_of

    made = conditions_of(config)
    if path.test is not None:
        made.insert(0, PathIs(path.test))
    return tuple(made) or None


def _has_actions(config: ActionsConfig) -> bool:
    return any((config.rewrite, config.redirect, config.respond, config.split))


def _header_edits(config: HeaderEditsConfig | None) -> HeaderEdits | None:
    if config is None:
        return None
    from l7proxy.core.routing.actions import header_edits

    return header_edits(config)
