"""Regular expressions over a header-field block: it is well formed, and what it has to tell.

Most fields are passed on unread. `REQUEST_BLOCK` and `RESPONSE_BLOCK` check a whole block, and find
the few things that nearly every message has to be asked for; `find_request_fields` and
`find_response_fields` find every field that the proxy has to know, or to take out.

In CGI variables a hyphen is an underscore: `X_Forwarded_For` would be to many backends what only
the proxy may say, and `Content_Length` the length of another body. Such fields are found as well.
"""

from __future__ import annotations

import re

from l7proxy.core.http import head
from l7proxy.core.http.hop_by_hop import HOP_BY_HOP
from l7proxy.http1.grammar import AUTHORITY, OWS, TEXT, TOKEN, is_token, plain_name

FIELD = TOKEN + rb":" + TEXT + rb"\r\n"

# With leading zeros it has to be written anew, for some readers take those for octal; 18 digits
# are more than any body and fit into 64 bits everywhere.
LENGTH = rb"(?:0|[1-9][0-9]{0,17}+)"

STOPS_HERE = frozenset(name.encode() for name in HOP_BY_HOP)
AT_MOST_ONCE = frozenset(name.encode() for name in head.AT_MOST_ONCE)

_SIGN = b"[" + re.escape(bytes(o for o in range(33, 127) if plain_name(b"%c" % o) == b"-")) + b"]"

# Patterns of names in lower case, each of which begins with a letter.
_ALIASED = AT_MOST_ONCE | {b"content-length", b"transfer-encoding"}
_IN_REQUESTS = (
    *sorted((STOPS_HERE | {b"expect", b"forwarded", b"via"}) - _ALIASED),
    *sorted(name.replace(b"-", _SIGN) for name in _ALIASED),
    b"x" + _SIGN + b"forwarded" + _SIGN + rb"[^:]*+",
)
_IN_RESPONSES = tuple(sorted(STOPS_HERE | {b"content-length", b"date"}))


def _find(names: tuple[bytes, ...]) -> re.Pattern[bytes]:
    return re.compile(rb"\n(" + b"|".join(names) + rb"):" + OWS + rb"([^\r]*+)\r")


# Names are matched in a lower-cased copy of the block, which is cheaper than ignoring case.
# A match runs from the LF before the field to the field's CR, that is (with one LF put in front
# of the copy) over the very indices of the field and its CRLF in the block itself.
find_request_fields = _find(_IN_REQUESTS).finditer
find_response_fields = _find(_IN_RESPONSES).finditer


def _block(names: tuple[bytes, ...], *found: bytes, groups: int) -> bytes:
    """A pattern for a block that follows a line with three groups.

    Group 4, `block`, is all of it, then come the `groups` of `found`, and then one, `kept`, which
    is the first `Connection: keep-alive` with its CRLF. Any other field that is called one of
    `names` is one of `found`, or the last group, `unusual`, matches.

    What comes first in an alternative is a class of characters, for that is looked at before the
    alternative is tried, and trying in vain is what takes time. The repetition is in an atomic
    group because CPython before 3.11.5 goes wrong where a possessive repetition fails halfway
    through what it repeats (gh-106052), and until 3.13 where there are groups in it (gh-101955).
    """
    endings: dict[bytes, list[bytes]] = {}
    for name in names:
        endings.setdefault(name[:1], []).append(name[1:])
    taken = b"".join(endings)
    free = bytes(octet for octet in range(256) if is_token(b"%c" % octet))
    free = free.translate(None, taken + taken.upper())
    listed = b"|".join(_any_case(first, b"|".join(rest)) for first, rest in endings.items())
    alternatives = (
        rb"[" + re.escape(free) + rb"](?:" + TOKEN + rb")?:" + TEXT + rb"\r\n",
        *found,
        rb"(?!(?:" + listed + rb"):)" + FIELD,
        rb"(?(%d)(?!)|(?P<kept>" % (5 + groups)
        + rb"(?i:connection:"
        + OWS
        + rb"keep-alive)"
        + _END
        + rb"))",
        FIELD + rb"(?P<unusual>)",
    )
    return rb"(?P<block>(?>(?:" + b"|".join(alternatives) + rb")*))"


def _any_case(first: bytes, rest: bytes) -> bytes:
    """A pattern for a name that begins with a letter and goes on in one of several ways."""
    return rb"[" + first.upper() + first + rb"](?i:" + rest + rb")"


def _once(number: int, name: bytes, group: bytes, value: bytes) -> bytes:
    """A pattern for a field whose value matches, unless its group has matched before.

    `number` is that of the group called `group`, which is the value.
    """
    named = rb"[%b%b](?(%d)(?!)|(?i:%b))" % (name[:1].upper(), name[:1], number, name[1:])
    return named + rb":" + OWS + rb"(?P<" + group + rb">" + value + rb"(?=" + _END + rb"))" + _END


_END = OWS + rb"\r\n"
_LENGTH_FIELD = _once(6, b"content-length", b"length", LENGTH)


# Most fields that begin with an A, and one of those that mostly come alone of all that may come
# once. (The pattern also takes names that nobody has, such as Iuthorization.)
_ACCEPT = rb"[Aa](?![Uu])(?:" + TOKEN + rb")?:" + TEXT + rb"\r\n"
_ALONE = rb"[AaIi](?(7)(?!)|(?i:uthorization|f-modified-since)):" + TEXT + rb"\r\n(?P<alone>)"

REQUEST_BLOCK = _block(
    _IN_REQUESTS,
    _once(5, b"host", b"host", AUTHORITY),
    _LENGTH_FIELD,
    _ACCEPT,
    _ALONE,
    groups=3,
)
"""Pattern of a request's block, behind a line with three groups.

Groups: 4, `block`; 5 and 6, `host` and `length`, the first valid values of Host and Content-Length;
7, `alone`, which matches where there is an Authorization or an If-Modified-Since; 8, `kept`, the
first `Connection: keep-alive`; and 9, `unusual`, which matches where there is any other field that
`find_request_fields` finds, or more than one of these.
"""
RESPONSE_BLOCK = _block(
    _IN_RESPONSES,
    rb"[Dd](?i:ate):" + TEXT + rb"\r\n(?P<date>)",
    _LENGTH_FIELD,
    groups=2,
)
"""The same for a response; 5, `date`, matches where there is a Date, 6 is `length`, 7 `kept`."""
