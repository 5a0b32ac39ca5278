"""What backends send: hostile, careless and edge responses."""

from __future__ import annotations

from . import BadGateway, Relayed, ResponseCase, Tunnel

# A table: one message, its outcome and the reason, kept close together.
# fmt: off
# ruff: noqa: E501

CASES: list[ResponseCase] = []

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
BAD = BadGateway()


def case(
    name: str,
    data: bytes,
    why: str,
    expect: Relayed | BadGateway | Tunnel = BAD,
    method: str = "GET",
    upgrade: bool = False,
) -> None:
    CASES.append(ResponseCase(name, method, data, expect, why, upgrade))


# --- status lines ----------------------------------------------------------------------------
case("plain", OK + b"Content-Length: 2\r\n\r\nhi", "the simplest response", Relayed(200, b"hi"))
case("no-reason", b"HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n", "it may be empty", Relayed(200))
case("no-space-before-no-reason", b"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n",
     "often left out", Relayed(200))
case("odd-reason", b"HTTP/1.1 200 All \xe9 \t good\r\nContent-Length: 0\r\n\r\n", "any text",
     Relayed(200))
case("unknown-status", b"HTTP/1.1 299 Odd\r\nContent-Length: 0\r\n\r\n", "any of its class",
     Relayed(299))
case("status-000", b"HTTP/1.1 000 No\r\nContent-Length: 0\r\n\r\n", "out of range")
case("status-099", b"HTTP/1.1 099 No\r\nContent-Length: 0\r\n\r\n", "out of range")
case("status-600", b"HTTP/1.1 600 Odd\r\nContent-Length: 0\r\n\r\n", "of no class", Relayed(600))
case("status-999", b"HTTP/1.1 999 Odd\r\nContent-Length: 0\r\n\r\n", "of no class", Relayed(999))
case("status-two-digits", b"HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n", "three digits")
case("status-four-digits", b"HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n", "three digits")
case("status-word", b"HTTP/1.1 OK\r\nContent-Length: 0\r\n\r\n", "three digits")
case("status-minus", b"HTTP/1.1 -20 OK\r\nContent-Length: 0\r\n\r\n", "three digits")
case("status-other-digits", "HTTP/1.1 ٢٠٠ OK\r\nContent-Length: 0\r\n\r\n".encode(), "ASCII digits")
case("version-2", b"HTTP/2 200\r\n\r\n", "not spoken here")
case("version-1.2", b"HTTP/1.2 200 OK\r\nContent-Length: 0\r\n\r\n", "there is no such version")
case("version-lower-case", b"http/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "case-sensitive")
case("http-0.9", b"<html>hello</html>\n", "a body without a head")
case("garbage", b"\x15\x03\x01\x00\x02\x02\x16", "a TLS alert")
case("other-protocol", b"220 a.example ESMTP\r\n", "another protocol")
case("nothing", b"", "closed without a word")
case("cut-in-status", b"HTTP/1.1 20", "closed inside the head")
case("cut-in-head", OK + b"Content-Le", "closed inside the head")
case("cut-before-empty-line", OK + b"Content-Length: 0\r\n", "closed inside the head")
case("leading-empty-line", b"\r\n" + OK + b"Content-Length: 0\r\n\r\n", "nothing comes before it")
case("leading-space", b" " + OK + b"Content-Length: 0\r\n\r\n", "nothing comes before it")
case("two-spaces", b"HTTP/1.1  200 OK\r\nContent-Length: 0\r\n\r\n", "exactly one SP")
case("tab-for-space", b"HTTP/1.1\t200 OK\r\nContent-Length: 0\r\n\r\n", "HTAB is no SP")
case("nul-in-reason", b"HTTP/1.1 200 O\0K\r\nContent-Length: 0\r\n\r\n", "a control byte")
case("cr-in-reason", b"HTTP/1.1 200 O\rSet-Cookie: a=b\r\nContent-Length: 0\r\n\r\n", "a bare CR")
case("long-reason", b"HTTP/1.1 200 " + b"x" * 9000 + b"\r\nContent-Length: 0\r\n\r\n", "over limit")

# --- fields ----------------------------------------------------------------------------------
case("bare-lf", b"HTTP/1.1 200 OK\nContent-Length: 2\n\nhi", "lines end in CRLF")
case("bare-lf-field", OK + b"X: a\nSet-Cookie: b=c\r\nContent-Length: 0\r\n\r\n", "response splitting")
case("bare-cr-field", OK + b"X: a\rSet-Cookie: b=c\r\nContent-Length: 0\r\n\r\n", "splitting")
case("bare-lf-coding", OK + b"X: a\nTransfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\nhi", "splitting")
case("obs-fold", OK + b"X: a\r\n b\r\nContent-Length: 0\r\n\r\n", "folded lines are obsolete")
case("obs-fold-length", OK + b"Content-Length: 2\r\n 0\r\n\r\nhi", "two, or twenty to those who unfold")
case("space-before-colon", OK + b"Content-Length : 2\r\n\r\nhi", "is it a length?")
case("no-colon", OK + b"nonsense\r\nContent-Length: 0\r\n\r\n", "no field")
case("empty-name", OK + b": x\r\nContent-Length: 0\r\n\r\n", "no name")
case("nul-in-value", OK + b"X: a\0b\r\nContent-Length: 0\r\n\r\n", "a control byte")
case("control-in-value", OK + b"X: \x1b[2J\r\nContent-Length: 0\r\n\r\n", "a control byte")
case("obs-text-value", OK + b"X: \xe9\r\nContent-Length: 0\r\n\r\n", "obs-text is opaque",
     Relayed(200))
case("field-flood", OK + b"X: 1\r\n" * 200 + b"Content-Length: 0\r\n\r\n", "over the limit")
case("large-head", OK + b"X: " + b"x" * 100_000 + b"\r\nContent-Length: 0\r\n\r\n", "over the limit")
case("endless-head", OK + b"X: " + b"x" * 100_000, "over the limit")
case("connection-names-length", OK + b"Connection: content-length\r\nContent-Length: 2\r\n\r\nhi",
     "Content-Length stays", Relayed(200, b"hi"))
case("connection-bad", OK + b"Connection: a b\r\nContent-Length: 0\r\n\r\n", "no list of tokens")

# --- lengths ---------------------------------------------------------------------------------
case("until-close", OK + b"\r\nhello", "no length: until close",
     Relayed(200, b"hello", reusable=False))
case("until-close-1.0", b"HTTP/1.0 200 OK\r\n\r\nhello", "the way of 1.0",
     Relayed(200, b"hello", reusable=False))
case("http-1.0-length", b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi", "1.0 closes by default",
     Relayed(200, b"hi", reusable=False))
case("http-1.0-keep-alive",
     b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nhi", "unless told",
     Relayed(200, b"hi"))
case("close", OK + b"Connection: close\r\nContent-Length: 2\r\n\r\nhi", "told to close",
     Relayed(200, b"hi", reusable=False))
case("cut-body", OK + b"Content-Length: 5\r\n\r\nhi", "three bytes are missing")
case("long-body", OK + b"Content-Length: 2\r\n\r\nhi there", "a response nobody asked for begins",
     Relayed(200, b"hi", reusable=False, left=6))
case("second-response", (OK + b"Content-Length: 2\r\n\r\nhi") * 2, "nobody asked for it",
     Relayed(200, b"hi", reusable=False, left=len(OK) + 23))
case("final-before-interim", OK + b"Content-Length: 2\r\n\r\nhiHTTP/1.1 100 Continue\r\n\r\n",
     "an interim response to nothing", Relayed(200, b"hi", reusable=False, left=25))
case("early-refusal",
     b"HTTP/1.1 413 Content Too Large\r\nConnection: close\r\nContent-Length: 3\r\n\r\nbig",
     "an answer that may come before the request is complete", Relayed(413, b"big", reusable=False))
case("early-timeout", b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n\r\n",
     "what servers say to an idle connection; then the answer ends as it does",
     Relayed(408, reusable=False))
case("length-two", OK + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\nhi!", "which?")
case("length-two-equal", OK + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\nhi", "refused as well")
case("length-list", OK + b"Content-Length: 2, 2\r\n\r\nhi", "a list")
case("length-plus", OK + b"Content-Length: +2\r\n\r\nhi", "digits only")
case("length-minus", OK + b"Content-Length: -1\r\n\r\nhi", "digits only")
case("length-hex", OK + b"Content-Length: 0x2\r\n\r\nhi", "digits only")
case("length-empty", OK + b"Content-Length: \r\n\r\nhi", "digits only")
case("length-overflow", OK + b"Content-Length: 18446744073709551618\r\n\r\nhi", "2 after overflow")
case("length-and-chunked",
     OK + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n", "both")
case("chunked-and-length",
     OK + b"Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n2\r\nhi\r\n0\r\n\r\n", "both")
case("coding-empty-length", OK + b"Transfer-Encoding:\r\nContent-Length: 2\r\n\r\nhi", "both")
case("chunked-1.0", b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
     "1.0 knows no chunks")
case("coding-gzip", OK + b"Transfer-Encoding: gzip\r\n\r\nabc", "cannot be undone")
case("coding-gzip-chunked", OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", "not asked for")
case("coding-twice", OK + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", "twice")
case("coding-two-lines",
     OK + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "twice")
case("coding-identity", OK + b"Transfer-Encoding: identity\r\nContent-Length: 2\r\n\r\nhi", "both")
case("coding-quoted", OK + b'Transfer-Encoding: "chunked"\r\n\r\n0\r\n\r\n', "no token")

# --- chunks ----------------------------------------------------------------------------------
case("chunked", CHUNKED + b"2\r\nhi\r\n0\r\n\r\n", "a body in chunks", Relayed(200, b"hi"))
case("chunked-trailers", CHUNKED + b"2\r\nhi\r\n0\r\nX-Sum: 1\r\nSet-Cookie: a=b\r\n\r\n",
     "passed on but for what must be in the head",
     Relayed(200, b"hi", trailers=b"X-Sum: 1\r\n"))
case("chunked-extension", CHUNKED + b"2;a=b\r\nhi\r\n0\r\n\r\n", "dropped", Relayed(200, b"hi"))
case("chunked-cut", CHUNKED + b"5\r\nhi", "closed inside a chunk")
case("chunked-no-last", CHUNKED + b"2\r\nhi\r\n", "closed before the last chunk")
case("chunked-cut-last", CHUNKED + b"2\r\nhi\r\n0\r\n", "closed before the empty line")
case("chunked-bad-size", CHUNKED + b"zz\r\nhi\r\n0\r\n\r\n", "no digits")
case("chunked-negative", CHUNKED + b"-2\r\nhi\r\n0\r\n\r\n", "digits only")
case("chunked-overlong-size", CHUNKED + b"00000000000000002\r\nhi\r\n0\r\n\r\n", "17 digits")
case("chunked-overrun", CHUNKED + b"2\r\nhi!\r\n0\r\n\r\n", "longer than announced")
case("chunked-underrun", CHUNKED + b"3\r\nhi\r\n0\r\n\r\n", "shorter than announced")
case("chunked-after", CHUNKED + b"2\r\nhi\r\n0\r\n\r\nmore", "nobody asked for it",
     Relayed(200, b"hi", reusable=False, left=4))
case("chunked-extension-lf", CHUNKED + b"2;\nxx\r\n4c\r\n0\r\n\r\n", "TERM.EXT")
case("chunked-bare-lf", CHUNKED + b"2\nhi\n0\n\n", "lines end in CRLF")
case("chunked-space", CHUNKED + b"2 \r\nhi\r\n0\r\n\r\n", "no whitespace")
case("chunked-bad-trailer", CHUNKED + b"0\r\nnonsense\r\n\r\n", "no field")
case("chunked-trailer-obs-fold", CHUNKED + b"0\r\nX: 1\r\n 2\r\n\r\n", "obsolete")
case("chunked-trailer-bare-lf", CHUNKED + b"0\r\nX: 1\nY: 2\r\n\r\n", "lines end in CRLF")
case("chunked-trailer-nul", CHUNKED + b"0\r\nX: \0\r\n\r\n", "a control byte")
case("chunked-length-trailer", CHUNKED + b"0\r\nContent-Length: 2\r\n\r\n", "framing")
case("chunked-trailer-flood", CHUNKED + b"0\r\n" + b"X: 1\r\n" * 5000 + b"\r\n", "over the limit")
case("chunked-extension-flood", CHUNKED + b"1;" + b"a" * 5000 + b"\r\nx\r\n0\r\n\r\n", "over limit")

# --- responses without a body ----------------------------------------------------------------
case("head", OK + b"Content-Length: 5\r\n\r\n", "HEAD has the length but no body", Relayed(200),
     "HEAD")
case("head-chunked", CHUNKED, "HEAD has the field but no body", Relayed(200), "HEAD")
case("head-no-length", OK + b"\r\n", "HEAD has no body in any case", Relayed(200), "HEAD")
case("head-with-body", OK + b"Content-Length: 2\r\n\r\nhi", "a body nobody asked for",
     Relayed(200, reusable=False, left=2), "HEAD")
case("204", b"HTTP/1.1 204 No Content\r\n\r\n", "no body", Relayed(204))
case("204-length-0", b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", "careless, harmless",
     Relayed(204))
case("204-length", b"HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\nhi",
     "it ends with its head", Relayed(204, reusable=False, left=2))
case("204-length-alone", b"HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\n",
     "the body may still come", Relayed(204, reusable=False))
case("204-chunked", b"HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
     "it ends with its head", Relayed(204, reusable=False, left=5))
case("204-chunked-1.0", b"HTTP/1.0 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n",
     "it ends with its head", Relayed(204, reusable=False))
case("304-chunked-1.0", b"HTTP/1.0 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n",
     "the field without a body", Relayed(304, reusable=False))
case("304-length", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",
     "the length of what was not sent", Relayed(304))
case("304-chunked", b"HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n",
     "the field without a body", Relayed(304))
case("304-with-body", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 2\r\n\r\nhi",
     "there can be none", Relayed(304, reusable=False, left=2))
case("205-length-0", b"HTTP/1.1 205 Reset Content\r\nContent-Length: 0\r\n\r\n", "no body",
     Relayed(205))

# --- interim responses and tunnels -----------------------------------------------------------
case("100", b"HTTP/1.1 100 Continue\r\n\r\n" + OK + b"Content-Length: 2\r\n\r\nhi", "one, then the rest",
     Relayed(200, b"hi", interim=1))
case("103", b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * 3 + OK + b"Content-Length: 0\r\n\r\n",
     "several", Relayed(200, interim=3))
case("1xx-flood", b"HTTP/1.1 100 Continue\r\n\r\n" * 1000 + OK + b"Content-Length: 0\r\n\r\n",
     "more than anybody needs")
case("1xx-at-limit", b"HTTP/1.1 103 Early Hints\r\n\r\n" * 16 + OK + b"Content-Length: 0\r\n\r\n",
     "16 exactly", Relayed(200, interim=16))
case("1xx-over-limit", b"HTTP/1.1 103 Early Hints\r\n\r\n" * 17 + OK + b"Content-Length: 0\r\n\r\n",
     "17")
case("1xx-unknown", b"HTTP/1.1 199 Odd\r\nX: 1\r\n\r\n" + OK + b"Content-Length: 0\r\n\r\n",
     "any of its class", Relayed(200, interim=1))
case("1xx-length-0", b"HTTP/1.1 103 Early Hints\r\nContent-Length: 0\r\n\r\n" + OK + b"Content-Length: 0\r\n\r\n",
     "careless, harmless", Relayed(200, interim=1))
case("1xx-large", (b"HTTP/1.1 103 Early Hints\r\nX: " + b"x" * 40_000 + b"\r\n\r\n") * 2, "over the limit")
case("1xx-bad", b"HTTP/1.1 103 Early Hints\r\nX : 1\r\n\r\n" + OK + b"Content-Length: 0\r\n\r\n",
     "malformed as a final one would be")
case("1xx-only", b"HTTP/1.1 100 Continue\r\n\r\n", "closed before the final one")
case("1xx-length", b"HTTP/1.1 100 Continue\r\nContent-Length: 2\r\n\r\nhi", "is there a body?")
case("1xx-chunked", b"HTTP/1.1 103 Early Hints\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
     "is there a body?")
case("1xx-1.0", b"HTTP/1.0 100 Continue\r\n\r\n" + OK + b"\r\n", "1.0 knows none")
case("101-asked", b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n"
     b"\r\n\x81\x02hi", "a tunnel", Tunnel(b"\x81\x02hi"), upgrade=True)
case("101-unasked", b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n",
     "nobody asked for it")
case("101-without-upgrade", b"HTTP/1.1 101 Switching Protocols\r\n\r\n", "to which protocol?",
     upgrade=True)
case("101-length", b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: a\r\n"
     b"Content-Length: 2\r\n\r\nhi", "it ends with its head", Tunnel(b"hi"), upgrade=True)
case("upgrade-refused", b"HTTP/1.1 426 Upgrade Required\r\nContent-Length: 2\r\n\r\nno",
     "an ordinary answer", Relayed(426, b"no"), upgrade=True)
case("connect", OK + b"\r\nraw", "a tunnel", Tunnel(b"raw"), "CONNECT")
case("connect-refused", b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno",
     "an ordinary answer", Relayed(403, b"no"), "CONNECT")
