"""Whatever is asked, the node and serve take the same, refuse the same, and say the same.

The same request goes to both, as an envelope to a `Node` and as bytes to a `serve` without sockets,
with the same routes. Backends only take down what they are asked: to the node they are other nodes.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from l7proxy.core.config import config_from
from l7proxy.core.http.hop_by_hop import HOP_BY_HOP
from l7proxy.core.http.messages import HttpRequest
from l7proxy.node import Node
from l7proxy.tools import explain
from l7proxy.tools.formats import Traffic
from tests.http1.strategies import TCHAR
from tests.server.in_memory import BACKEND, CLIENT, InMemory, RecordingNode

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from l7proxy.core.config import Config
    from tests.http1.peers import Message

PAGE = (Path(__file__).resolve().parents[1] / "docs" / "requests.md").read_text()

ABOUT_THE_WIRE = HOP_BY_HOP | {"content-length", "trailer"}
"""Fields of which nothing follows in an envelope; on the wire they are what its framing needs."""

ROUTES: list[dict[str, Any]] = [
    {"name": "host", "host": "shop.example", "path_pattern": "/*"},
    {"name": "any host below", "host": "*.shop.example", "path_pattern": "/api/*"},
    {"name": "address", "host": "[::1]", "path_pattern": "/*"},
    {"name": "exact", "path": "/a"},
    {"name": "prefix", "path_pattern": "/api/*"},
    {"name": "method", "path_pattern": "/api/*", "methods": ["POST", "get"]},
    {"name": "letters", "path_pattern": "/é/*"},
    {"name": "header", "path_pattern": "/*", "headers": {"X-A": "a b"}},
    {"name": "query", "path_pattern": "/*", "query": {"q": "é"}},
    {"name": "cookie", "path_pattern": "/*", "cookies": {"id": {"present": True}}},
    {"name": "client", "path_pattern": "/client/*", "client_ip": "192.0.2.0/30"},
    {"name": "rewritten", "path_pattern": "/old/*", "rewrite": {"strip_prefix": "/old"}},
    {"name": "moved", "path": "/moved", "redirect": {"location": "//{authority}{target}"}},
    {"name": "here", "path": "/here", "respond": {"status": 200, "body": "here"}},
]


def configured(routes: list[dict[str, Any]], upstream: str, **more: Any) -> Config:
    """A configuration in which a backend hears of the route that led to it; `more` is beside it."""
    pools = {"all": {"backends": [f"http://{BACKEND}"], "upstream": upstream}}
    if upstream == "envelope":
        pools["all"]["backends"] = ["backend"]
    made = []
    for route in routes:
        if "redirect" not in route and "respond" not in route:
            edits = dict(route.get("request_headers", {}))
            edits["set"] = {**edits.get("set", {}), "X-Route": route["name"]}
            route = {**route, "backend_pool": "all", "request_headers": edits}
        made.append(route)
    return config_from({"backend_pools": pools, "routes": made, **more})


class Asked(NamedTuple):
    """What a backend was asked: which route it was, the path with its query, and the host."""

    route: str
    path: str
    host: str


class Outcome(NamedTuple):
    """What became of a request; `said` is the text for the client, None where it got no body."""

    status: int
    said: str | None
    asked: Asked | None
    more: tuple[tuple[str, str], ...]
    """The response's fields that say something: `TELLING`, and those whose names begin with X-."""


TELLING = ("allow", "location", "set-cookie", "retry-after")


def telling(pairs: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """The fields of a response that say something, by their names in lower case."""
    lower = ((name.lower(), value) for name, value in pairs)
    return tuple(sorted(pair for pair in lower if pair[0] in TELLING or pair[0][:2] == "x-"))


class NodeDoor:
    """A node, asked in envelopes."""

    def __init__(self, routes: list[dict[str, Any]], **more: Any) -> None:
        self._node = Node(configured(routes, "envelope", **more), Random(0), print)
        self.fields: list[tuple[str, str]] = []
        """The fields of the last request that a backend got, their names in lower case."""

    def ask(self, **request: Any) -> Outcome:
        asked = None
        body = {"type": "http_request", "client_ip": CLIENT, **request}
        (message,) = self._say("client", body)
        if message["dest"] == "backend":
            self.client = message["body"]["client_ip"]
            self.fields = sorted((name.lower(), value) for name, value in lines_of(message["body"]))
            asked = _asked(message["body"])
            answer = {"type": "http_response", "in_reply_to": message["body"]["msg_id"]}
            (message,) = self._say("backend", {**answer, "status": 200, "body": "ok"})
        assert message["dest"] == "client"
        reply = message["body"]
        said = public_text(reply.get("error", reply.get("body")))
        return Outcome(reply["status"], said, asked, telling(lines_of(reply)))

    def _say(self, src: str, body: dict[str, Any]) -> list[dict[str, Any]]:
        line = json.dumps({"src": src, "dest": "node", "body": body}) + "\n"
        return [json.loads(out) for out in self._node.feed(line.encode(), 0.0).splitlines()]


def public_text(text: str | None) -> str | None:
    """A text as clients are told it: without settings, and without which limit it was."""
    if text is None:
        return None
    text = re.sub(r'; "paths": .* lets it pass$', "", text.removeprefix("bad request: "))
    return re.sub("^(too many requests): .*", r"\1", text)


def _asked(body: dict[str, Any]) -> Asked:
    fields = {name.lower(): value for name, value in body["headers"].items()}
    return Asked(fields["x-route"], body["path"], fields.get("host", ""))


class WireDoor:
    """A proxy without sockets, asked in bytes."""

    def __init__(self, routes: list[dict[str, Any]], **more: Any) -> None:
        self.fields: list[tuple[str, str]] = []
        self._seen: list[Message] = []
        config = configured(routes, "http", **more)
        self._proxy = InMemory(lambda: RecordingNode(self._seen), config)

    def ask(self, data: bytes) -> Outcome:
        head, _, body = self._proxy.converse([data]).decode().partition("\r\n\r\n")
        line, *lines = head.split("\r\n")
        _, status, reason = line.split(" ", 2)
        fields = [(name, value) for name, _, value in (line.partition(": ") for line in lines)]
        assert len(self._seen) <= 1
        asked = self._asked(self._seen.pop()) if self._seen else None
        # A page does not say once more what is the name of its status.
        said = body.removesuffix("\n").removeprefix(f"{status} {reason}")
        return Outcome(
            int(status),
            said.removeprefix(": ") or (reason.lower() if body else None),
            asked,
            telling(fields),
        )

    def _asked(self, message: Message) -> Asked:
        self.fields = sorted((n.decode().lower(), v.decode()) for n, v in message.fields)
        fields = dict(self.fields)
        # Without one of the client's a backend gets its own.
        host = fields["host"] if fields["host"] != BACKEND else ""
        return Asked(fields["x-route"], message.target.decode("ascii"), host)


def lines_of(request: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """The lines of the request's fields."""
    for name, value in request.get("headers", {}).items():
        for line in [value] if isinstance(value, str) else value:
            yield name, line


def on_the_wire(request: dict[str, Any]) -> bytes | None:
    """The request as bytes; None where no bytes say the same."""
    method: str = request["method"]
    path: str = request["path"]
    if re.search(r"[ \r\n]", method) or re.search(r"[\r\n]", path):
        return None
    fields = []
    has_host = False
    for name, value in lines_of(request):
        if re.search(r"^[ \t]|[:\r\n]", name) or re.search(r"[\r\n]", value):
            return None
        has_host = has_host or name.lower() == "host"
        if name.lower() not in ABOUT_THE_WIRE or re.search(r"[\x00-\x08\x0b-\x1f\x7f]", value):
            fields.append((name, value))
    body: bytes = request.get("body", "").encode()
    if body:
        fields.append(("Content-Length", str(len(body))))
    lines = [f"{method} {path} HTTP/1.{int(has_host)}", *(f"{n}: {v}" for n, v in fields)]
    head = "".join(f"{line}\r\n" for line in (*lines, ""))
    return head.encode() + body


class Doors:
    """Both, with the same routes."""

    def __init__(self, routes: list[dict[str, Any]], **more: Any) -> None:
        self.node = NodeDoor(routes, **more)
        self.wire = WireDoor(routes, **more)

    def ask(self, **request: Any) -> Outcome:
        """What both answer."""
        request.setdefault("method", "GET")
        node = self.node.ask(**request)
        data = on_the_wire(request)
        if data is None:
            assert (node.status, node.asked) == (400, None)
        else:
            wire = self.wire.ask(data)
            if request["method"] == "HEAD" and wire.said is None:
                wire = wire._replace(said=node.said)
            assert node == wire, data
        return node


# The page.

SYMBOLS = str.maketrans("␀␉␡␣", "\0\t\x7f ")
CATCH_ALL: list[dict[str, Any]] = [{"name": "all", "path_pattern": "/*"}]


def _rows() -> Iterator[tuple[str, str]]:
    for line in PAGE.splitlines():
        if line.startswith("| `"):
            request, answer = line.strip("| ").split(" | ", 1)
            yield request, answer


ROWS = list(_rows())


def request_of(cell: str) -> dict[str, Any]:
    first, *others = (span.translate(SYMBOLS) for span in re.findall("`([^`]*)`", cell))
    method, _, path = first.partition(" ")
    headers: dict[str, Any] = {}
    for line in others:
        name, _, value = line.partition(":")
        headers[name] = value.removeprefix(" ")
    return {"method": method, "path": path, "headers": headers}


def answer_of(outcome: Outcome) -> str:
    """The outcome as the page has it."""
    if outcome.asked is not None:
        assert (outcome.status, outcome.asked.route) == (200, "all")
        host = f" for `{outcome.asked.host}`" if outcome.asked.host else ""
        return f"`{outcome.asked.path}`{host}"
    if outcome.status == 200:
        return "200, from the proxy itself"
    assert outcome.said is not None
    return f"{outcome.status} `{outcome.said}`"


@pytest.fixture(scope="module")
def doors() -> Doors:
    return Doors(CATCH_ALL)


def test_the_page_has_enough_rows() -> None:
    assert len(ROWS) > 70
    assert sum(answer[0] == "4" for _, answer in ROWS) > 35


@pytest.mark.parametrize(("cell", "answer"), ROWS)
def test_a_row_of_the_page_is_what_both_answer(doors: Doors, cell: str, answer: str) -> None:
    request = request_of(cell)
    for _ in range(2):
        assert answer_of(doors.ask(**request)) == answer


def explained(request: HttpRequest) -> str:
    """What the tools make of a request, as the page has it."""
    exchange = explain.explain(configured(CATCH_ALL, "simulated"), request, 0)
    assert exchange.response is not None
    reply = exchange.local_reply
    asked = None
    if exchange.backend is not None:
        host = exchange.forward_headers.get("host") or ""
        asked = Asked("all", exchange.forward_target, host)
    said = None if reply is None else public_text(reply.text)
    return answer_of(Outcome(exchange.response.status, said, asked, ()))


@pytest.mark.parametrize(("cell", "answer"), ROWS)
def test_explain_answers_the_same_where_it_can_be_asked(cell: str, answer: str) -> None:
    request = request_of(cell)
    path, headers = request["path"], request["headers"]
    if (path.startswith("/") or path == "*") and "" not in headers:
        fields = [f"{name}: {value}" for name, value in headers.items()]
        asked = explain.request_from([request["method"], path], headers=fields)
        assert explained(asked) == answer


@pytest.mark.parametrize(("cell", "answer"), [row for row in ROWS if "` `" not in row[0]])
def test_so_does_a_replay_of_a_log(cell: str, answer: str) -> None:
    request = request_of(cell)
    method, path = request["method"], request["path"]
    if not path:
        return
    # As nginx logs it: control characters, and perhaps what is not ASCII, as octets.
    line = json.dumps(f"{method} {path} HTTP/1.1", ensure_ascii=False)
    line = re.sub(r"\\u00(..)", r"\\x\1", line)
    for logged in (line, re.sub("[^\0-\x7f]", _as_octets, line) if method.isascii() else line):
        full = f'192.0.2.1 - - [10/Oct/2000:13:55:36 +0000] {logged} 200 2 "-" "-"'
        ((_, _, asked),) = Traffic([full], "combined").requests()
        assert explained(asked) == answer


def _as_octets(letter: re.Match[str]) -> str:
    return "".join(f"\\x{octet:02X}" for octet in letter[0].encode())


# What the page says in prose.


@given(st.binary(max_size=8), st.binary(max_size=4))
@settings(max_examples=300, derandomize=True, deadline=None, database=None)
def test_a_raw_octet_beyond_ascii_is_its_escape(path: bytes, query: bytes) -> None:
    path, query = (bytes(octet | 0x80 for octet in octets) for octets in (path, query))
    one = DOORS.wire.ask(b"GET /api/%b?%b HTTP/1.0\r\n\r\n" % (path, query))
    escaped = [re.sub("..", r"%\g<0>", octets.hex().upper()) for octets in (path, query)]
    assert one == DOORS.node.ask(path="/api/{}?{}".format(*escaped))
    assert one.asked == Asked("prefix", "/api/{}?{}".format(*escaped), "")


@pytest.mark.parametrize("path", ["/\ud800", "/?\udfff"])
def test_text_that_is_no_unicode_is_refused_in_a_path(doors: Doors, path: str) -> None:
    outcome = doors.node.ask(path=path)
    assert (outcome.status, outcome.said) == (400, "the path is not Unicode text")


@pytest.mark.parametrize("request_", [
    {"method": "G T"}, {"method": "GET\r\n"}, {"path": "/a\r\nb"}, {"headers": {"X:Y": "a"}},
    {"headers": {" X": "a"}}, {"headers": {"X\r\nY": "a"}}, {"headers": {"X": "a\r\nY: b"}},
    {"headers": {"X": "a\rb"}}, {"headers": {"X": ["a", "a\nb"]}},
])  # fmt: skip
def test_what_no_bytes_can_say_is_refused(doors: Doors, request_: dict[str, Any]) -> None:
    request = {"method": "GET", "path": "/", **request_}
    assert on_the_wire(request) is None
    assert doors.ask(**request).status == 400


@pytest.mark.parametrize("name", sorted(ABOUT_THE_WIRE))
def test_fields_about_the_wire_are_any_others_in_an_envelope(doors: Doors, name: str) -> None:
    outcome = doors.ask(path="/", headers={name: ["what", "ever (it) says"], "Host": "a"})
    assert outcome.asked == Asked("all", "/", "a")
    routes = [{"name": "asks", "path": "/", "headers": {name: {"prefix": "what"}}}]
    assert NodeDoor(routes).ask(path="/", headers={name: "whatever"}).asked is not None


def test_cookies_beside_the_fields_are_those_of_a_cookie_line() -> None:
    one = DOORS.node.ask(path="/", cookies={"id": "1"})
    assert one == DOORS.wire.ask(b"GET / HTTP/1.0\r\nCookie: id=1\r\n\r\n")
    assert one.asked == Asked("cookie", "/", "")


# Any request.

DOORS = Doors(ROUTES)

methods = st.sampled_from(["GET"] * 4 + ["HEAD", "POST", "OPTIONS", "get", "PROPFIND"])
odd_methods = st.one_of(
    st.sampled_from(["CONNECT", "TRACE", "", "G(T", "GÉT", "G\0T", "G\tT", "G\x7f", '"', "G,"]),
    st.text(TCHAR, min_size=1, max_size=4),
)

paths = st.one_of(
    st.sampled_from(["/", "/a", "/api/x", "/é/x", "/old/api/", "/client/1", "/x?q=é", "//a"]),
    st.sampled_from(["/moved", "/here", "/%61"]),
    st.lists(
        st.sampled_from(["/", "a", "/a", "/api", "/é", "/old", "?", "q=é", "&", "%61", "%C3", "."]),
        max_size=5,
    ).map(lambda found: "/" + "".join(found)),
)
PIECES = """
    / // /. /.. . .. a b api old moved here é 漢 client ; ..;x ~ \\ * + : @ ' " < | % %4 %41 %61 %2e
    %2E%2e %2F %2f %5c %00 %1f %7F %zz %c3%a9 %e9 %7e %25 %2a # ? ?? & q=é q=%C3%A9 q= [ ] { } ^ ` ,
    ! $
"""
pieces = st.sampled_from([*PIECES.split(), *" \t\0\x01\x1b\x7f\x80\x85\xa0\u2028"])

names_of_hosts = st.sampled_from(
    ["shop.example", "SHOP.example.", "a.shop.example", "my_app", "1.2.3.4", "[::1]", "~", ".a"]
)
ports = st.sampled_from(["", "", ":", ":0", ":80", ":65535", ":00080"])
authorities = st.builds("{}{}".format, names_of_hosts, ports)
ODD_HOSTS = """
    [::1 [] ::1 . .. u@a a,b a/b a\\b a?b a'or'b.example a%2eexample é.example [fe80::1%25eth0]
    http://a :80 a:65536 a:808080 a:000080 a:8o a:-1 a:80:80
"""
odd_authorities = st.one_of(
    st.sampled_from([*ODD_HOSTS.split(), "", "a b", "a\tb", "a\0"]),
    st.builds("{}:{}".format, names_of_hosts, st.integers(65_000, 99_999)),
    st.text("aZ0.-_~'%:[]é", max_size=4),
)

targets = st.one_of(paths, paths, paths, st.builds("http://{}{}".format, authorities, paths))
odd_targets = st.one_of(
    st.lists(pieces, max_size=6).map(lambda found: "/" + "".join(found)),
    st.builds(
        "{}{}{}".format,
        st.sampled_from(["http://", "HTTPS://", "http:/", "ftp://", "httpſ://", "//", ""]),
        st.one_of(authorities, odd_authorities),
        st.one_of(st.sampled_from(["", "/", "?a"]), paths),
    ),
    st.sampled_from(["*", "*", "*x", "", "?a", "a", "http:", "http://", "http://?", "/http://a/"]),
    st.lists(pieces, max_size=5).map("".join),
)

blanks = st.sampled_from(["", "", "", " ", "\t", " \t "])
values = st.builds(
    "{}{}{}".format,
    blanks,
    st.sampled_from(["a b", "id=1", "a,b", "1", "é漢", "\x80\xff", "", "a\tb", "0"]),
    blanks,
)
odd_values = st.one_of(values, st.just("100-continue"), st.text("a \t\0\x1b\x7fé:", max_size=4))
names = st.one_of(
    st.sampled_from(["X-A", "x-a", "Cookie", "X_A", "X-Forwarded-For", "Via", "Max-Forwards"]),
    st.sampled_from(["Connection", "Transfer-Encoding", "content-length", "TE", "Upgrade"]),
    st.text(TCHAR, min_size=1, max_size=4).filter(lambda name: name.lower() != "host"),
)
odd_names = st.one_of(
    names,
    st.sampled_from(
        ["Expect", "expect", "X ", " X", "X\t", "", "X:", "X(", "Ä", "X\0", "X\x7f", "(" * 70]
    ),
)


def fields(
    names: st.SearchStrategy[str], values: st.SearchStrategy[str]
) -> st.SearchStrategy[dict[str, Any]]:
    return st.dictionaries(names, st.one_of(values, st.lists(values, max_size=2)), max_size=3)


def hosts(authorities: st.SearchStrategy[str]) -> st.SearchStrategy[dict[str, Any]]:
    spelt = st.sampled_from(["Host", "Host", "host", "HOST"])
    return st.builds(
        lambda name, before, host, after: {name: f"{before}{host}{after}"},
        spelt,
        blanks,
        authorities,
        blanks,
    )


two_hosts = st.sampled_from([{"Host": ["a", "a"]}, {"Host": "a", "host": "b"}, {"Host": []}])


@st.composite
def requests(draw: st.DrawFn) -> dict[str, Any]:
    """A request as an envelope has it: a good one but for one thing or two."""
    odd = draw(st.sets(st.sampled_from(["method", "target", "host", "fields", ""]), max_size=2))
    host = st.one_of(st.just({}), hosts(authorities))
    if "host" in odd:
        host = st.one_of(hosts(odd_authorities), hosts(odd_authorities), two_hosts)
    more = st.one_of(st.just({}), fields(names, values))
    if "fields" in odd:
        more = fields(odd_names, odd_values)
    request = {
        "method": draw(odd_methods if "method" in odd else methods),
        "path": draw(odd_targets if "target" in odd else targets),
        "headers": {**draw(host), **draw(more)},
    }
    if draw(st.integers(0, 7)) == 0:
        request["body"] = draw(st.sampled_from(["", "a", "é"]))
    return request


@given(requests())
@settings(max_examples=1500, derandomize=True, deadline=None, database=None)
def test_both_make_the_same_of_any_request(request_: dict[str, Any]) -> None:
    DOORS.ask(**request_)
