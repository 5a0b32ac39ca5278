"""What clients send: malformed, smuggling and edge requests."""

from __future__ import annotations

from . import Accepted, Refused, RequestCase, Waits

# A table: one message, its outcome and the reason, kept close together.
# fmt: off
# ruff: noqa: E501

CASES: list[RequestCase] = []

A = b"Host: a.example\r\n"
GET = b"GET / HTTP/1.1\r\nHost: a.example\r\n"
POST = b"POST /p HTTP/1.1\r\nHost: a.example\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
NEXT = b"GET /next HTTP/1.1\r\nHost: a.example\r\n\r\n"

SEEN = Accepted("GET", "/")
SEEN_NEXT = Accepted("GET", "/next")
BAD = Refused(400)


def case(name: str, data: bytes, why: str, *expect: Accepted | Refused | Waits) -> None:
    CASES.append(RequestCase(name, data, expect, why))


# --- request lines ---------------------------------------------------------------------------
case("plain", GET + b"\r\n", "the simplest request", SEEN)
case("query", b"GET /a?b=c&d HTTP/1.1\r\n" + A + b"\r\n", "a query belongs to the target",
     Accepted("GET", "/a?b=c&d"))
case("unknown-method", b"BREW / HTTP/1.1\r\n" + A + b"\r\n", "any token is a method",
     Accepted("BREW", "/"))
case("lower-case-method", b"get / HTTP/1.1\r\n" + A + b"\r\n", "methods are case-sensitive tokens",
     Accepted("get", "/"))
case("symbol-method", b"!#$%&'*+-.^_`|~ / HTTP/1.1\r\n" + A + b"\r\n", "all of tchar",
     Accepted("!#$%&'*+-.^_`|~", "/"))
case("method-with-slash", b"GE/T / HTTP/1.1\r\n" + A + b"\r\n", "a slash is no tchar", BAD)
case("method-with-colon", b"GET: / HTTP/1.1\r\n" + A + b"\r\n", "a colon is no tchar", BAD)
case("method-with-brackets", b"G{T} / HTTP/1.1\r\n" + A + b"\r\n", "braces are no tchar", BAD)
case("method-obs-text", b"G\xc9T / HTTP/1.1\r\n" + A + b"\r\n", "methods are ASCII", BAD)
case("method-empty", b" / HTTP/1.1\r\n" + A + b"\r\n", "no method", BAD)
case("target-missing", b"GET HTTP/1.1\r\n" + A + b"\r\n", "no target", BAD)
case("target-empty", b"GET  HTTP/1.1\r\n" + A + b"\r\n", "two spaces around nothing", BAD)
case("two-spaces-before-target", b"GET  / HTTP/1.1\r\n" + A + b"\r\n", "exactly one SP", BAD)
case("two-spaces-before-version", b"GET /  HTTP/1.1\r\n" + A + b"\r\n", "exactly one SP", BAD)
case("tab-for-space", b"GET\t/ HTTP/1.1\r\n" + A + b"\r\n", "HTAB is no SP", BAD)
case("vt-for-space", b"GET\x0b/ HTTP/1.1\r\n" + A + b"\r\n", "VT is no SP", BAD)
case("form-feed-for-space", b"GET /\x0cHTTP/1.1\r\n" + A + b"\r\n", "FF is no SP", BAD)
case("cr-for-space", b"GET\r/ HTTP/1.1\r\n" + A + b"\r\n", "a bare CR", BAD)
case("space-in-target", b"GET /a b HTTP/1.1\r\n" + A + b"\r\n", "a raw space in the target", BAD)
case("trailing-space", b"GET / HTTP/1.1 \r\n" + A + b"\r\n", "a space after the version", BAD)
case("leading-space", b" GET / HTTP/1.1\r\n" + A + b"\r\n", "a space before the method", BAD)
case("nul-in-target", b"GET /\0 HTTP/1.1\r\n" + A + b"\r\n", "NUL cuts strings in C", BAD)
case("control-in-target", b"GET /\x01 HTTP/1.1\r\n" + A + b"\r\n", "a control byte", BAD)
case("nul-in-method", b"GE\0T / HTTP/1.1\r\n" + A + b"\r\n", "NUL cuts strings in C", BAD)
case("nul-in-version", b"GET / HTTP/1.1\0\r\n" + A + b"\r\n", "NUL cuts strings in C", BAD)
case("del-in-target", b"GET /\x7f HTTP/1.1\r\n" + A + b"\r\n", "DEL is a control byte", BAD)
case("obs-text-in-target", b"GET /\xff HTTP/1.1\r\n" + A + b"\r\n", "each octet is percent-encoded",
     Accepted("GET", "/%FF"))
case("utf8-in-target", "GET /é?ü HTTP/1.1\r\n".encode() + A + b"\r\n", "each octet is percent-encoded",
     Accepted("GET", "/%C3%A9?%C3%BC"))
case("utf8-in-absolute-target", "GET http://a.example/é HTTP/1.1\r\n".encode() + A + b"\r\n",
     "in this form, too", Accepted("GET", "/%C3%A9"))
case("utf8-in-absolute-host", "GET http://é.example/ HTTP/1.1\r\n".encode() + A + b"\r\n",
     "hosts are ASCII", BAD)
case("fragment-in-target", b"GET /a#b HTTP/1.1\r\n" + A + b"\r\n",
     "a fragment is no part of a target and is cut differently", BAD)
case("escapes-in-target", b"GET /%41%2e HTTP/1.1\r\n" + A + b"\r\n",
     "escapes are the router's affair", Accepted("GET", "/%41%2e"))
case("target-without-slash", b"GET index.html HTTP/1.1\r\n" + A + b"\r\n", "not origin-form", BAD)
case("target-backslash", b"GET \\x HTTP/1.1\r\n" + A + b"\r\n", "not origin-form", BAD)
case("target-double-slash", b"GET //b.example/x HTTP/1.1\r\n" + A + b"\r\n",
     "a path with an empty first segment, not an authority", Accepted("GET", "//b.example/x"))
case("target-at-sign", b"GET @b.example/ HTTP/1.1\r\n" + A + b"\r\n", "not origin-form", BAD)
case("long-target", b"GET /" + b"a" * 8000 + b" HTTP/1.1\r\n" + A + b"\r\n", "within the limit",
     Accepted("GET", "/" + "a" * 8000))
case("line-at-limit", b"GET /" + b"a" * 8178 + b" HTTP/1.1\r\n" + A + b"\r\n",
     "8192 bytes exactly", Accepted("GET", "/" + "a" * 8178))
case("line-over-limit", b"GET /" + b"a" * 8179 + b" HTTP/1.1\r\n" + A + b"\r\n",
     "8193 bytes", Refused(414))
case("line-far-over-limit", b"GET /" + b"a" * 60000 + b" HTTP/1.1\r\n" + A + b"\r\n",
     "over the limit of head and line; the line comes first", Refused(414))
case("line-endless", b"A" * 9000, "no line end within the limit", Refused(414))
case("line-over-limit-then-nul", b"GET /" + b"a" * 9000 + b"\0 HTTP/1.1\r\n" + A + b"\r\n",
     "the limit is passed before the NUL comes", Refused(414))
case("nul-then-line-over-limit", b"GET /\0" + b"a" * 9000 + b" HTTP/1.1\r\n" + A + b"\r\n",
     "the NUL comes before the limit is passed", BAD)

# --- versions --------------------------------------------------------------------------------
case("http-1.0", b"GET / HTTP/1.0\r\n" + A + b"\r\n" + NEXT, "1.0 closes after one message", SEEN)
case("http-1.0-keep-alive",
     b"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n" + A + b"\r\n" + NEXT,
     "1.0 lives on if asked to", SEEN, SEEN_NEXT)
case("http-1.0-no-host", b"GET / HTTP/1.0\r\n\r\n", "Host came with 1.1",
     Accepted("GET", "/", host=""))
case("http-1.0-two-hosts", b"GET / HTTP/1.0\r\n" + A + A + b"\r\n", "still ambiguous", BAD)
case("http-0.9", b"GET /\r\n", "no version: HTTP/0.9", BAD)
case("http-0.9-with-fields", b"GET /\r\n" + A + b"\r\n", "no version", BAD)
case("http-2.0", b"GET / HTTP/2.0\r\n" + A + b"\r\n", "not spoken here", Refused(505))
case("http-2-preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "HTTP/2 by prior knowledge",
     Refused(505))
case("http-1.2", b"GET / HTTP/1.2\r\n" + A + b"\r\n", "there is no such version", Refused(505))
case("http-0.1", b"GET / HTTP/0.1\r\n" + A + b"\r\n", "there is no such version", Refused(505))
case("version-lower-case", b"GET / http/1.1\r\n" + A + b"\r\n", "HTTP is case-sensitive", BAD)
case("version-one-digit", b"GET / HTTP/1\r\n" + A + b"\r\n", "DIGIT . DIGIT", BAD)
case("version-long", b"GET / HTTP/1.10\r\n" + A + b"\r\n", "DIGIT . DIGIT", BAD)
case("version-leading-zero", b"GET / HTTP/01.1\r\n" + A + b"\r\n", "DIGIT . DIGIT", BAD)
case("version-comma", b"GET / HTTP/1,1\r\n" + A + b"\r\n", "DIGIT . DIGIT", BAD)
case("version-other-protocol", b"GET / ICAP/1.0\r\n" + A + b"\r\n", "not HTTP", BAD)
case("version-obs-text", b"GET / HTTP/1.\xb9\r\n" + A + b"\r\n", "no ASCII digit", BAD)

# --- other protocols and garbage -------------------------------------------------------------
case("tls-hello", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "TLS on a plain port", BAD)
case("ssh", b"SSH-2.0-OpenSSH_9.6\r\n", "another protocol", BAD)
case("smtp", b"EHLO a.example\r\n", "another protocol", BAD)
case("nul-only", b"\0", "a control byte", BAD)
case("nothing", b"", "nothing to answer")
case("lone-letter", b"G", "may become a request", Waits())
case("lone-crlf", b"\r\n", "one empty line is skipped", Waits())
case("half-head", b"GET / HTTP/1.1\r\nHost: a.exa", "may become a request", Waits())
case("head-without-end", GET, "the empty line is missing", Waits())

# --- empty lines and line ends ---------------------------------------------------------------
case("empty-line-before", b"\r\n" + GET + b"\r\n", "RFC 9112 2.2 asks to skip one", SEEN)
case("two-empty-lines-before", b"\r\n\r\n" + GET + b"\r\n", "any number", SEEN)
case("flood-of-empty-lines", b"\r\n" * 5000 + GET + b"\r\n", "enough is enough", BAD)
case("empty-line-between", GET + b"\r\n\r\n" + NEXT, "old clients send one after a body",
     SEEN, SEEN_NEXT)
case("bare-lf-before", b"\n" + GET + b"\r\n", "lines end in CRLF", BAD)
case("bare-cr-before", b"\r" + GET + b"\r\n", "lines end in CRLF", BAD)
case("space-line-before", b" \r\n" + GET + b"\r\n", "not an empty line", BAD)
case("bare-lf-everywhere", b"GET / HTTP/1.1\nHost: a.example\n\n", "lines end in CRLF", BAD)
case("bare-lf-after-line", b"GET / HTTP/1.1\n" + A + b"\r\n", "lines end in CRLF", BAD)
case("bare-lf-after-field", b"GET / HTTP/1.1\r\nHost: a.example\nX: 1\r\n\r\n", "two readings", BAD)
case("bare-lf-as-end", GET + b"\n", "the empty line ends in CRLF", BAD)
case("cr-cr-lf-as-end", GET + b"\r\r\n", "a bare CR", BAD)
case("bare-cr-after-line", b"GET / HTTP/1.1\rHost: a.example\r\n\r\n", "lines end in CRLF", BAD)
case("bare-cr-in-value", GET + b"X: a\rY: b\r\n\r\n", "a bare CR", BAD)
case("bare-cr-as-smuggled-field", GET + b"X: a\rTransfer-Encoding: chunked\r\n\r\n",
     "some readers end a line at CR", BAD)
case("bare-lf-as-smuggled-field", GET + b"X: a\nTransfer-Encoding: chunked\r\n\r\n",
     "some readers end a line at LF", BAD)
case("bare-cr-in-name", GET + b"X\r: a\r\n\r\n", "a bare CR", BAD)
case("bare-cr-before-end", GET + b"X: a\r\r\n\r\n", "a bare CR", BAD)
case("lf-cr", b"GET / HTTP/1.1\n\rHost: a.example\n\r\n\r", "the wrong way round", BAD)

# --- fields ----------------------------------------------------------------------------------
case("field-empty-value", GET + b"X:\r\n\r\n", "a value may be empty", SEEN)
case("field-no-space", b"GET / HTTP/1.1\r\nHost:a.example\r\n\r\n", "OWS is optional", SEEN)
case("field-much-space", b"GET / HTTP/1.1\r\nHost: \t a.example \t \r\n\r\n", "OWS is trimmed", SEEN)
case("field-tab-in-value", GET + b"X: a\tb\r\n\r\n", "HTAB is text", SEEN)
case("field-obs-text", GET + b"X: \xff\xe9\r\n\r\n", "obs-text is opaque", SEEN)
case("field-colon-in-value", GET + b"X: a:b::c\r\n\r\n", "only the first colon counts", SEEN)
case("field-upper-case", b"GET / HTTP/1.1\r\nHOST: a.example\r\n\r\n", "names ignore case", SEEN)
case("field-space-before-colon", b"GET / HTTP/1.1\r\nHost : a.example\r\n\r\n",
     "RFC 9112 5.1: refuse with 400", BAD)
case("length-space-before-colon", POST + b"Content-Length : 3\r\n\r\nabc", "is it a length?", BAD)
case("coding-space-before-colon", POST + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
     "is it chunked?", BAD)
case("coding-tab-before-colon", POST + b"Transfer-Encoding\t: chunked\r\n\r\n0\r\n\r\n",
     "is it chunked?", BAD)
case("field-space-in-name", GET + b"X Y: 1\r\n\r\n", "no token", BAD)
case("field-no-colon", GET + b"X\r\n\r\n", "no field", BAD)
case("field-no-name", GET + b": x\r\n\r\n", "no name", BAD)
case("field-only-colon", GET + b":\r\n\r\n", "no name", BAD)
case("field-obs-fold", GET + b"X: a\r\n b\r\n\r\n", "folded lines are obsolete", BAD)
case("field-obs-fold-tab", GET + b"X: a\r\n\tb\r\n\r\n", "folded lines are obsolete", BAD)
case("coding-obs-fold", POST + b"Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
     "chunked only to those who unfold", BAD)
case("length-obs-fold", POST + b"Content-Length: 1\r\n 0\r\n\r\n0123456789",
     "one, or ten to those who unfold", BAD)
case("connection-obs-fold", GET + b"Connection:\r\n close\r\n\r\n", "folded lines are obsolete", BAD)
case("obs-fold-hides-field", GET + b"X: a\r\n Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
     "a value, or a field to those who trim lines", BAD)
case("host-obs-fold", b"GET / HTTP/1.1\r\nHost: a.example\r\n .evil\r\n\r\n", "two readings", BAD)
case("space-before-first-field", b"GET / HTTP/1.1\r\n Host: a.example\r\n\r\n",
     "RFC 9112 2.2: whitespace after the start line", BAD)
case("fold-of-nothing", GET + b" \r\n\r\n", "a line of whitespace", BAD)
case("field-nul-in-value", GET + b"X: a\0b\r\n\r\n", "NUL cuts strings in C", BAD)
case("field-nul-in-name", GET + b"X\0: a\r\n\r\n", "NUL cuts strings in C", BAD)
case("field-control-in-value", GET + b"X: a\x08b\r\n\r\n", "a control byte", BAD)
case("field-escape-in-value", GET + b"X: \x1b[31m\r\n\r\n", "a terminal escape", BAD)
case("field-del-in-value", GET + b"X: \x7f\r\n\r\n", "DEL is a control byte", BAD)
case("field-vt-before-value", GET + b"X:\x0bv\r\n\r\n", "VT is no whitespace", BAD)
case("field-obs-text-in-name", GET + b"X\xe9: v\r\n\r\n", "names are ASCII", BAD)
case("field-quote-in-name", GET + b'"X": v\r\n\r\n', "no token", BAD)
case("field-paren-in-name", GET + b"X(1): v\r\n\r\n", "no token", BAD)
case("field-underscore", GET + b"Content_Length: 5\r\n\r\n" + NEXT,
     "a token, but not Content-Length", SEEN, SEEN_NEXT)
case("coding-underscore", POST + b"Transfer_Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n" + NEXT,
     "not Transfer-Encoding, and not sent on for those who think so",
     Accepted("POST", "/p", b"0\r\n\r\n"), SEEN_NEXT)
case("many-fields", GET + b"X: 1\r\n" * 127 + b"\r\n", "128 fields exactly", SEEN)
case("too-many-fields", GET + b"X: 1\r\n" * 128 + b"\r\n", "129 fields", Refused(431))
case("flood-of-fields", GET + b"X:\r\n" * 5000 + b"\r\n", "5001 fields", Refused(431))
case("flood-of-fields-then-bad-field", GET + b"X:\r\n" * 5000 + b"X\r\n\r\n",
     "so many are not even looked at", Refused(431))
case("large-field", GET + b"X: " + b"x" * 20000 + b"\r\n\r\n", "within the limit", SEEN)
case("head-at-limit", GET + b"X: " + b"x" * (32768 - len(GET) - 7) + b"\r\n\r\n",
     "32768 bytes exactly", SEEN)
case("head-over-limit", GET + b"X: " + b"x" * (32768 - len(GET) - 6) + b"\r\n\r\n",
     "32769 bytes", Refused(431))
case("head-100k", GET + b"X: " + b"x" * 100_000 + b"\r\n\r\n", "a 100 KB field", Refused(431))
case("head-endless", GET + b"X: " + b"x" * 40_000, "no end within the limit", Refused(431))
case("long-name", GET + b"X" * 40_000 + b": 1\r\n\r\n", "over the limit", Refused(431))
case("nul-before-head-limit", GET + b"X: \0" + b"x" * 40_000 + b"\r\n\r\n",
     "the NUL comes before the limit is passed", BAD)
case("nul-beyond-head-limit", GET + b"X: " + b"x" * 40_000 + b"\0\r\n\r\n",
     "the limit is passed before the NUL comes", Refused(431))

# --- Fields that may come once ---------------------------------------------------------------
for once in (b"Authorization", b"Content-Range", b"If-Modified-Since", b"If-Range", b"If-Unmodified-Since"):
    name = once.decode().lower()
    case(f"two-{name}", GET + once + b": a\r\n" + once.upper() + b": b\r\n\r\n", "which line counts?", BAD)
    case(f"two-equal-{name}", GET + once + b": a\r\nX: 1\r\n" + once + b": a\r\n\r\n", "nginx 1.23: 400", BAD)

# --- Host and the forms of a target ----------------------------------------------------------
case("no-host", b"GET / HTTP/1.1\r\n\r\n", "RFC 9112 3.2: 400", BAD)
case("no-host-but-fields", b"GET / HTTP/1.1\r\nX: 1\r\n\r\n", "RFC 9112 3.2: 400", BAD)
case("empty-host", b"GET / HTTP/1.1\r\nHost:\r\n\r\n", "an http URI has a host", BAD)
case("two-hosts", GET + b"Host: b.example\r\n\r\n", "RFC 9112 3.2: 400", BAD)
case("two-equal-hosts", GET + A + b"\r\n", "RFC 9112 3.2: 400", BAD)
case("two-hosts-by-case", GET + b"hOST: b.example\r\n\r\n", "names ignore case", BAD)
case("two-hosts-one-empty", GET + b"Host:\r\n\r\n", "RFC 9112 3.2: 400", BAD)
case("two-hosts-apart", GET + b"X: 1\r\nY: 2\r\nhost: b.example\r\n\r\n", "RFC 9112 3.2: 400", BAD)
case("host-nul", b"GET / HTTP/1.1\r\nHost: a.example\0.evil\r\n\r\n", "NUL cuts strings in C", BAD)
case("host-tab", b"GET / HTTP/1.1\r\nHost: a.example\tb\r\n\r\n", "no host", BAD)
case("host-backslash", b"GET / HTTP/1.1\r\nHost: a.example\\b\r\n\r\n", "no host", BAD)
case("host-query", b"GET / HTTP/1.1\r\nHost: a.example?x\r\n\r\n", "no host", BAD)
case("host-empty-port", b"GET / HTTP/1.1\r\nHost: a.example:\r\n\r\n", "RFC 3986 3.2.3 lets it be empty",
     Accepted("GET", "/", host="a.example:"))
case("host-list", b"GET / HTTP/1.1\r\nHost: a.example, b.example\r\n\r\n", "which one?", BAD)
case("host-comma", b"GET / HTTP/1.1\r\nHost: a.example,b.example\r\n\r\n", "which one?", BAD)
case("host-with-space", b"GET / HTTP/1.1\r\nHost: a.example b\r\n\r\n", "no host", BAD)
case("host-with-path", b"GET / HTTP/1.1\r\nHost: a.example/x\r\n\r\n", "no host", BAD)
case("host-with-user", b"GET / HTTP/1.1\r\nHost: u@a.example\r\n\r\n", "which part is it?", BAD)
case("host-as-url", b"GET / HTTP/1.1\r\nHost: http://a.example\r\n\r\n", "no host", BAD)
case("host-port", b"GET / HTTP/1.1\r\nHost: a.example:8080\r\n\r\n", "a port is fine",
     Accepted("GET", "/", host="a.example:8080"))
case("host-bad-port", b"GET / HTTP/1.1\r\nHost: a.example:80a\r\n\r\n", "no port", BAD)
case("host-long-port", b"GET / HTTP/1.1\r\nHost: a.example:808080\r\n\r\n", "no port", BAD)
case("host-highest-port", b"GET / HTTP/1.1\r\nHost: a.example:65535\r\n\r\n", "16 bits",
     Accepted("GET", "/", host="a.example:65535"))
case("host-port-too-high", b"GET / HTTP/1.1\r\nHost: a.example:65536\r\n\r\n", "17 bits", BAD)
case("host-dot", b"GET / HTTP/1.1\r\nHost: .\r\n\r\n", "the root is no host", BAD)
case("host-two-dots", b"GET / HTTP/1.1\r\nHost: ..a\r\n\r\n", "an empty label", BAD)
case("host-ipv6-with-dots", b"GET / HTTP/1.1\r\nHost: [ab..cd::1]\r\n\r\n", "no address", BAD)
case("host-two-ports", b"GET / HTTP/1.1\r\nHost: a.example:80:81\r\n\r\n", "which one?", BAD)
case("host-only-port", b"GET / HTTP/1.1\r\nHost: :80\r\n\r\n", "no host", BAD)
case("host-ipv6", b"GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", "an IP literal",
     Accepted("GET", "/", host="[::1]:80"))
case("host-ipv6-open", b"GET / HTTP/1.1\r\nHost: [::1\r\n\r\n", "no host", BAD)
case("host-ipv6-bare", b"GET / HTTP/1.1\r\nHost: ::1\r\n\r\n", "no host", BAD)
case("host-underscore", b"GET / HTTP/1.1\r\nHost: my_app.local\r\n\r\n", "container names have it",
     Accepted("GET", "/", host="my_app.local"))
case("host-percent", b"GET / HTTP/1.1\r\nHost: a%2eexample\r\n\r\n", "decoded by some only", BAD)
case("host-obs-text", b"GET / HTTP/1.1\r\nHost: \xe9.example\r\n\r\n", "hosts are ASCII", BAD)
case("host-quote", b"GET / HTTP/1.1\r\nHost: a'or'b\r\n\r\n", "no real host", BAD)
case("absolute", b"GET http://a.example/x?y HTTP/1.1\r\n" + A + b"\r\n", "a server must take it",
     Accepted("GET", "/x?y"))
case("absolute-wins", b"GET http://b.example/x HTTP/1.1\r\n" + A + b"\r\n",
     "RFC 9112 3.2.2: the target's authority replaces Host",
     Accepted("GET", "/x", host="b.example"))
case("absolute-no-path", b"GET http://a.example HTTP/1.1\r\n" + A + b"\r\n", "the path is /", SEEN)
case("absolute-query-only", b"GET http://a.example?q HTTP/1.1\r\n" + A + b"\r\n",
     "the path is /", Accepted("GET", "/?q"))
case("absolute-query-with-at", b"GET http://a.example?@b.example/ HTTP/1.1\r\n" + A + b"\r\n",
     "the authority ends at the question mark", Accepted("GET", "/?@b.example/"))
case("absolute-double-slash", b"GET http://a.example//b.example/ HTTP/1.1\r\n" + A + b"\r\n",
     "a path with an empty first segment", Accepted("GET", "//b.example/"))
case("absolute-in-path", b"GET /http://b.example/ HTTP/1.1\r\n" + A + b"\r\n",
     "a path, not an authority", Accepted("GET", "/http://b.example/"))
case("absolute-in-absolute", b"GET http://a.example/http://b.example/ HTTP/1.1\r\n" + A + b"\r\n",
     "the first authority counts", Accepted("GET", "/http://b.example/"))
case("absolute-https", b"GET HTTPS://a.example:443/ HTTP/1.1\r\n" + A + b"\r\n",
     "schemes ignore case", Accepted("GET", "/", host="a.example:443"))
case("absolute-no-host-field", b"GET http://a.example/ HTTP/1.1\r\n\r\n",
     "1.1 needs Host all the same", BAD)
case("absolute-1.0", b"GET http://a.example/ HTTP/1.0\r\n\r\n", "1.0 does not", SEEN)
case("absolute-empty-authority", b"GET http:///x HTTP/1.1\r\n" + A + b"\r\n", "no host", BAD)
case("absolute-user", b"GET http://u:p@a.example/ HTTP/1.1\r\n" + A + b"\r\n",
     "user information is refused", BAD)
case("absolute-user-trick", b"GET http://a.example@b.example/ HTTP/1.1\r\n" + A + b"\r\n",
     "which is the host?", BAD)
case("absolute-backslash", b"GET http://a.example\\@b.example/ HTTP/1.1\r\n" + A + b"\r\n",
     "which is the host?", BAD)
case("absolute-bad-port", b"GET http://a.example:x/ HTTP/1.1\r\n" + A + b"\r\n", "no port", BAD)
case("absolute-long-port", b"GET http://a.example:808080/ HTTP/1.1\r\n" + A + b"\r\n", "no port", BAD)
case("absolute-list", b"GET http://a.example,b.example/ HTTP/1.1\r\n" + A + b"\r\n", "which one?", BAD)
case("absolute-percent", b"GET http://a%2eexample/ HTTP/1.1\r\n" + A + b"\r\n",
     "decoded by some only", BAD)
case("absolute-fragment", b"GET http://a.example#b.example/ HTTP/1.1\r\n" + A + b"\r\n",
     "a fragment is no part of a target", BAD)
case("absolute-ipv6", b"GET http://[::1]:80/ HTTP/1.1\r\n" + A + b"\r\n", "an IP literal",
     Accepted("GET", "/", host="[::1]:80"))
case("absolute-ipv6-zone", b"GET http://[fe80::1%25eth0]/ HTTP/1.1\r\n" + A + b"\r\n",
     "a zone means something on one machine only", BAD)
case("absolute-websocket", b"GET ws://a.example/ HTTP/1.1\r\n" + A + b"\r\n", "not HTTP", BAD)
case("absolute-no-scheme", b"GET ://a.example/ HTTP/1.1\r\n" + A + b"\r\n", "no form of target", BAD)
case("absolute-space", b"GET http://a.example /x HTTP/1.1\r\n" + A + b"\r\n",
     "a raw space in the target", BAD)
case("absolute-ftp", b"GET ftp://a.example/ HTTP/1.1\r\n" + A + b"\r\n", "not HTTP", BAD)
case("absolute-file", b"GET file:///etc/passwd HTTP/1.1\r\n" + A + b"\r\n", "not HTTP", BAD)
case("absolute-one-slash", b"GET http:/a.example/ HTTP/1.1\r\n" + A + b"\r\n", "no authority", BAD)
case("absolute-two-hosts", b"GET http://a.example/ HTTP/1.1\r\n" + A + A + b"\r\n",
     "Host is ambiguous even where it does not count", BAD)
case("absolute-bad-host-field", b"GET http://a.example/ HTTP/1.1\r\nHost: a b\r\n\r\n",
     "Host is invalid even where it does not count", BAD)
case("options-star", b"OPTIONS * HTTP/1.1\r\n" + A + b"\r\n", "asterisk-form",
     Accepted("OPTIONS", "*"))
case("options-absolute", b"OPTIONS http://a.example HTTP/1.1\r\n" + A + b"\r\n",
     "RFC 9112 3.2.4: sent on as *", Accepted("OPTIONS", "*"))
case("options-absolute-slash", b"OPTIONS http://a.example/ HTTP/1.1\r\n" + A + b"\r\n",
     "a path is there", Accepted("OPTIONS", "/"))
case("get-star", b"GET * HTTP/1.1\r\n" + A + b"\r\n", "only OPTIONS has it", BAD)
case("options-star-more", b"OPTIONS *x HTTP/1.1\r\n" + A + b"\r\n", "no form of target", BAD)
case("connect-path", b"CONNECT / HTTP/1.1\r\n" + A + b"\r\n", "CONNECT has host:port", BAD)
case("connect-url", b"CONNECT http://b.example/ HTTP/1.1\r\n" + A + b"\r\n",
     "CONNECT has host:port", BAD)
case("connect-no-port", b"CONNECT b.example HTTP/1.1\r\n" + A + b"\r\n", "a port is needed", BAD)
case("connect-empty-port", b"CONNECT b.example: HTTP/1.1\r\n" + A + b"\r\n", "a port is needed", BAD)
case("connect-port-too-high", b"CONNECT b.example:65536 HTTP/1.1\r\n" + A + b"\r\n", "17 bits", BAD)
case("connect-body", b"CONNECT b.example:1 HTTP/1.1\r\n" + A + b"Content-Length: 3\r\n\r\nabc",
     "content has no meaning there", BAD)
case("get-authority", b"GET a.example:80 HTTP/1.1\r\n" + A + b"\r\n", "only CONNECT has it", BAD)

# --- Content-Length --------------------------------------------------------------------------
case("length", POST + b"Content-Length: 3\r\n\r\nabc" + NEXT, "a body, then a request",
     Accepted("POST", "/p", b"abc"), SEEN_NEXT)
case("length-zero", POST + b"Content-Length: 0\r\n\r\n" + NEXT, "no body",
     Accepted("POST", "/p"), SEEN_NEXT)
case("no-length", POST + b"\r\n" + NEXT, "no length, no body", Accepted("POST", "/p"), SEEN_NEXT)
case("length-get", GET + b"Content-Length: 3\r\n\r\nabc" + NEXT, "a GET may have a body",
     Accepted("GET", "/", b"abc"), SEEN_NEXT)
case("length-hides-request", GET + b"Content-Length: %d\r\n\r\n" % len(NEXT) + NEXT,
     "what looks like a request is a body", Accepted("GET", "/", NEXT))
case("length-short-body", POST + b"Content-Length: 5\r\n\r\nabc", "two bytes are missing", Waits())
case("length-two", POST + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef", "which?", BAD)
case("length-two-equal", POST + b"Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
     "even equal ones are refused", BAD)
case("length-two-by-case", POST + b"Content-Length: 3\r\ncontent-LENGTH: 4\r\n\r\nabcd", "which?", BAD)
case("length-list", POST + b"Content-Length: 5, 5\r\n\r\nabcde", "a list", BAD)
case("length-list-differing", POST + b"Content-Length: 5, 6\r\n\r\nabcdef", "a list", BAD)
case("length-plus", POST + b"Content-Length: +3\r\n\r\nabc", "digits only", BAD)
case("length-minus", POST + b"Content-Length: -1\r\n\r\nabc", "digits only", BAD)
case("length-hex", POST + b"Content-Length: 0x3\r\n\r\nabc", "digits only", BAD)
case("length-exponent", POST + b"Content-Length: 1e1\r\n\r\nabcdefghij", "digits only", BAD)
case("length-fraction", POST + b"Content-Length: 3.0\r\n\r\nabc", "digits only", BAD)
case("length-underscore", POST + b"Content-Length: 1_0\r\n\r\nabcdefghij", "digits only", BAD)
case("length-space-inside", POST + b"Content-Length: 1 0\r\n\r\nabcdefghij", "digits only", BAD)
case("length-quoted", POST + b'Content-Length: "3"\r\n\r\nabc', "digits only", BAD)
case("length-empty", POST + b"Content-Length:\r\n\r\nabc", "digits only", BAD)
case("length-word", POST + b"Content-Length: three\r\n\r\nabc", "digits only", BAD)
case("length-other-digits", POST + "Content-Length: ٣\r\n\r\nabc".encode(), "ASCII digits only", BAD)
case("length-superscript", POST + b"Content-Length: \xb3\r\n\r\nabc", "ASCII digits only", BAD)
case("length-leading-zero", POST + b"Content-Length: 010\r\n\r\nabcdefghij",
     "in the grammar: ten, and sent on as 10", Accepted("POST", "/p", b"abcdefghij"))
case("length-zeros", POST + b"Content-Length: 000\r\n\r\n" + NEXT, "in the grammar",
     Accepted("POST", "/p"), SEEN_NEXT)
case("length-19-digits", POST + b"Content-Length: 0001000000000000000000\r\n\r\n",
     "more than 64 bits may hold", BAD)
case("length-two-to-64", POST + b"Content-Length: 18446744073709551619\r\n\r\nabc",
     "3 after an overflow", BAD)
case("length-huge", POST + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\nabc", "overlong", BAD)
case("length-trailing-nul", POST + b"Content-Length: 3\0\r\n\r\nabc", "a control byte", BAD)

# --- Transfer-Encoding -----------------------------------------------------------------------
case("chunked", CHUNKED + b"3\r\nabc\r\n0\r\n\r\n" + NEXT, "a body, then a request",
     Accepted("POST", "/p", b"abc"), SEEN_NEXT)
case("chunked-by-case", POST + b"transfer-encoding: Chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n" + NEXT,
     "codings ignore case", Accepted("POST", "/p", b"abc"), SEEN_NEXT)
case("cl-te", POST + b"Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG",
     "CL.TE smuggling", BAD)
case("te-cl", POST + b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n1\r\nZ\r\n0\r\n\r\n",
     "TE.CL smuggling", BAD)
case("cl-zero-te", POST + b"Content-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
     "CL.0 smuggling", BAD)
case("cl-te-1.0",
     b"POST /p HTTP/1.0\r\n" + A + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
     "both are given", BAD)
case("cl-te-by-connection",
     POST + b"Connection: content-length\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG",
     "naming one in Connection does not make it go away", BAD)
case("te-empty-cl", POST + b"Transfer-Encoding:\r\nContent-Length: 3\r\n\r\nabc",
     "no coding named, and some fall back to the length", BAD)
case("te-gzip-cl", POST + b"Transfer-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc",
     "both are given", BAD)
case("te-unknown-cl", POST + b"Transfer-Encoding: xchunked\r\nContent-Length: 3\r\n\r\nabc",
     "both are given", BAD)
case("two-cl-te", POST + b"Content-Length: 3\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
     "all three are given", BAD)
case("te-twice", POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
     "chunked twice", BAD)
case("te-te", POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n0\r\n\r\n",
     "TE.TE smuggling", BAD)
case("te-list-twice", POST + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", "twice", BAD)
case("te-chunked-first", POST + b"Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
     "chunked is not last", BAD)
case("te-gzip-chunked", POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
     "well-formed, but not implemented", Refused(501))
case("te-gzip", POST + b"Transfer-Encoding: gzip\r\n\r\nabc", "not implemented", Refused(501))
case("te-identity", POST + b"Transfer-Encoding: identity\r\n\r\n", "no coding any more",
     Refused(501))
case("te-identity-cl", POST + b"Transfer-Encoding: identity\r\nContent-Length: 3\r\n\r\nabc",
     "both are given", BAD)
case("te-unknown", POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", "unknown", Refused(501))
case("te-quoted", POST + b'Transfer-Encoding: "chunked"\r\n\r\n0\r\n\r\n', "no token", BAD)
case("te-parameter", POST + b"Transfer-Encoding: chunked;q=1\r\n\r\n0\r\n\r\n", "has none", BAD)
case("te-vt", POST + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n", "VT is not OWS", BAD)
case("te-tabs", POST + b"Transfer-Encoding:\tchunked\t\r\n\r\n3\r\nabc\r\n0\r\n\r\n" + NEXT,
     "HTAB is OWS", Accepted("POST", "/p", b"abc"), SEEN_NEXT)
case("te-two-lines", POST + b"Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
     "one list on two lines", BAD)
case("te-split-word", POST + b"Transfer-Encoding: chu nked\r\n\r\n0\r\n\r\n", "no token", BAD)
case("te-nbsp", POST + b"Transfer-Encoding: chunked\xa0\r\n\r\n0\r\n\r\n", "NBSP is not OWS", BAD)
case("te-empty", POST + b"Transfer-Encoding:\r\n\r\n0\r\n\r\n", "no coding named", BAD)
case("te-comma", POST + b"Transfer-Encoding: ,\r\n\r\n0\r\n\r\n", "no coding named", BAD)
case("te-list-gap", POST + b"Transfer-Encoding: ,chunked\r\n\r\n0\r\n\r\n" + NEXT,
     "empty members do not count (RFC 9110 5.6.1.2)", Accepted("POST", "/p"), SEEN_NEXT)
case("te-1.0", b"POST /p HTTP/1.0\r\n" + A + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
     "RFC 9112 6.1: faulty framing in 1.0", BAD)
case("te-1.0-gzip", b"POST /p HTTP/1.0\r\n" + A + b"Transfer-Encoding: gzip\r\n\r\n",
     "an unknown coding in any version", Refused(501))
case("te-named-in-connection",
     POST + b"Connection: transfer-encoding\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
     "hop-by-hop already; it frames this message all the same", Accepted("POST", "/p", b"abc"))
case("te-get", GET + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + NEXT,
     "a GET may have a body", SEEN, SEEN_NEXT)

# --- chunks ----------------------------------------------------------------------------------
case("chunks", CHUNKED + b"1\r\na\r\n2\r\nbc\r\n0\r\n\r\n", "several",
     Accepted("POST", "/p", b"abc"))
case("chunk-hex-case", CHUNKED + b"a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n\r\n", "both cases",
     Accepted("POST", "/p", b"0123456789" * 2))
case("chunk-leading-zeros", CHUNKED + b"0003\r\nabc\r\n000\r\n\r\n", "within 16 digits",
     Accepted("POST", "/p", b"abc"))
case("chunk-no-size", CHUNKED + b"\r\nabc\r\n0\r\n\r\n", "no digits", BAD)
case("chunk-bad-size", CHUNKED + b"xyz\r\nabc\r\n0\r\n\r\n", "no digits", BAD)
case("chunk-minus", CHUNKED + b"-3\r\nabc\r\n0\r\n\r\n", "digits only", BAD)
case("chunk-plus", CHUNKED + b"+3\r\nabc\r\n0\r\n\r\n", "digits only", BAD)
case("chunk-0x", CHUNKED + b"0x3\r\nabc\r\n0\r\n\r\n", "digits only", BAD)
case("chunk-underscore", CHUNKED + b"1_0\r\n0123456789abcdef\r\n0\r\n\r\n", "digits only", BAD)
case("chunk-space-before", CHUNKED + b" 3\r\nabc\r\n0\r\n\r\n", "no whitespace", BAD)
case("chunk-space-after", CHUNKED + b"3 \r\nabc\r\n0\r\n\r\n", "no whitespace", BAD)
case("chunk-tab-after", CHUNKED + b"3\t\r\nabc\r\n0\r\n\r\n", "no whitespace", BAD)
case("chunk-16-digits", CHUNKED + b"000000000000000f\r\n0123456789abcde\r\n0\r\n\r\n", "at most 16",
     Accepted("POST", "/p", b"0123456789abcde"))
case("chunk-17-digits", CHUNKED + b"0000000000000000f\r\n0123456789abcde\r\n0\r\n\r\n",
     "overlong", BAD)
case("chunk-overflow", CHUNKED + b"10000000000000003\r\nabc\r\n0\r\n\r\n", "3 after overflow", BAD)
case("chunk-largest", CHUNKED + b"ffffffffffffffff\r\nabc\r\n0\r\n\r\n" + NEXT,
     "far more to come, and -1 to nobody", Waits())
case("chunk-bare-lf-size", CHUNKED + b"3\nabc\r\n0\r\n\r\n", "lines end in CRLF", BAD)
case("chunk-bare-lf-data", CHUNKED + b"3\r\nabc\n0\r\n\r\n", "chunks end in CRLF", BAD)
case("chunk-bare-cr-size", CHUNKED + b"3\rabc\r\n0\r\n\r\n", "lines end in CRLF", BAD)
case("chunk-bare-lf-last", CHUNKED + b"0\n\n", "lines end in CRLF", BAD)
case("chunk-bare-lf-end", CHUNKED + b"0\r\n\n", "lines end in CRLF", BAD)
case("chunk-overrun", CHUNKED + b"3\r\nabcd\r\n0\r\n\r\n", "longer than announced", BAD)
case("chunk-underrun", CHUNKED + b"4\r\nabc\r\n0\r\n\r\n", "shorter than announced", BAD)
case("chunk-two-bytes-skipped", CHUNKED + b"3\r\nabcXX0\r\n\r\n",
     "some readers skip two bytes unseen", BAD)
case("chunk-no-crlf", CHUNKED + b"3\r\nabc0\r\n\r\n", "chunks end in CRLF", BAD)
case("chunk-empty-line-before", CHUNKED + b"\r\n3\r\nabc\r\n0\r\n\r\n", "no digits", BAD)
case("chunk-empty-line-between", CHUNKED + b"3\r\nabc\r\n\r\n0\r\n\r\n", "no digits", BAD)
case("chunk-overrun-of-the-last", CHUNKED + b"0\r\nabc\r\n\r\n", "no field", BAD)
case("chunk-hides-request", CHUNKED + b"%x\r\n%b\r\n0\r\n\r\n" % (len(NEXT), NEXT),
     "what looks like a request is a body", Accepted("POST", "/p", NEXT))
case("chunk-cut", CHUNKED + b"5\r\nab", "may go on", Waits())
case("chunk-size-cut", CHUNKED + b"5", "may go on", Waits())
case("chunk-no-last", CHUNKED + b"3\r\nabc\r\n", "may go on", Waits())
case("chunk-last-cut", CHUNKED + b"3\r\nabc\r\n0\r\n", "may go on", Waits())
case("chunk-extension", CHUNKED + b"3;a=b\r\nabc\r\n0;c\r\n\r\n" + NEXT, "valid, dropped",
     Accepted("POST", "/p", b"abc"), SEEN_NEXT)
case("chunk-extension-quoted", CHUNKED + b'3;a="b;\\" c"\r\nabc\r\n0\r\n\r\n' + NEXT,
     "valid, dropped", Accepted("POST", "/p", b"abc"), SEEN_NEXT)
case("chunk-extension-open-quote", CHUNKED + b'3;a="b\r\nabc\r\n0\r\n\r\n', "malformed", BAD)
case("chunk-extension-empty", CHUNKED + b"3;\r\nabc\r\n0\r\n\r\n", "no name", BAD)
case("chunk-extension-no-value", CHUNKED + b"3;a=\r\nabc\r\n0\r\n\r\n", "no value", BAD)
case("chunk-extension-space", CHUNKED + b"3 ;a\r\nabc\r\n0\r\n\r\n", "BWS",
     Accepted("POST", "/p", b"abc"))
case("chunk-extension-space-after", CHUNKED + b"3; a\r\nabc\r\n0\r\n\r\n", "BWS",
     Accepted("POST", "/p", b"abc"))
case("chunk-extension-spaces", CHUNKED + b"3 \t; a = \t\"b\" ;c\r\nabc\r\n0 ;a\r\n\r\n" + NEXT, "BWS",
     Accepted("POST", "/p", b"abc"), SEEN_NEXT)
case("chunk-extension-space-last", CHUNKED + b"3;a \r\nabc\r\n0\r\n\r\n", "BWS of nothing", BAD)
case("chunk-extension-bare-lf", CHUNKED + b"3;a\nabc\r\n0\r\n\r\n",
     "an LF ends the line for some readers", BAD)
case("chunk-extension-bare-cr", CHUNKED + b"3;a\rb\r\nabc\r\n0\r\n\r\n", "a bare CR", BAD)
case("chunk-extension-nul", CHUNKED + b"3;a\0b\r\nabc\r\n0\r\n\r\n", "a control byte", BAD)
case("chunk-extension-lf-smuggling",
     CHUNKED + b"2;\nxx\r\n4c\r\n0\r\n\r\nGET /admin HTTP/1.1\r\n" + A + b"\r\n", "TERM.EXT", BAD)
case("chunk-extension-long", CHUNKED + b"3;a=" + b"b" * 2000 + b"\r\nabc\r\n0\r\n\r\n",
     "over the limit of a size line", BAD)
case("chunk-extension-endless", CHUNKED + b"3;a=" + b"b" * 2000, "over the limit", BAD)
case("chunk-extension-flood", CHUNKED + (b"1;a=" + b"b" * 900 + b"\r\nx\r\n") * 30 + b"0\r\n\r\n",
     "over the limit of all extensions", BAD)
case("chunk-extension-flood-of-names", CHUNKED + b"1" + b";a" * 600 + b"\r\nx\r\n0\r\n\r\n",
     "over the limit of a size line", BAD)
case("chunk-extension-of-the-last", CHUNKED + b'0;a="\r\n\r\n"\r\n\r\n' + NEXT,
     "a line end inside quotes", BAD)

# --- trailers --------------------------------------------------------------------------------
case("trailers", CHUNKED + b"3\r\nabc\r\n0\r\nX-Sum: 1\r\nX-Two: 2\r\n\r\n" + NEXT, "passed on",
     Accepted("POST", "/p", b"abc", trailers=b"X-Sum: 1\r\nX-Two: 2\r\n"), SEEN_NEXT)
case("trailers-dropped", CHUNKED + b"0\r\nAuthorization: x\r\nX-Sum: 1\r\nCookie: y\r\n\r\n" + NEXT,
     "some belong in the head and are dropped",
     Accepted("POST", "/p", trailers=b"X-Sum: 1\r\n"), SEEN_NEXT)
case("trailers-forwarded-for", CHUNKED + b"0\r\nX-Forwarded-For: 127.0.0.1\r\n\r\n" + NEXT,
     "a forged origin is dropped", Accepted("POST", "/p"), SEEN_NEXT)
case("trailers-length", CHUNKED + b"0\r\nContent-Length: 5\r\n\r\n" + NEXT, "framing", BAD)
case("trailers-coding", CHUNKED + b"0\r\nTransfer-Encoding: chunked\r\n\r\n" + NEXT, "framing", BAD)
case("trailers-host", CHUNKED + b"0\r\nhost: b.example\r\n\r\n" + NEXT, "routing", BAD)
case("trailers-length-by-case", CHUNKED + b"0\r\nX: 1\r\ncontent-LENGTH: 5\r\n\r\n" + NEXT, "framing", BAD)
case("trailers-connection",
     CHUNKED + b"0\r\nConnection: close\r\nUpgrade: h2c\r\nExpect: 100-continue\r\n\r\n" + NEXT,
     "what steers a connection is dropped, and does not steer it", Accepted("POST", "/p"), SEEN_NEXT)
case("trailers-space-before-colon", CHUNKED + b"0\r\nX : 1\r\n\r\n", "malformed", BAD)
case("trailers-obs-fold", CHUNKED + b"0\r\nX: 1\r\n 2\r\n\r\n", "obsolete", BAD)
case("trailers-no-colon", CHUNKED + b"0\r\nGET /admin HTTP/1.1\r\n\r\n",
     "a request where trailers must be", BAD)
case("trailers-no-name", CHUNKED + b"0\r\n: 1\r\n\r\n", "no name", BAD)
case("trailers-space-before-first", CHUNKED + b"0\r\n X: 1\r\n\r\n", "a fold of nothing", BAD)
case("trailers-obs-text-in-name", CHUNKED + b"0\r\nX\xe9: 1\r\n\r\n", "names are ASCII", BAD)
case("trailers-bare-cr", CHUNKED + b"0\r\nX: 1\rY: 2\r\n\r\n", "a bare CR", BAD)
case("trailers-of-spaces", CHUNKED + b"0\r\n  \r\n\r\n", "a line of whitespace", BAD)
case("trailers-bare-lf", CHUNKED + b"0\r\nX: 1\n\r\n", "lines end in CRLF", BAD)
case("trailers-bare-lf-end", CHUNKED + b"0\r\nX: 1\r\n\n", "lines end in CRLF", BAD)
case("trailers-nul", CHUNKED + b"0\r\nX: \0\r\n\r\n", "a control byte", BAD)
case("trailers-large", CHUNKED + b"0\r\nX: " + b"x" * 9000 + b"\r\n\r\n", "over the limit",
     Refused(431))
case("trailers-endless", CHUNKED + b"0\r\n" + b"X: 1\r\n" * 2000, "over the limit", Refused(431))
case("trailers-cut", CHUNKED + b"0\r\nX: 1\r\n", "may go on", Waits())
case("trailers-request-after", CHUNKED + b"0\r\n\r\n" + NEXT, "the empty line ends it",
     Accepted("POST", "/p"), SEEN_NEXT)

# --- connection handling ---------------------------------------------------------------------
case("pipelined", GET + b"\r\n" + NEXT + NEXT, "three in one", SEEN, SEEN_NEXT, SEEN_NEXT)
case("pipelined-flood", NEXT * 200, "each has its answer", *[SEEN_NEXT] * 200)
case("pipelined-bad", GET + b"\r\n" + b"GET / HTTP/1.1\r\n\r\n" + NEXT,
     "nothing is read behind what is refused", SEEN, BAD)
case("close", GET + b"Connection: close\r\n\r\n" + NEXT, "nothing is read behind it", SEEN)
case("close-in-list", GET + b"Connection: x, Close\r\n\r\n" + NEXT, "options ignore case", SEEN)
case("close-in-second-line", GET + b"Connection: x\r\nConnection: close\r\n\r\n" + NEXT,
     "several lines are one list", SEEN)
case("close-and-keep-alive", GET + b"Connection: keep-alive, close\r\n\r\n" + NEXT, "close wins", SEEN)
case("connection-bad", GET + b"Connection: a b\r\n\r\n", "no list of tokens", BAD)
case("connection-names-host", GET + b"Connection: Host\r\n\r\n", "Host stays", SEEN)
case("connection-names-length", POST + b"Connection: Content-Length\r\nContent-Length: 3\r\n\r\nabc",
     "Content-Length stays", Accepted("POST", "/p", b"abc"))
case("connection-gaps", GET + b"Connection: ,, ,\r\n\r\n" + NEXT, "empty members do not count",
     SEEN, SEEN_NEXT)
case("expect", POST + b"Expect: 100-Continue\r\nContent-Length: 3\r\n\r\nabc",
     "the body may come unasked", Accepted("POST", "/p", b"abc"))
case("expect-unknown", POST + b"Expect: magic\r\nContent-Length: 3\r\n\r\nabc",
     "cannot be met", Refused(417))
case("expect-waiting", POST + b"Expect: 100-continue\r\nContent-Length: 3\r\n\r\n",
     "the client waits for 100", Waits())
case("upgrade-ignored", GET + b"Upgrade: h2c\r\n\r\n" + NEXT, "not listed in Connection: no upgrade",
     SEEN, SEEN_NEXT)
