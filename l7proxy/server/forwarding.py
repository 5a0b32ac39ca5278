"""What a backend is told about the client: X-Forwarded-*, Forwarded and Via.

Only trusted proxies are believed; what anybody else says about where a request came from is
overwritten. `http1` has taken all these fields out of the head already.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from l7proxy.core.config.server import UNIX
from l7proxy.core.http.addresses import client_name
from l7proxy.core.http.forwarded import claimed_hops, parse_forwarded
from l7proxy.core.http.hop_by_hop import CLAIMS
from l7proxy.core.trust import Trust
from l7proxy.http1.fields import drop_fields
from l7proxy.http1.grammar import is_authority, is_token

if TYPE_CHECKING:
    from l7proxy.core.config.server import ServerConfig
    from l7proxy.core.routing.actions import HeaderEdits
    from l7proxy.http1 import RequestHead


class Forwarding:
    """The rules of one configuration."""

    def __init__(self, config: ServerConfig) -> None:
        self._trust = Trust(config.trusted_proxies)
        self._forwarded = config.forwarded
        self._via = b"" if config.via is None else b"1.1 %b" % config.via.encode()
        self.via = b"Via: %b\r\n" % self._via if self._via else b""
        """The line that responses get, or b""."""

    def peer(self, address: str, proto: bytes) -> Peer:
        """What is known of whoever is at the other end of a connection."""
        address = client_name(address)
        peer = Peer(address, proto, trusted=self._trust.trusts(address))
        if not peer.trusted and not self._forwarded:
            peer.plain = b"X-Forwarded-For: %b\r\nX-Forwarded-Proto: %b\r\n%b\r\n" % (
                peer.field,
                proto,
                self.via,
            )
        return peer

    def client_ip(self, peer: Peer, head: RequestHead) -> str:
        """Where the request came from, as far as its peer is believed: see `Trust`."""
        claimed = _claims(head).for_ if peer.trusted and head.has_claims else None
        if claimed is None:
            return peer.address
        return self._trust.client(peer.address, claimed.decode("latin-1"))

    def fields(self, peer: Peer, head: RequestHead, edits: HeaderEdits | None = None) -> bytes:
        """The lines for one request, with the empty line that ends its head.

        What its route takes away or sets by `edits` is not among them.
        """
        plain = peer.plain
        if (
            plain is not None
            and head.via is None
            and (edits is None or edits.gone.isdisjoint(CLAIMS))
        ):
            host = head.authority
            return b"X-Forwarded-Host: %b\r\n%b" % (host, plain) if host else plain
        lines = self._lines(peer, head)
        if edits is not None:
            lines = drop_fields(lines, frozenset(name.encode("ascii") for name in edits.gone))
        return lines + b"\r\n"

    def _lines(self, peer: Peer, head: RequestHead) -> bytes:
        """The same before the route has its say, and without the empty line."""
        fields, host, proto = head.fields, head.authority, peer.proto
        for_, more, forwarded = peer.field, b"", None
        if peer.trusted:
            claims = _claims(head)
            for_ = _listed(claims.for_, for_)
            proto = claims.proto or proto
            if claims.host is not None:
                host = claims.host
            more = fields.forwarded_more
            forwarded = claims.forwarded
        if self._forwarded:
            forwarded = _listed(forwarded, _element(peer, proto, head.authority))
        via = _listed(fields.via, self._via) if self._via else fields.via
        lines = [b"X-Forwarded-For: %b\r\nX-Forwarded-Proto: %b\r\n" % (for_, proto)]
        if host:
            lines.append(b"X-Forwarded-Host: %b\r\n" % host)
        lines.append(more)
        if forwarded is not None:
            lines.append(b"Forwarded: %b\r\n" % forwarded)
        if via is not None:
            lines.append(b"Via: %b\r\n" % via)
        return b"".join(lines)


class _Claims(NamedTuple):
    """What a trusted proxy says of where a request came from."""

    for_: bytes | None
    proto: bytes | None
    host: bytes | None
    forwarded: bytes | None
    """The field Forwarded, if it can be read."""


def _claims(head: RequestHead) -> _Claims:
    """What a head claims: X-Forwarded-... where it has any of these fields, and else Forwarded."""
    fields = head.fields
    claims = _Claims(fields.forwarded_for, fields.forwarded_proto, fields.forwarded_host, None)
    if fields.forwarded is None:
        return claims
    elements = parse_forwarded(fields.forwarded.decode("latin-1"))
    if claims != _NOTHING:
        return claims if elements is None else claims._replace(forwarded=fields.forwarded)
    hops = claimed_hops(elements)
    if elements is None:
        return claims._replace(for_=hops.encode())
    first = elements[0] if elements else {}
    proto, host = (first.get(name, "").encode("latin-1") for name in ("proto", "host"))
    return _Claims(
        hops.encode("latin-1") or None,
        proto if is_token(proto) else None,
        host if is_authority(host) else None,
        fields.forwarded,
    )


_NOTHING = _Claims(None, None, None, None)


def _element(peer: Peer, proto: bytes, host: bytes) -> bytes:
    """What Forwarded says of one hop (RFC 7239, 4); of several protocols the last is the hop's."""
    proto = proto.rpartition(b",")[2].strip(b" \t")
    if is_token(proto) is None:
        proto = peer.proto
    element = b"for=%b;proto=%b" % (peer.node, proto)
    return b'%b;host="%b"' % (element, host) if host else element


def _listed(before: bytes | None, last: bytes) -> bytes:
    """A list with one more member."""
    return last if before is None else b"%b, %b" % (before, last)


class Peer:
    """The other end of a connection.

    - `field` is its address for X-Forwarded-For, `node` for Forwarded (RFC 7239, 6)
    - `proto` is `http` or `https`
    - `trusted` is whether it is believed what it says of others
    - `plain` are the lines that all of its ordinary requests get, but for X-Forwarded-Host, with
      the empty line; None where none is ordinary
    """

    __slots__ = ("address", "field", "node", "plain", "proto", "trusted")

    def __init__(self, address: str, proto: bytes, *, trusted: bool) -> None:
        self.address = address
        self.proto = proto
        self.trusted = trusted
        self.plain: bytes | None = None
        self.field = b"unknown" if address == UNIX else address.encode("ascii", "replace")
        if b":" in self.field:
            self.node = b'"[%b]"' % self.field
        else:
            self.node = self.field
