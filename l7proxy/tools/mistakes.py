"""What is valid in a configuration and can't do what was meant by it.

Each function yields the JSON pointers of such values, and a warning for each.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from l7proxy.core.config.address import split_address
from l7proxy.core.config.problems import pointer_to
from l7proxy.tools.never_matches import never_matches

if TYPE_CHECKING:
    from l7proxy.core.config import ActionsConfig, Config

    Warned = tuple[str, str]
    """The JSON pointer of what is warned of, and the warning."""

_PLACEHOLDER = r"\$?\{[A-Za-z_][\w.-]*\}|\$[A-Za-z_]\w*|%\[[^\[\]]+\]"
"""A variable as it is written here in templates, and in nginx, Envoy, Caddy, HAProxy or a shell."""

_VARIABLE = r"\$\{?\w+\}?|\{\{?[^{}]*\}\}?|%\w+%"
_NUMBERS = r"[0-9]+(?:\.[0-9]+)+"


def mistakes(config: Config, written: Any) -> Iterator[Warned]:
    """Yields all of them; `written` is the JSON value that the configuration was loaded from."""
    yield from idle_regexes(config)
    yield from literal_placeholders(config)
    yield from unlikely_addresses(config)
    yield from lonely_attempts(config, written)


def _actions(config: Config) -> Iterator[tuple[str, ActionsConfig]]:
    """Yields the routes, and the default, with their JSON pointers."""
    for index, route in enumerate(config.routes or ()):
        yield pointer_to("/routes", index), route
    if config.default is not None:
        yield "/default", config.default


def idle_regexes(config: Config) -> Iterator[Warned]:
    """Yields the regular expressions for paths that match no path in normal form."""
    for index, route in enumerate(config.routes or ()):
        if route.path_regex is not None:
            why = never_matches(route.path_regex, complete=True)
            if why is not None:
                yield pointer_to("/routes", index, "path_regex"), f"it can never match: {why}"
    for at, actions in _actions(config):
        rewrite = actions.rewrite
        if rewrite is not None and rewrite.regex is not None:
            why = never_matches(rewrite.regex, complete=False)
            if why is not None:
                yield pointer_to(at, "rewrite", "regex"), f"it can never match: {why}"


def literal_placeholders(config: Config) -> Iterator[Warned]:
    """Yields the headers whose values look as if something was to be filled in."""
    for at, actions in _actions(config):
        for field in ("request_headers", "response_headers"):
            edits = getattr(actions, field)
            if edits is None:
                continue
            for key, headers in (("set", edits.set), ("add", edits.add)):
                for name, value in (headers or {}).items():
                    found = _placeholder_in((value,) if isinstance(value, str) else value)
                    if found is not None:
                        where = pointer_to(at, field, key, name)
                        yield where, f"{found} is sent as it is written: nothing is filled in here"


def _placeholder_in(values: Iterable[str]) -> str | None:
    matches = (re.search(_PLACEHOLDER, value) for value in values)
    return next((match[0] for match in matches if match is not None), None)


def unlikely_addresses(config: Config) -> Iterator[Warned]:
    """Yields the addresses that lead nowhere; those of other nodes are names."""
    for name, pool in config.backend_pools.items():
        if pool.upstream == "envelope":
            continue
        for index, backend in enumerate(pool.backends):
            why = _why_nowhere(backend.address)
            if why is not None:
                at = pointer_to(config.pool_pointer(name), "backends", index)
                yield at, f'"{backend.address}" leads nowhere: {why}'


def _why_nowhere(address: str) -> str | None:
    """Returns why an address leads nowhere, or None where it may lead somewhere."""
    if not address or address.startswith("unix:"):
        return None
    host, _ = split_address(address)
    variable = re.search(_VARIABLE, host)
    if variable is not None:
        return f"{variable[0]} is not filled in here"
    if "@" in host:
        return "there is no user in an address"
    if ":" in host or re.fullmatch(_NUMBERS, host):
        from ipaddress import ip_address

        try:
            ip_address(host)
        except ValueError:
            return f"{host} is not an IP address"
    return None


def lonely_attempts(config: Config, written: Any) -> Iterator[Warned]:
    """Yields the retries of a single backend that never come: it was tried already."""
    for name, pool in config.backend_pools.items():
        at = config.pool_pointer(name)
        spelled = written["backend_pools"][name] if at else written
        retries = spelled.get("retries")
        asked_for = isinstance(retries, Mapping) and "attempts" in retries
        is_lonely = len(pool.backends) == 1 and not pool.retries.backoff
        if asked_for and is_lonely and pool.retries.attempts > 1:
            yield (
                pointer_to(at, "retries", "attempts"),
                'a single backend is tried once: without a "backoff" another attempt is made on'
                " another backend only",
            )
