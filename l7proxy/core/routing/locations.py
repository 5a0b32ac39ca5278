"""Where redirects lead: a template for Location, in which values stay what they are meant to be.

A value that comes from a path may begin with slashes, or look like a scheme or another host. Only
the template says whether there is a host, and how it ends.
"""

from __future__ import annotations

import re

from l7proxy.core.config.routes import HOST_FIELDS, template_parts
from l7proxy.core.http.grammar import host_in, quote
from l7proxy.core.http.local_reply import Refused, bad_request
from l7proxy.core.http.target import escape_non_ascii

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_BEFORE_HOST = re.compile(r"(?i:https?):[/\\]*|(?:[A-Za-z][A-Za-z0-9+.-]*:)?[/\\]{2,}")
"""What a host follows. Browsers read `https:a` and `https:/a` as they do `https://a`, and a
backslash as a slash."""
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_AFTER_HOST = re.compile(r"[/?#\\]")
_SLASHES = re.compile(r"[/\\]{2,}")
_PATHS = ("path", "target")
"""What always begins with a slash, so that the template itself ends the host."""


class Location:
    """The template of a redirect's Location; `names` are those of its values."""

    __slots__ = ("_host_begins", "_is_relative", "_parts", "names")

    def __init__(self, text: str) -> None:
        self._parts = template_parts(text)
        self.names = tuple(name for _, name in self._parts if name is not None)
        start = self._parts[0][0]
        before = _BEFORE_HOST.match(start)
        self._is_relative = before is None and _SCHEME.match(start) is None
        self._host_begins: int | None = None
        if before is not None and _AFTER_HOST.search(start, before.end()) is None:
            self._host_begins = before.end()

    def fill(self, value_of: Callable[[str], str | None]) -> str:
        """Returns the location with the values of its names filled in; None is an empty value.

        Raises `Refused` with a 400 where they make another host than the template has.
        """
        values = ["" if name is None else value_of(name) or "" for _, name in self._parts]
        location = "".join(
            literal + value for (literal, _), value in zip(self._parts, values, strict=True)
        )
        if not self.names:
            return escape_non_ascii(location)
        if self._host_begins is not None:
            self._check_host(self._host_begins, values)
        elif self._is_relative:
            location = _relative(location)
        return escape_non_ascii(location)

    def _check_host(self, begins: int, values: list[str]) -> None:
        """Raises `Refused` unless the values leave the host what it is in the template.

        A value may be all of the host, or labels of it where the template sets them off; otherwise
        it must be what follows the host. It ends no host of which it would be a label.
        """
        authority = ""
        is_filled = is_made = is_another = False
        for index, ((literal, name), value) in enumerate(zip(self._parts, values, strict=True)):
            written, goes_on = _of_host(literal[begins:])
            begins = 0
            authority += written
            if not goes_on:
                break
            is_set_off = not authority or authority[-1] in ".-:"
            behind = "" if name is None else _of_host(self._parts[index + 1][0])[0]
            if authority and value[:1] in ("/", "?", "#"):
                is_label = (is_set_off or is_filled) and behind != ""
                is_another |= is_label and name not in _PATHS
                break
            is_made |= name is not None
            if value and name not in HOST_FIELDS:
                is_filled = True
                # Without more of the host behind it, it would be another one.
                is_another |= not is_set_off and "." not in behind
            authority += value
        if is_another or (is_made and (authority[:1] == "." or host_in(authority) is None)):
            raise Refused(bad_request(f"the redirect would lead to the host {quote(authority)}"))


def _of_host(literal: str) -> tuple[str, bool]:
    """Returns what of a literal text belongs to the host, and whether the host may go on."""
    ends = _AFTER_HOST.search(literal)
    return (literal, True) if ends is None else (literal[: ends.start()], False)


def _relative(location: str) -> str:
    """Returns a reference to the same host (RFC 3986, 4.2)."""
    if _SLASHES.match(location):
        return "/" + location.lstrip("/\\")
    if ":" in re.split(r"[/?#]", location, maxsplit=1)[0]:
        return f"./{location}"
    return location
