"""Requests as people send them, and as they would be sent to make the proxy slow.

    python benchmarks/traffic.py [honest] [--lines 10] [--seed 1]

prints envelopes; `TRAFFIC` has the names. The same name, count and seed give the same bytes, and
a longer run begins with the shorter one. All but 2 % of the requests have a route in the default
configuration.

The honest mix: 10,000 clients, of whom the n-th sends 1/n as much as the first (Zipf). Ids in
paths; a request id and a cookie of each request's own; Host, Accept, User-Agent, some with a
Referer and more. In half of the lines there is a colon inside a value. 5 % are a POST with a body,
2 % have no route. Three orders of keys, a third
each: that of `examples/sample.json`; Maelstrom's (`dest`, `src`, `body` with `msg_id` last, `id`);
`type` and `path` first in the body. Half of the lines are compact, half have blanks after `,`
and `:`.

The other kinds are the lines of the honest mix with one property changed, each line as long as the
honest one in its place: what differs in the cost of a byte is due to that property. Two are not:
`plain` is what one writes in a hurry for a quick look, and `repeated` is one and the same line,
which flatters whatever remembers lines.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from bisect import bisect
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import accumulate, count, islice
from pathlib import Path
from random import Random
from typing import NamedTuple

CLIENTS = 10_000
POSTS = 0.05
WITHOUT_ROUTE = 0.02
COMPACT = 0.5
SEED_ORDER, MAELSTROM_ORDER, PATH_FIRST = ORDERS = ("seed", "maelstrom", "path first")
ID, REQUEST_ID, SESSION = "\x01", "\x02", "\x03"
"""What stands in a template of HTTP for the id in the path, the request id, and the cookie's."""

HOSTS = ("shop.example.com", "shop.example.com:8080", "api.example.com", "www.example.org")
USER_AGENTS = (
    *(
        f"Mozilla/5.0 ({system}) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{version}.0.0.0"
        " Safari/537.36"
        for system in ("X11; Linux x86_64", "Windows NT 10.0; Win64; x64")
        for version in range(120, 132)
    ),
    *(
        f"Mozilla/5.0 (X11; Linux x86_64; rv:{version}.0) Gecko/20100101 Firefox/{version}.0"
        for version in range(124, 130)
    ),
    *(f"okhttp/4.{version}.0 (shop; build 8{version}31; Android 14)" for version in range(12)),
)
API_PATHS = (
    "/api/users/{}",
    "/api/users/{}/orders",
    "/api/orders/{}?expand=items",
    "/api/products/{}?page=2&sort=price",
)
STATIC_PATHS = ("/static/js/app-{}.js", "/static/img/{}.png")
PATHS_WITHOUT_ROUTE = ("/admin/{}", "/apix/{}", "/wp-login.php?id={}")
STATIC_FILES = 500


@dataclass(slots=True)
class Request:
    """A request without its id; `{}` in `place` is where the path has `number`."""

    client: str
    method: str
    place: str
    number: int
    headers: dict[str, str]
    body: str | None = None

    @property
    def path(self) -> str:
        return self.place.replace("{}", str(self.number))


@dataclass(slots=True)
class Spelling:
    """How a request is written as an envelope."""

    order: str
    compact: bool
    escaped: bool = True
    """Whether what is not ASCII is written as `\\u…`."""

    def line(self, request: Request, number: int) -> bytes:
        """The envelope of the `number`-th request (from 1), with its newline."""
        said: dict[str, object] = {"type": "http_request"}
        envelope: dict[str, object]
        more = {} if request.body is None else {"body": request.body}
        if self.order == SEED_ORDER:
            said |= {"msg_id": number, "method": request.method, "path": request.path,
                     "headers": request.headers, **more}  # fmt: skip
            envelope = {"src": request.client, "dest": "l7_proxy", "body": said}
        elif self.order == MAELSTROM_ORDER:
            said |= {"method": request.method, "path": request.path, "headers": request.headers,
                     **more, "msg_id": number}  # fmt: skip
            envelope = {"dest": "l7_proxy", "src": request.client, "body": said, "id": number - 1}
        else:
            said |= {"path": request.path, "method": request.method, "headers": request.headers,
                     **more, "msg_id": number}  # fmt: skip
            envelope = {"src": request.client, "dest": "l7_proxy", "body": said}
        separators = (",", ":") if self.compact else (", ", ": ")
        text = json.dumps(envelope, separators=separators, ensure_ascii=self.escaped)
        return text.encode() + b"\n"


def _shares(clients: int) -> list[float]:
    """Zipf's law summed up: where in [0, the last of them] the n-th client's part ends."""
    return list(accumulate(1 / n for n in range(1, clients + 1)))


SHARES = _shares(CLIENTS)


def requests(seed: int = 1, body_bytes: tuple[int, int] = (64, 512)) -> Iterator[Request]:
    """The honest mix, without end; bodies have a length in `body_bytes`."""
    random = Random(f"requests {seed}")
    chance = random.random
    choice = random.choice
    while True:
        number = random.randrange(10_000_000)
        client = bisect(SHARES, chance() * SHARES[-1])
        host = HOSTS[client % len(HOSTS)]
        method, accept, body = "GET", "application/json", None
        kind = chance()
        if kind < WITHOUT_ROUTE:
            place = choice(PATHS_WITHOUT_ROUTE)
        elif kind < 0.3:
            place, accept = choice(STATIC_PATHS), "image/avif,image/webp,*/*;q=0.8"
            number %= STATIC_FILES
        else:
            place = choice(API_PATHS)
        headers = {
            "Host": host,
            "Accept": accept,
            "User-Agent": USER_AGENTS[client % len(USER_AGENTS)],
        }
        if chance() < 0.3:
            headers["Referer"] = f"https://{host}/shop?from=start&at=10:30"
        if chance() < 0.3:
            headers["Accept-Encoding"] = "gzip, deflate, br"
        if chance() < 0.2:
            headers["Accept-Language"] = "en-GB,en;q=0.7,de;q=0.3"
        if chance() < POSTS:
            method, headers["Content-Type"] = "POST", "application/json"
            body = _document(random, random.randint(*body_bytes))
        headers["X-Request-Id"] = f"{random.getrandbits(128):032x}"
        headers["Cookie"] = f"session={random.getrandbits(128):032x}; theme=dark"
        yield Request(f"c{client}", method, place, number, headers, body)


def _document(random: Random, length: int) -> str:
    """A JSON document of that many bytes, at least 20."""
    begin, end = f'{{"item": {random.randrange(100_000)}, "text": "', '"}'
    text = f"{random.getrandbits(8 * length):x}"
    return begin + text[: max(0, length - len(begin) - len(end))] + end


def _spellings(seed: int) -> Iterator[Spelling]:
    random = Random(f"spellings {seed}")
    while True:
        yield Spelling(random.choice(ORDERS), random.random() < COMPACT)


def _fitted(request: Request, spelling: Spelling, number: int, length: int) -> bytes:
    """The line, made `length` bytes long: its cookie grows or shrinks, and then its User-Agent.

    Raises ValueError where that is impossible.
    """
    more = length - len(spelling.line(request, number))
    headers = request.headers
    if more > 0:
        begin, equals, value = headers["Cookie"].partition("=")
        headers["Cookie"] = begin + equals + ((value[:32] * (more // 32 + 1))[:more]) + value
    for name, least in (("Cookie", 16), ("User-Agent", 16)):
        if more < 0 and (cut := min(-more, len(headers.get(name, "")) - least)) > 0:
            headers[name] = headers[name][:-cut]
            more += cut
    line = spelling.line(request, number)
    if len(line) != length:
        raise ValueError(f"a line of {length} bytes can't be made of {line!r}")
    return line


# The properties that are changed. Each takes the honest request and how it is written, and a
# random number generator of its own.

Change = Callable[[Request, Spelling, int, Random], None]


def _many_clients(request: Request, spelling: Spelling, number: int, random: Random) -> None:
    request.client = f"c{random.randrange(100_000)}"


def _new_client(request: Request, spelling: Spelling, number: int, random: Random) -> None:
    request.client = f"n{number:x}"


def _maelstrom(request: Request, spelling: Spelling, number: int, random: Random) -> None:
    spelling.order = MAELSTROM_ORDER


WORDS = ("Trace", "Client", "Forwarded", "Debug", "Session", "Region", "Version", "Feature")


def _new_head(request: Request, spelling: Spelling, number: int, random: Random) -> None:
    """In place of the fields that requests have in common, one to eight that none had before."""
    around = len('"":"",') if spelling.compact else len('"": "", ')
    common = ("Accept", "User-Agent", "Referer", "Accept-Encoding", "Accept-Language")
    removed = {name: request.headers.pop(name) for name in common if name in request.headers}
    room = sum(len(name) + len(value) + around for name, value in removed.items())
    names = random.randint(1, max(1, min(8, room // 40)))
    fresh = {}
    for _ in range(names):
        name = f"X-{random.choice(WORDS)}-{random.getrandbits(32):x}"
        spare = max(1, room // names - len(name) - around)
        fresh[name] = f"{random.getrandbits(4 * spare):x}"
    items = [*request.headers.items(), *fresh.items()]
    random.shuffle(items)
    request.headers = dict(items)


def _escapes(request: Request, spelling: Spelling, number: int, random: Random) -> None:
    """Names, paths and fields that are not ASCII, in half of the lines as escapes."""
    spelling.escaped = random.random() < 0.5
    request.client = f"zo\u00eb-{request.client}"
    request.place += ("&" if "?" in request.place else "?") + "q=\u00e9\u65e5"
    agent = request.headers["User-Agent"]
    request.headers["User-Agent"] = f'"\u00c9" \\ \U0001f600 {agent}'


def _is_plain(request: Request, number: int, random: Random) -> Request:
    """Head and keys as in a quick look: Host, X-Request-Id, Cookie, Accept."""
    kept = ("Host", "X-Request-Id", "Cookie", "Accept")
    place = random.choice(API_PATHS)
    headers = {name: request.headers[name] for name in kept}
    return Request(request.client, "GET", place, request.number, headers)


@dataclass(frozen=True, slots=True)
class Traffic:
    """A kind of traffic: `about` says what makes it what it is."""

    about: str
    lines: Callable[[int], Iterator[bytes]] = field(repr=False)
    """All the lines for a seed, without end."""


def _honest(seed: int) -> Iterator[bytes]:
    spellings = _spellings(seed)
    for number, request in enumerate(requests(seed), 1):
        yield next(spellings).line(request, number)


def _changed(change: Change) -> Callable[[int], Iterator[bytes]]:
    def lines(seed: int) -> Iterator[bytes]:
        random = Random(f"{change.__name__} {seed}")
        spellings = _spellings(seed)
        for number, request in enumerate(requests(seed), 1):
            spelling = next(spellings)
            length = len(spelling.line(request, number))
            change(request, spelling, number, random)
            yield _fitted(request, spelling, number, length)

    return lines


def _plain(seed: int) -> Iterator[bytes]:
    random = Random(f"plain {seed}")
    spelling = Spelling(SEED_ORDER, compact=False)
    for number, request in enumerate(requests(seed), 1):
        yield spelling.line(_is_plain(request, number, random), number)


def _repeated(seed: int) -> Iterator[bytes]:
    """An honest GET of the length that lines have on average, as `json.dumps` writes it."""
    some = 2000
    mean = sum(len(line) for line in islice(_honest(seed), some)) / some
    spelling = Spelling(SEED_ORDER, compact=False)
    asked = [request for request in islice(requests(seed), some) if request.body is None]
    request = min(asked, key=lambda request: abs(len(spelling.line(request, 1)) - mean))
    for number in count(1):
        yield spelling.line(request, number)


TRAFFIC: dict[str, Traffic] = {
    "honest": Traffic("as people send it", _honest),
    "plain": Traffic("keys in one order, Host, X-Request-Id, Cookie and Accept, no body", _plain),
    "100,000 clients": Traffic("clients drawn evenly from 100,000", _changed(_many_clients)),
    "new clients": Traffic("no client comes twice", _changed(_new_client)),
    "maelstrom": Traffic("only Maelstrom's order of keys", _changed(_maelstrom)),
    "new heads": Traffic("names and number of header fields vary", _changed(_new_head)),
    "escapes": Traffic("escapes, and text that is not ASCII", _changed(_escapes)),
    "repeated": Traffic("the repeated line: nothing but msg_id differs", _repeated),
}
"""By name, in the order in which they are to be shown: honest traffic first."""

ADVERSARIAL = ("100,000 clients", "new clients", "maelstrom", "new heads", "escapes")
"""Those of which each line is as long as the honest one in its place."""


def lines(name: str, amount: int, seed: int = 1) -> Iterator[bytes]:
    """That many envelopes of that kind of traffic, each with its newline."""
    return islice(TRAFFIC[name].lines(seed), amount)


def write_lines(file: Path, name: str, amount: int, seed: int = 1) -> None:
    """Writes `lines` from a process of its own.

    What a process has used before it starts another would be counted as that one's memory.
    """
    command = [sys.executable, str(Path(__file__).resolve()), name]
    with file.open("wb") as sink:
        words = ["--lines", str(amount), "--seed", str(seed)]
        subprocess.run([*command, *words], stdout=sink, check=True)


def http_template(request: Request) -> bytes:
    """The request as HTTP/1.1, with ID, REQUEST_ID and SESSION where each request has its own."""
    headers = dict(request.headers)
    headers["X-Request-Id"] = REQUEST_ID
    headers["Cookie"] = f"session={SESSION}; theme=dark"
    body = b""
    if request.body is not None:
        body = request.body.encode()
        headers["Content-Length"] = str(len(body))
    path = request.place.replace("{}", ID)
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"{request.method} {path} HTTP/1.1\r\n{head}\r\n".encode() + body


class Logged(NamedTuple):
    """A request as an access log has it."""

    second: int
    """When it was made, from the start of the log."""
    client_ip: str
    request: Request

    def line(self) -> str:
        """The line in the combined format, with its newline."""
        day, second = divmod(self.second, 86_400)
        clock = f"{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}"
        request, headers = self.request, self.request.headers
        status = 404 if request.place in PATHS_WITHOUT_ROUTE else 200
        return (
            f"{self.client_ip} - - [{1 + day:02}/Mar/2026:{clock} +0000] "
            f'"{request.method} {request.path} HTTP/1.1" {status} 512 '
            f'"{headers.get("Referer", "-")}" "{headers["User-Agent"]}"\n'
        )

    def envelope(self, number: int) -> bytes:
        """What the line has of the request as an envelope with its time, and with a newline."""
        told = {
            name: value
            for name, value in self.request.headers.items()
            if name in ("Referer", "User-Agent")
        }
        body = {"type": "http_request", "msg_id": number, "method": self.request.method,
                "path": self.request.path, "headers": told}  # fmt: skip
        envelope = {"src": self.client_ip, "dest": "l7_proxy", "at": self.second, "body": body}
        return json.dumps(envelope).encode() + b"\n"


def logged(seed: int = 1) -> Iterator[Logged]:
    """The honest mix as it is logged, 500 requests a second, without end."""
    random = Random(f"log {seed}")
    seconds = 0.0
    for request in requests(seed):
        seconds += random.expovariate(500)
        client = int(request.client[1:])
        client_ip = f"10.{client >> 16}.{client >> 8 & 255}.{client & 255}"
        yield Logged(int(seconds), client_ip, request)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("name", nargs="?", choices=TRAFFIC, default="honest")
    parser.add_argument("--lines", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    for line in lines(options.name, options.lines, options.seed):
        sys.stdout.buffer.write(line)


if __name__ == "__main__":
    main()
