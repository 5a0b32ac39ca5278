"""The part of the configuration that only the HTTP listener reads."""

from __future__ import annotations

from l7proxy.core.config.address import split_listen
from l7proxy.core.config.fields import END
from l7proxy.core.config.outside import CERTIFICATE, KEY_FILE, LOG_FILE, file_of
from l7proxy.core.config.problems import Problems, pointer_to
from l7proxy.core.config.record import Record, RecordOf, field
from l7proxy.core.config.spec import Boolean, ListOf, Mapped, Text, count, seconds
from l7proxy.core.http.addresses import network_in

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal

    from l7proxy.core.http.addresses import IPNetwork

    Network = IPNetwork | Literal["unix:"]


UNIX: Literal["unix:"] = "unix:"
"""Stands for the address of a client that connects to a unix socket."""


def _network(text: str) -> Network:
    if text == UNIX:
        return UNIX
    try:
        return network_in(text)
    except ValueError:
        problem = f'"{text}" must be a network such as 10.0.0.0/8, an address, or unix:'
        raise ValueError(problem) from None


def _listen(text: str) -> str:
    split_listen(text)
    return text


class ServerLimitsConfig(Record):
    """How much a client may send, in bytes unless said otherwise."""

    line: int = field(count(64), "the request line; beyond it, 414", default=8 * 1024)
    head: int = field(count(128), "the whole head; beyond it, 431", default=32 * 1024)
    field_count: int = field(
        count(), "number of header fields; beyond it, 431", default=128, key="fields"
    )
    body: int | None = field(count(0), "the body; beyond it, 413", default=None)

    def check(self, at: str, problems: Problems) -> None:
        if self.line + 4 > self.head:
            problems.conflict(pointer_to(at, "line"), "must leave room within the head's limit")


class ServerTimeoutsConfig(Record):
    """How long a client may take, in seconds."""

    head: float = field(seconds(zero=False), "from a head's first byte to its last", default=10)
    body: float = field(seconds(zero=False), "between two pieces of a body", default=60)
    write: float = field(seconds(zero=False), "without taking any of the response", default=60)
    idle: float = field(seconds(zero=False), "between two requests", default=75)
    tunnel: float = field(seconds(zero=False), "without a byte in a tunnel", default=3600)
    drain: float = field(seconds(), "for what is in flight at the end", default=30)


class CertificateConfig(Record):
    """A certificate and its key, and the names that it is shown for."""

    certificate: str = field(file_of(CERTIFICATE), "a PEM file: the certificate, then its chain")
    key: str | None = field(
        file_of(KEY_FILE), "a PEM file; the certificate's own if not given", default=None
    )
    names: tuple[str, ...] = field(
        ListOf(Text(min_length=1)), "names such as a.example or *.a.example", default=()
    )


class ServerTlsConfig(Record):
    """TLS on the addresses that begin with `tls:`; certificates are read anew on a reload."""

    certificates: tuple[CertificateConfig, ...] = field(
        ListOf(RecordOf(CertificateConfig), min_items=1),
        "the first is shown where none has the name that is asked for",
    )
    min_version: str = field(Text(choices=("1.2", "1.3")), "the oldest TLS", default="1.2")


class AccessLogConfig(Record):
    """Where requests are written down, and how."""

    path: str = field(file_of(LOG_FILE), "a file to append to; - is stderr", default="-")
    format: str = field(
        Text(choices=("envelope", "combined")),
        "envelope: http_request messages that can be replayed; combined: as Apache writes it",
        default="combined",
    )
    credentials: str = field(
        Text(choices=("redact", "keep")),
        "what envelope writes of Authorization, cookies and API keys: a pseudonym, or all",
        default="redact",
    )


class ServerConfig(Record):
    """The HTTP listener: where it listens, what it takes, and what it tells backends."""

    listen: tuple[str, ...] = field(
        ListOf(Mapped(Text(min_length=1), _listen)),
        "host:port, [v6]:port, tls:host:port or unix:/path; --listen on the command line wins",
        default=(),
    )
    tls: ServerTlsConfig | None = field(
        RecordOf(ServerTlsConfig), "certificates for addresses that begin with tls:", default=None
    )
    trusted_proxies: tuple[Network, ...] = field(
        ListOf(Mapped(Text(min_length=1), _network)),
        "networks whose X-Forwarded-* and Forwarded are believed, unix: for who comes through a"
        " unix socket; others' are overwritten",
        default=(),
    )
    via: str | None = field(
        Text(pattern=f"^[0-9A-Za-z._-]+{END}", meaning="a name such as edge-1"),
        "the name under which Via is added",
        default=None,
    )
    half_closed_clients: bool = field(
        Boolean(),
        "whether a client that closes its side while it waits still gets its answers; otherwise it"
        " counts as gone, unless it said Connection: close or speaks HTTP/1.0",
        default=False,
    )
    forwarded: bool = field(Boolean(), "whether Forwarded (RFC 7239) is added", default=False)
    limits: ServerLimitsConfig = field(
        RecordOf(ServerLimitsConfig), "how much clients may send", default=ServerLimitsConfig()
    )
    timeouts: ServerTimeoutsConfig = field(
        RecordOf(ServerTimeoutsConfig), "how long clients may take", default=ServerTimeoutsConfig()
    )
    access_log: AccessLogConfig | None = field(
        RecordOf(AccessLogConfig), "where requests are written down", default=None
    )

    def check(self, at: str, problems: Problems) -> None:
        if self.tls is None and any(listen.startswith("tls:") for listen in self.listen):
            where = pointer_to(at, "tls")
            problems.conflict(where, "an address that begins with tls: needs certificates")
        seen: set[tuple[str, int]] = set()
        for index, listen in enumerate(self.listen):
            place = split_listen(listen)
            if place in seen and place[1]:
                where = pointer_to(at, "listen", index)
                problems.conflict(where, f"{listen} is listened on already")
            seen.add(place)
