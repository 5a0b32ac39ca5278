"""nginx's and Apache's access logs: "combined", "common", and with the host in front.

    192.0.2.1 - - [10/Oct/2000:13:55:36 -0700] "GET /a HTTP/1.1" 200 2326 "http://e.org/" "curl/8"

Lines that differ from it a little, as they do where people added columns of their own, are cut into
words: in front of the time are a host, which may be absent, the client or a list of clients, and
two names; behind it the host if it was not in front, the request, the status, and then perhaps a
referer and a user agent, which are quoted. Where a duration comes last, as many people add
`$request_time`, it is taken for one.
"""

from __future__ import annotations

import re
from typing import Any

from l7proxy.core.http.messages import HttpRequest
from l7proxy.tools.formats.escapes import unescaped, unescaped_target
from l7proxy.tools.formats.format import Details, Format
from l7proxy.tools.formats.line import (
    BadLine,
    LoggedRequest,
    LogReader,
    as_served,
    client_of,
    field,
    headers_of,
    is_address,
    milliseconds,
    request_line,
    status_from,
    words_of,
)
from l7proxy.tools.formats.times import any_time

# A quoted text. Without escapes it ends at the first quote that has no backslash before it; to
# look for that takes two thirds of the time that looking at each character does.
_QUOTED = r'"([^"]*+(?<!\\)|[^"\\]*+(?>(?:\\.[^"\\]*+)*))"'
# The first line of a request: method and target where there is nothing odd in it, else its text.
_REQUEST = rf'(?:"([^ "\\]++) ([^ "\\]++) HTTP/[^ "\\]*+"|{_QUOTED})'
_LINE = re.compile(
    r'(?:([\w.-]++:\d++) )?(\S++) \S++ (?:\S++|"[^"]*+") \[([^\]]++)\] '
    rf"{_REQUEST} (-?\d++|-) (?:\d++|-)(?: {_QUOTED} {_QUOTED}((?s:.*))|\s*)"
).fullmatch
_TIME = re.compile(
    r"(?:^| )\[(\d\d/\w{3}/\d{4}:[^][]++|\d{4}-\d\d-\d\d[T ][^][]++|\d{10}\.\d++)\] "
).search
_HOST = re.compile(r"(?:[\w.-]++|\[[\da-fA-F:.]++\])(?::\d++)?").fullmatch
_STATUS = re.compile(r"-?\d++|-").fullmatch
_SECONDS = re.compile(r"\d++\.\d{3}").fullmatch
_PLAIN = 3
"""Words in front of the time where there are no others than a client and two names."""
_MOST_NAMES = 4
"""Words between the client and the time: two names, one of which may have blanks in it."""


def _reader(details: Details) -> LogReader:
    """Returns a reader of such lines. It remembers the last time read, which many lines share."""
    as_logged = details.as_logged
    last_text = ""
    last_time = 0.0

    def read(line: str) -> LoggedRequest:
        nonlocal last_text, last_time
        found = _LINE(line)
        if found is None:
            host, client, time, method, target, odd, status, referer, agent, rest = _words(line)
        else:
            host, client, time, method, target, odd, status, referer, agent, rest = found.groups()
        if time != last_text:
            last_time = any_time(time)
            last_text = time
        if odd is not None:
            method, target = request_line(odd)
            method, target = unescaped(method), unescaped_target(target)
        fields = []
        if host is not None:
            fields.append(field("Host", host))
        if referer is not None and referer != "-":
            fields.append(field("Referer", unescaped(referer) if "\\" in referer else referer))
        if agent is not None and agent != "-":
            fields.append(field("User-Agent", unescaped(agent) if "\\" in agent else agent))
        if ":" in client or "," in client:
            client = client_of(client)
        request = HttpRequest(method, target, headers_of(fields), client)
        if as_logged:
            request.simulate = as_served(status_from(status), _duration(rest or ""))
        return last_time, request

    return read


def _words(line: str) -> tuple[Any, ...]:
    """Returns the parts of a line in the order of the groups of `_LINE`; raises `BadLine`."""
    found = _TIME(line)
    if found is None:
        raise _bad()
    host, client = _host_and_client(line[: found.start()])
    words = words_of(line[found.end() :])
    place = _place_of_request(words)
    if host is None:
        host = next((text for _, text in words[:place] if _is_host(text)), None)
    request, *rest = words[place:]
    if not rest or rest[0][0] or _STATUS(rest[0][1]) is None:
        raise _bad()
    quoted = [text for is_quoted, text in rest if is_quoted]
    referer = quoted.pop(0) if quoted and _is_referer(quoted[0]) else None
    agent = quoted[0] if quoted else None
    return host, client, found[1], None, None, request[1], rest[0][1], referer, agent, rest[-1][1]


def _place_of_request(words: list[tuple[bool, str]]) -> int:
    """Returns which word is the request: of the quoted ones the first that looks like one.

    Raises `BadLine` where none is quoted.
    """
    quoted = [place for place, (is_quoted, _) in enumerate(words) if is_quoted]
    if not quoted:
        raise _bad()
    looks = [place for place in quoted if words[place][1].rpartition(" ")[2].startswith("HTTP/")]
    return (looks or quoted)[0]


def _is_host(text: str) -> bool:
    """Returns whether a word is the name of a host, as in example.com."""
    _, dot, last = text.partition(":")[0].rpartition(".")
    return bool(dot) and last.isalpha() and _HOST(text) is not None


def _is_referer(text: str) -> bool:
    return text in ("-", "") or "://" in text or text.startswith("/")


def _host_and_client(text: str) -> tuple[str | None, str]:
    """Returns what is in front of the time; raises `BadLine` where it is nothing of the kind."""
    words = text.replace('"', "").split()
    host = None
    first_is_host = len(words) > 1 and _HOST(words[0]) is not None and is_address(words[1])
    if first_is_host and not (is_address(words[0]) and ":" not in words[0]):
        host = words.pop(0)
    clients = 1
    while clients < len(words) and words[clients - 1].endswith(","):
        clients += 1
    names = words[clients:]
    is_client = bool(words) and (is_address(words[0]) or len(words) == _PLAIN)
    if not is_client or len(names) > _MOST_NAMES:
        raise _bad()
    return host, words[0].rstrip(",")


def _bad() -> BadLine:
    return BadLine("not a line of a combined access log")


def _duration(rest: str) -> float | None:
    """Returns the seconds in the last of some words: `0.125`, `rt="1.250"` or `7ms`; or None."""
    word = rest.rstrip().rpartition(" ")[2].rpartition("=")[2].strip('"')
    if _SECONDS(word):
        return float(word)
    return milliseconds(word[:-2]) if word.endswith("ms") else None


FORMAT = Format(
    "combined",
    what="nginx, Apache, Traefik, and many others",
    sign="lines with a client, a time in brackets, a quoted request and a status",
    reader=_reader,
)
