"""What a backend is told about the client: X-Forwarded-*, Forwarded and Via.

Only trusted proxies are believed; what anybody else says about where a request came from is
overwritten. `http1` has taken all these fields out of the head already.
"""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING

from l7proxy.core.config.server import UNIX
from l7proxy.core.http.hop_by_hop import CLAIMS
from l7proxy.http1.fields import drop_fields

if TYPE_CHECKING:
    from collections.abc import Sequence
    from ipaddress import IPv4Address, IPv6Address

    from l7proxy.core.config.server import Network, ServerConfig
    from l7proxy.core.routing.actions import HeaderEdits
    from l7proxy.http1 import RequestHead


class Forwarding:
    """The rules of one configuration."""

    def __init__(self, config: ServerConfig) -> None:
        self._trusted = config.trusted_proxies
        self._forwarded = config.forwarded
        self._via = b"" if config.via is None else b"1.1 %b" % config.via.encode()
        self.via = b"Via: %b\r\n" % self._via if self._via else b""
        """The line that responses get, or b""."""

    def peer(self, address: str, proto: bytes) -> Peer:
        """What is known of whoever is at the other end of a connection."""
        peer = Peer(address, proto, trusted=_is_in(address, self._trusted))
        if not peer.trusted and not self._forwarded:
            peer.plain = b"X-Forwarded-For: %b\r\nX-Forwarded-Proto: %b\r\n%b\r\n" % (
                peer.field,
                proto,
                self.via,
            )
        return peer

    def client_ip(self, peer: Peer, head: RequestHead) -> str:
        """Where the request came from: the last address that no trusted proxy vouches for.

        What is no address is not believed, as nginx has it: the client is whoever passed it on.
        """
        claimed = head.fields.forwarded_for
        if not peer.trusted or claimed is None:
            return peer.address
        client = peer.address
        for hop in reversed(claimed.decode("latin-1").split(",")):
            parsed = _parsed(hop.strip())
            if parsed is None or "%" in hop:
                break
            client = hop.strip()
            if not _is_among(parsed, self._trusted):
                break
        return client

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
        fields = head.fields
        if peer.trusted and fields.forwarded_for is not None:
            for_ = b"%b, %b" % (fields.forwarded_for, peer.field)
        else:
            for_ = peer.field
        proto = peer.proto
        if peer.trusted:
            proto = fields.forwarded_proto or proto
        lines = [b"X-Forwarded-For: %b\r\nX-Forwarded-Proto: %b\r\n" % (for_, proto)]
        host = head.authority
        if peer.trusted and fields.forwarded_host is not None:
            host = fields.forwarded_host
        if host:
            lines.append(b"X-Forwarded-Host: %b\r\n" % host)
        if peer.trusted:
            lines.append(fields.forwarded_more)
        if self._forwarded:
            element = b"for=%b;proto=%b" % (peer.node, proto)
            if head.authority:
                element += b';host="%b"' % head.authority
            if peer.trusted and fields.forwarded is not None:
                element = b"%b, %b" % (fields.forwarded, element)
            lines.append(b"Forwarded: %b\r\n" % element)
        elif peer.trusted and fields.forwarded is not None:
            lines.append(b"Forwarded: %b\r\n" % fields.forwarded)
        if self._via:
            before = b"" if fields.via is None else fields.via + b", "
            lines.append(b"Via: %b%b\r\n" % (before, self._via))
        elif fields.via is not None:
            lines.append(b"Via: %b\r\n" % fields.via)
        return b"".join(lines)


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


def _is_in(address: str, networks: Sequence[Network]) -> bool:
    if not networks:
        return False
    parsed = _parsed(address)
    if parsed is None:
        return address == UNIX and UNIX in networks
    return _is_among(parsed, networks)


def _is_among(address: IPv4Address | IPv6Address, networks: Sequence[Network]) -> bool:
    return any(network != UNIX and address in network for network in networks)


def _parsed(address: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(address)
    except ValueError:
        return None
