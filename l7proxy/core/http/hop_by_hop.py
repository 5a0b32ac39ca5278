"""Header fields that are about one connection, and those that only the proxy may write.

Names are in lower case. To many backends, which read fields as CGI variables, an underscore is
a hyphen: whoever takes a field out takes out what differs in that alone, too (`plain_name`).
"""

from __future__ import annotations

from l7proxy.core.http.grammar import plain_name

HOP_BY_HOP = frozenset(
    (
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "transfer-encoding",
        "upgrade",
    )
)
"""Fields that stop at this hop (RFC 9110, 7.6.1 and 11.7)."""

CLAIMS = frozenset(("forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto"))
"""Fields about where a request came from: the proxy's to write (RFC 7239)."""

CLAIMS_BEGIN = frozenset("fFxX")
"""With which letters the names of claims begin, so that most others need no second look."""
CLAIMS_PREFIX = "x-forwarded-"
"""How fields begin that are claims about where a request came from, whatever follows."""

_PROTECTED = frozenset(
    (
        "authorization",
        "cache-control",
        "content-encoding",
        "content-length",
        "content-range",
        "content-type",
        "cookie",
        "date",
        "expires",
        "host",
        "location",
        "origin",
        "range",
        "set-cookie",
        "traceparent",
        "tracestate",
        "vary",
        "x-real-ip",
        "x-request-id",
    )
)


def may_be_listed(name: str) -> bool:
    """Whether a field of this name stops at this hop if Connection lists it (RFC 9110, 7.6.1).

    Not what the backend relies on (who the client is, how long the body is, under which rules to
    cache): a client could otherwise have the proxy remove it. Fields that are hop-by-hop anyway
    need no listing.
    """
    return (
        name not in HOP_BY_HOP
        and name not in _PROTECTED
        and name != "close"
        and not name.startswith(CLAIMS_PREFIX)
    )


def is_claim(name: str) -> bool:
    """Whether a field of this name, in any case and spelling, says where a request came from.

    Via is not among these: it only adds to a list, and no decision goes by it.
    """
    plain = plain_name(name)
    return plain == "forwarded" or plain.startswith(CLAIMS_PREFIX)


def is_unbelievable(name: str, *, trusted: bool) -> bool:
    """Whether a field of this name, in any case, is dropped before anything looks at it.

    Claims are, unless a trusted proxy makes them. No proxy writes them with another sign than a
    hyphen: what is spelled so came past all of them from a client.
    """
    return is_claim(name) and not (trusted and plain_name(name) == name.lower())
