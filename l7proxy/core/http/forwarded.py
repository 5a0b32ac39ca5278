"""The Forwarded field (RFC 7239): what proxies say of where a request came from."""

from __future__ import annotations

import re

from l7proxy.core.http.grammar import TOKEN_CHARACTER

UNKNOWN = "unknown"
"""A client that can't be named (6.2)."""

_TOKEN = TOKEN_CHARACTER + "++"
_PAIR = rf'({_TOKEN})=({_TOKEN}|"(?:[^"\\]|\\.)*+")'
_BETWEEN = r"[ \t]*+(?:([;,])[ \t]*+|$)"


def parse_forwarded(value: str) -> list[dict[str, str]] | None:
    """Returns what each proxy says, the nearest last: parameters by name in lower case.

    None for what is not such a field, of which nothing is to be believed (4).
    """
    elements: list[dict[str, str]] = [{}]
    value = value.strip(" \t")
    match_pair, match_between = re.compile(_PAIR).match, re.compile(_BETWEEN).match
    at = 0
    while at < len(value):
        pair = match_pair(value, at)
        if pair is not None:
            name, said = pair[1].lower(), pair[2]
            if name in elements[-1]:
                return None
            elements[-1][name] = re.sub(r"\\(.)", r"\1", said[1:-1]) if said[0] == '"' else said
            at = pair.end()
        between = match_between(value, at)
        if between is None:
            return None
        if between[1] == ",":
            elements.append({})
        at = between.end()
    return [element for element in elements if element]


def claimed_hops(elements: list[dict[str, str]] | None) -> str:
    """Returns the addresses that Forwarded names, as X-Forwarded-For would list them.

    `elements` is None where the field can't be read, which makes its client unknown.
    """
    if elements is None:
        return UNKNOWN
    return ", ".join([_address_of(element.get("for", UNKNOWN)) for element in elements])


def _address_of(node: str) -> str:
    """Returns the address in a `for` or `by`, without brackets and port; or what stands for one."""
    if node.startswith("["):
        return node[1:].partition("]")[0]
    return node.partition(":")[0]
