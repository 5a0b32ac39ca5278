"""Parsing of request targets: a path, a query and perhaps a host (RFC 9112, 3.2).

A path is brought into one normal form, in which it is matched and forwarded: a proxy that matches
one spelling and forwards another can be talked past its routes.
"""

from __future__ import annotations

import re

from l7proxy.core.http.grammar import host_in
from l7proxy.core.http.head import (
    ABSOLUTE,
    CONTENT_IN_CONNECT,
    check_head,
    find_line_fault,
    more_than_one,
    not_a_host,
)
from l7proxy.core.http.local_reply import NOT_ALLOWED, Refused, bad_request
from l7proxy.core.http.messages import Headers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from l7proxy.core.http.messages import HttpRequest

NEVER_PASSED_ON = frozenset(("CONNECT", "TRACE"))
"""Methods that no route takes. A reverse proxy gives no tunnels, and a TRACE would show a client
the fields that were added for the backend alone, and to scripts those that are kept from them."""
_COMMON = ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH")
ALLOW = Headers((("Allow", ", ".join(_COMMON)),))
"""The field that lists methods where no route has been asked."""

STANDARD_METHODS = frozenset(_COMMON)
_ABOUT_PATHS = STANDARD_METHODS - {"OPTIONS"}
"""Well-known methods that are never about the server as a whole."""

# A path in normal form whose segments don't start with a dot and have no parameters, and perhaps a
# query; targets that don't match are parsed step by step. The repetition is in an atomic group
# because possessive ones of more than a character are wrong in CPython before 3.11.5 (gh-106052).
_NORMAL = re.compile(
    r"(?=/)((?>(?:/[A-Za-z0-9_~!$&'()*+,=:@-][A-Za-z0-9_~!$&'()*+,=:@.-]*+)*)/?)"
    r"(?:\?([!\"$-~]*+))?"
).fullmatch

# Compiled when they are first asked for, which in most runs is never.
_ESCAPE = r"%([0-9A-Fa-f]{2})?"
_UNRESERVED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_SLASHES = r"//+"
_NOT_ASCII = r"[^\x00-\x7f]+"
_DOTS_WITH_PARAMETERS = r"(?:/|%2F)\.{1,2}(?:;|%3B)"
_DOTS_AT_ENCODED_SLASH = r"(?:/|%2F)\.{1,2}%2F|%2F\.{1,2}(?:/|%2F|\Z)"
_PARAMETERS = r"(?:;|%3B)[^/]*"

# Some servers cut off ";parameters" first and climb then, past the route that was taken.
_CLIMBS = "the path has a dot segment with parameters"


class PathRules:
    """How paths are read where backends differ."""

    __slots__ = ("keep_encoded_slashes", "keep_parameters", "merge_slashes")

    def __init__(
        self,
        *,
        merge_slashes: bool = True,
        keep_encoded_slashes: bool = False,
        keep_parameters: bool = False,
    ) -> None:
        self.merge_slashes = merge_slashes
        self.keep_encoded_slashes = keep_encoded_slashes
        self.keep_parameters = keep_parameters


USUAL_RULES = PathRules()

ANY_PATH = PathRules(keep_encoded_slashes=True, keep_parameters=True)
"""These rules can read the path of any request that has got as far as to a pool."""


class Target:
    """What a request is for.

    `path` starts with `/` and is in normal form. `query` has no `?`, and is as the client sent it
    but for characters beyond ASCII, which are percent-encoded. `authority` is that of an
    absolute-form target, which replaces the Host header (RFC 9112, 3.2.2). `host` is the host in
    it, or in the Host header once `host_of` has looked there. `bare_path` is the path as those read
    it who cut off `;parameters`, where it has some and that may lead elsewhere. `parameters` are
    those of the query once a route has asked for them.
    """

    path: str
    query: str | None
    bare_path: str | None = None
    host: str | None = None
    authority: str | None = None
    parameters: dict[str, list[str]] | None = None

    def __repr__(self) -> str:
        return f"Target({self.host!r}, {self.path!r}, {self.query!r})"


class ForTheServer(Refused):
    """Raised for an OPTIONS that asks about the server and not about a path (RFC 9110, 9.3.7).

    The proxy answers it: it is the server that its clients know.
    """


_NO_PATH = bad_request("the request is about the server, not about a path")


def parse_target(request: HttpRequest, rules: PathRules = USUAL_RULES) -> Target:
    """Returns the request's target.

    Raises `Refused` with a 400 for a fault in the method or target, and with a 405 for methods that
    are never passed on; raises `ForTheServer`. A fault in the fields is raised only where it comes
    before another one: check fields with `check_head`.
    """
    if request.method in _ABOUT_PATHS:
        normal = _NORMAL(request.target)
        if normal is not None:
            # Made and filled in, and not by a constructor: that takes half the time.
            target = Target()
            target.path, target.query = normal.groups()
            return target
    fault = find_line_fault(request.method, request.target)
    if fault is not None:
        raise _bad(fault)
    try:
        return _parse_at_length(request, rules)
    except Refused:
        check_head(request)
        raise


def hops_left(method: str, headers: Headers) -> int | None:
    """Returns how often an OPTIONS may still be passed on (RFC 9110, 7.6.2), or None for no limit.

    With 0 it is for this server to answer.
    """
    if method != "OPTIONS":
        return None
    said = headers.get("max-forwards") or ""
    return int(said) if said.isascii() and said.isdecimal() and len(said) < 10 else None


def _parse_at_length(request: HttpRequest, rules: PathRules) -> Target:
    """Returns the target of a request for which `find_line_fault` found nothing."""
    method, origin = request.method, request.target
    if method == "CONNECT" and request.body:
        raise _bad(CONTENT_IN_CONNECT)
    if method in NEVER_PASSED_ON:
        raise Refused(NOT_ALLOWED.with_detail(method), ALLOW)
    if origin == "*" or hops_left(method, request.headers) == 0:
        raise ForTheServer(_NO_PATH)
    host = authority = None
    if not origin.startswith("/"):
        absolute = re.fullmatch(ABSOLUTE, origin)
        assert absolute is not None
        authority, origin = absolute.groups()
        host = host_name(authority)
        if not origin and method == "OPTIONS":
            raise ForTheServer(_NO_PATH)
        if not origin.startswith("/"):
            origin = f"/{origin}"
    path, mark, query = origin.partition("?")
    target = Target()
    target.path = path = normal_path(path, rules)
    if not rules.keep_parameters and (";" in path or "%3B" in path):
        target.bare_path = re.sub(_SLASHES, "/", re.sub(_PARAMETERS, "", path))
    target.query = escape_non_ascii(query) if mark else None
    target.host, target.authority = host, authority
    return target


def normal_path(path: str, rules: PathRules = USUAL_RULES) -> str:
    """Returns the normal form of a path that starts with `/`.

    Unreserved characters are decoded, other escapes get upper-case digits (RFC 3986, 6.2.2),
    characters beyond ASCII are escaped as UTF-8, repeated slashes are merged, and then `.` and `..`
    are resolved. Raises `Refused` with a 400 for paths that backends are known to read in different
    ways.
    """
    if not path.startswith("/"):
        raise _bad("the path must start with /")
    if "\\" in path:
        raise _bad("the path has a backslash")
    if not path.isascii():
        path = escape_non_ascii(path)
    if "%" in path:
        keep = _keep_escapes if rules.keep_encoded_slashes else _refuse_slash
        path = re.sub(_ESCAPE, keep, path)
        if re.search(_DOTS_AT_ENCODED_SLASH, path):
            raise _bad("the path has a dot segment beside %2F")
        if re.search(_DOTS_WITH_PARAMETERS, path):
            raise _bad(_CLIMBS)
    if rules.merge_slashes and "//" in path:
        path = re.sub(_SLASHES, "/", path)
    if "/." in path:
        path = _resolve_dots(path)
    return path


def with_query(path: str, query: str | None) -> str:
    """Returns a target in origin-form; a query that the path brings along comes first."""
    if query is None:
        return path
    if "?" not in path:
        return f"{path}?{query}"
    return f"{path}&{query}" if query and not path.endswith("?") else f"{path}{query}"


def escape_non_ascii(text: str) -> str:
    """Returns the text with characters beyond ASCII percent-encoded as UTF-8.

    Raises `Refused` with a 400 where it is not Unicode text.
    """
    try:
        return re.sub(_NOT_ASCII, lambda found: _escaped(found[0].encode()), text)
    except UnicodeEncodeError:
        raise _bad("the path is not Unicode text") from None


def escape_segment(text: str) -> str:
    """Returns any text as it is written in a path; slashes stay."""
    return "".join(
        character
        if character in _UNRESERVED or character == "/"
        else _escaped(character.encode("utf-8", "replace"))
        for character in text
    )


def _escaped(octets: bytes) -> str:
    return "".join(f"%{octet:02X}" for octet in octets)


def _keep_escapes(escape: re.Match[str]) -> str:
    digits = escape[1]
    if digits is None:
        raise _bad("the path has a % without two hexadecimal digits")
    octet = int(digits, 16)
    character = chr(octet)
    if character in _UNRESERVED:
        return character
    if octet < 0x20 or octet == 0x7F:
        raise _bad(f"the path has an encoded control character, %{digits.upper()}")
    if character == "\\":
        raise _bad("the path has an encoded backslash, %5C")
    return f"%{digits.upper()}"


def _refuse_slash(escape: re.Match[str]) -> str:
    kept = _keep_escapes(escape)
    if kept == "%2F":
        raise _bad(
            "the path has an encoded slash, %2F",
            '"paths": {"encoded_slashes": "keep"} lets it pass',
        )
    return kept


def _resolve_dots(path: str) -> str:
    """Returns the path without `.` and `..` segments (RFC 3986, 5.2.4)."""
    if re.search(_DOTS_WITH_PARAMETERS, path):
        raise _bad(_CLIMBS)
    kept: list[str] = []
    segment = ""
    for segment in path.split("/")[1:]:
        if segment == "..":
            if not kept:
                raise _bad("the path climbs above the root")
            kept.pop()
        elif segment != ".":
            kept.append(segment)
    if segment in (".", ".."):
        kept.append("")
    return "/" + "/".join(kept)


def host_of(request: HttpRequest, target: Target) -> str:
    """Returns the host that the request is for, in lower case and without a port; "" for none.

    Raises `Refused` with a 400 for a Host header that is not a host, and for more than one.
    """
    host = target.host
    if host is None:
        lines = request.headers.all("host")
        if len(lines) > 1:
            raise _bad(more_than_one("host"))
        target.host = host = host_name(lines[0]) if lines else ""
    return host


def host_name(authority: str) -> str:
    """Returns the host in `host:port`, in lower case and without a final dot.

    Raises `Refused` with a 400 where the text is no authority.
    """
    host = host_in(authority)
    if host is None:
        raise _bad(not_a_host(authority))
    return host


def _bad(why: str, hint: str = "") -> Refused:
    return Refused(bad_request(why, hint=hint))
