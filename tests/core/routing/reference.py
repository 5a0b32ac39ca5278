"""The rule by which routes are chosen, written down once more and as plainly as can be.

Every route is looked at for every request; nothing is shared with the router that is tested.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl, unquote

Request = Mapping[str, Any]
"""`method`, `host`, `path` (in normal form), and perhaps `query`, `headers`, `cookies`, `ip`."""


def choose(routes: Sequence[Mapping[str, Any]], request: Request) -> int | None:
    """The index of the route that wins, or None."""
    found = []
    for index, route in enumerate(routes):
        for host_rank in host_ranks(route.get("host"), request["host"]):
            path_rank = rank_of_path(route, request["path"])
            if path_rank is not None and all(conditions(route, request)):
                asked = len(list(conditions(route, request)))
                kind, prefix, more = path_rank
                found.append((host_rank, kind, -prefix, -asked, -more, index))
    return min(found)[-1] if found else None


def allowed(routes: Sequence[Mapping[str, Any]], request: Request) -> set[str]:
    """The methods of routes that would match with another method."""
    found: set[str] = set()
    for route in routes:
        if "methods" in route and choose([route], request) is None:
            for method in route["methods"]:
                if choose([route], {**request, "method": method}) is not None:
                    found.add(method)
    return found


def host_ranks(hosts: str | list[str] | None, host: str) -> Iterator[tuple[int, int]]:
    if hosts is None:
        yield (2, 0)
        return
    for pattern in [hosts] if isinstance(hosts, str) else hosts:
        pattern = pattern.lower()
        if pattern == host:
            yield (0, 0)
        if pattern.startswith("*.") and host.endswith(pattern[1:]) and host != pattern[1:]:
            yield (1, -len(pattern))


def rank_of_path(route: Mapping[str, Any], path: str) -> tuple[int, int, int] | None:
    if "path" in route:
        return (0, 0, 0) if path == route["path"] else None
    if "path_regex" in route:
        return (2, 0, 0) if re.fullmatch(route["path_regex"], path) else None
    pattern = route.get("path_pattern")
    if pattern is None:
        return (3, 0, 0)
    if "*" not in pattern:
        return (0, 0, 0) if path == pattern else None
    before, _, after = pattern.partition("*")
    literals = len(after.replace("*", "").replace("/", ""))
    wanted, given = pattern.split("/")[1:], path.split("/")[1:]
    if wanted[-1] == "*":
        fits = len(given) >= len(wanted) - 1
        wanted = wanted[:-1]
    elif "*" in wanted[-1]:
        fits = len(given) >= len(wanted)
    else:
        fits = len(given) == len(wanted)
    fits = fits and all(map(segment_fits, wanted, given))
    return (1, len(before), literals) if fits else None


def segment_fits(wanted: str, given: str) -> bool:
    if wanted == "*":
        return given != ""
    if "*" not in wanted:
        return wanted == given
    head, _, rest = wanted.partition("*")
    return given.startswith(head) and any(
        segment_fits_from(rest, given[at:]) for at in range(len(head), len(given) + 1)
    )


def segment_fits_from(wanted: str, given: str) -> bool:
    return segment_fits(wanted, given) if wanted != "*" else True


def conditions(route: Mapping[str, Any], request: Request) -> Iterator[bool]:
    if "methods" in route:
        yield request["method"] in route["methods"]
    for name, test in route.get("headers", {}).items():
        given = request.get("headers", [])
        yield passes(test, [value for key, value in given if key.lower() == name.lower()])
    for name, test in route.get("query", {}).items():
        given = parse_qsl(request.get("query") or "", keep_blank_values=True)
        yield passes(test, [value for key, value in given if key == name])
    for name, test in route.get("cookies", {}).items():
        cookies = request.get("cookies", {})
        yield passes(test, [cookies[name]] if name in cookies else [])
    if "client_ip" in route:
        networks = route["client_ip"]
        yield any(
            in_network(request.get("ip", ""), network)
            for network in ([networks] if isinstance(networks, str) else networks)
        )


def passes(test: str | Mapping[str, Any], values: list[str]) -> bool:
    if isinstance(test, str):
        return test in values
    if "exact" in test:
        allowed = test["exact"]
        return any(
            value in ([allowed] if isinstance(allowed, str) else allowed) for value in values
        )
    if "prefix" in test:
        return any(value.startswith(test["prefix"]) for value in values)
    if "regex" in test:
        return any(re.fullmatch(test["regex"], value, re.DOTALL) for value in values)
    return bool(values) is test["present"]


def in_network(address: str, network: str) -> bool:
    try:
        return ipaddress.ip_address(address) in ipaddress.ip_network(network)
    except ValueError:
        return False


def reference_normal(path: str) -> str | None:
    """The normal form of a path, by way of its segments; None where it is to be refused."""
    if not path.startswith("/") or "\\" in path or re.search(r"%(?![0-9A-Fa-f]{2})", path):
        return None
    if re.search(r"%(2f|5c|7f|[01][0-9a-f])", path, re.IGNORECASE):
        return None
    path = re.sub(
        "%(..)",
        lambda m: (
            unquote(m[0]) if re.fullmatch(r"[\w.~-]", unquote(m[0]), re.ASCII) else m[0].upper()
        ),
        path,
    )
    kept: list[str] = []
    parts = re.split("/+", path)[1:]
    for at, part in enumerate(parts):
        if re.match(r"\.\.?;", part):
            return None
        if part == "..":
            if not kept:
                return None
            kept.pop()
        if part in (".", "..", "") and at == len(parts) - 1:
            kept.append("")
        elif part not in (".", ".."):
            kept.append(part)
    return "/" + "/".join(kept)
