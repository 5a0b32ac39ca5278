"""Hypothesis strategies: valid requests, and bytes close to them."""

from __future__ import annotations

from hypothesis import strategies as st

TCHAR = "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
VALUE = bytes([9, *range(0x20, 0x7F), *range(0x80, 0x100)])

_special = (
    "host", "content-length", "transfer-encoding", "connection", "expect", "upgrade", "te",
    "x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "forwarded", "via",
    "keep-alive", "proxy-connection", "proxy-authorization", "proxy-authenticate", "trailer",
    "authorization",
)  # fmt: skip

tokens = st.text(TCHAR, min_size=1, max_size=12)
names = tokens.filter(lambda name: name.lower() not in _special).map(str.encode)
values = st.lists(st.sampled_from(VALUE), max_size=20).map(lambda v: bytes(v).strip(b" \t"))
spaces = st.sampled_from([b"", b" ", b"\t", b"  "])
plain_fields = st.lists(st.tuples(names, values), max_size=8)
hosts = st.builds(
    "{}{}".format,
    st.from_regex(r"\A\.?(?:[a-z0-9-]\.?){1,12}\Z"),
    st.one_of(st.just(""), st.integers(0, 65535).map(":{}".format)),
)
targets = st.text("".join(map(chr, range(0x21, 0x7F))).replace("#", "") + "é漢", max_size=30).map(
    "/".__add__
)
methods = st.sampled_from(["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD"])
bodies = st.binary(max_size=60)


@st.composite
def field_lines(draw: st.DrawFn, fields: list[tuple[bytes, bytes]]) -> bytes:
    return b"".join(
        b"%b:%b%b%b\r\n" % (name, draw(spaces), value, draw(spaces)) for name, value in fields
    )


@st.composite
def chunked(draw: st.DrawFn, body: bytes) -> bytes:
    """`body` in chunks of any sizes, perhaps with extensions and trailers."""
    cuts = sorted(draw(st.lists(st.integers(0, len(body)), max_size=4)))
    data = b""
    for start, stop in zip([0, *cuts], [*cuts, len(body)], strict=True):
        if start == stop:
            continue
        size = draw(st.sampled_from([b"%x", b"%X", b"%04x"])) % (stop - start)
        extension = draw(st.sampled_from([b"", b";a", b";a=b", b';a="b;c"', b";a;b=c"]))
        data += size + extension + b"\r\n" + body[start:stop] + b"\r\n"
    return (
        data
        + b"0\r\n"
        + draw(field_lines(draw(st.lists(st.tuples(names, values), max_size=2))))
        + b"\r\n"
    )


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    """One valid HTTP/1.1 request."""
    body = draw(bodies)
    fields = [*draw(plain_fields), (b"Host", draw(hosts).encode())]
    kind = draw(st.sampled_from(["none", "length", "chunked"]))
    if kind == "length":
        fields.append((b"Content-Length", b"%d" % len(body)))
    elif kind == "chunked":
        fields.append((b"Transfer-Encoding", b"chunked"))
        body = draw(chunked(body))
    else:
        body = b""
    if draw(st.booleans()):
        fields.append((b"Connection", draw(st.sampled_from([b"keep-alive", b"close", b"x, te"]))))
    fields = draw(st.permutations(fields))
    line = f"{draw(methods)} {draw(targets)} HTTP/1.1\r\n".encode()
    return line + draw(field_lines(fields)) + b"\r\n" + body


SNIPPETS = [
    b"\r\n", b"\n", b"\r", b"\0", b" ", b"\t", b":", b",", b";", b"=", b'"', b"0", b"a", b"\x80",
    b"\r\n\r\n", b"\n\n", b"\r\n ", b"0\r\n\r\n", b"Content-Length: 3\r\n",
    b"Content-Length: 03\r\n",
    b"Transfer-Encoding: chunked\r\n", b"Transfer-Encoding: gzip, chunked\r\n",
    b"transfer-encoding:chunked\r\n", b"Host: b\r\n", b"Host: a@b\r\n",
    b"Connection: close, host\r\n",
    b"Connection: Upgrade\r\nUpgrade: x\r\n", b"HTTP/1.0", b"HTTP/2.0", b"http://b",
    b"*", b"+", b"-",
    b"+0", b"00", b"0x", b"ffffffffffffffff", b"5;a=b\r\n", b"X: y\r\n",
    b"GET / HTTP/1.1\r\nHost: c\r\n\r\n",
    b"Expect: 100-continue\r\n", b"\x0b", b"\x7f", b"\xff", b"CONNECT b:1 HTTP/1.1\r\n",
    b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 103 Early Hints\r\n\r\n", b"HTTP/1.1 204 \r\n", b"\x85",
    b"Trailer: x\r\n", b"TE: trailers\r\n", b", chunked", b"identity", b"http://b:80/\r\n", b"#",
]  # fmt: skip


@st.composite
def mutated(draw: st.DrawFn, originals: st.SearchStrategy[bytes]) -> bytes:
    """A valid message with a few bytes cut, inserted, doubled or replaced."""
    data = draw(originals)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data)))
        length = draw(st.integers(0, 4))
        data = data[:at] + draw(st.sampled_from([b"", *SNIPPETS])) + data[at + length :]
    return data
