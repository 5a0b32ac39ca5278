"""Who a request comes from, and what is believed of what it says about that.

Only proxies in `server.trusted_proxies` are believed. Whatever anybody else claims is dropped
before routes and limits look.
"""

from __future__ import annotations

from l7proxy.core.config.server import UNIX
from l7proxy.core.http.addresses import client_address, client_name
from l7proxy.core.http.forwarded import UNKNOWN, claimed_hops, parse_forwarded
from l7proxy.core.http.hop_by_hop import CLAIMS_BEGIN, is_unbelievable
from l7proxy.core.http.messages import Headers, HttpRequest, WellFormedHeaders

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from l7proxy.core.config.server import Network


class Trust:
    """The proxies that are believed."""

    __slots__ = ("_networks", "_trusts_unix")

    def __init__(self, networks: Sequence[Network]) -> None:
        self._trusts_unix = UNIX in networks
        self._networks = [network for network in networks if network != UNIX]

    def trusts(self, address: str) -> bool:
        """Whether whoever is at this address is believed."""
        if not self._networks or address == UNIX:
            return self._trusts_unix and address == UNIX
        parsed = client_address(address)
        return parsed is not None and any(parsed in network for network in self._networks)

    def client(self, peer: str, claimed: str | None) -> str:
        """Returns who a request comes from that a trusted proxy, `peer`, has passed on.

        `claimed` is the value of X-Forwarded-For: the client is the last hop in it that is no
        trusted proxy. Empty members are skipped, and ports and brackets are no part of an address.
        A client whose address can't be read is `UNKNOWN`: it is in no network, and all such
        clients share a limit.
        """
        client = peer
        for hop in reversed((claimed or "").split(",")):
            hop = hop.strip(" \t")
            if not hop:
                continue
            address = client_address(hop)
            if address is None:
                return UNKNOWN
            client = str(address)
            if not self.trusts(client):
                break
        return client

    def vet(self, request: HttpRequest) -> HttpRequest:
        """Returns the request as everything is to see it, by what is known of who sent it.

        Its `client_ip` is then the client's in the one spelling, where it was that of whoever
        passed the request on; of its fields those are left that are believed.
        """
        if request.vetted:
            return request
        headers = request.headers
        client = client_name(request.client_ip)
        if not headers.well_formed:
            trusted = self.trusts(client)
            if trusted:
                client = self.client(client, _claimed(headers))
            kept = [
                pair
                for pair in headers
                if pair[0][0] not in CLAIMS_BEGIN or not is_unbelievable(pair[0], trusted=trusted)
            ]
            if len(kept) < len(headers):
                headers = WellFormedHeaders(kept)
        if client == request.client_ip and headers is request.headers:
            return request
        return HttpRequest(
            request.method,
            request.target,
            headers,
            client,
            request.cookies,
            request.body,
            request.simulate,
        )


_OWN_FIELDS = ("x-forwarded-for", "x-forwarded-proto", "x-forwarded-host")


def _claimed(headers: Headers) -> str | None:
    """Returns the hops that a trusted proxy names; Forwarded counts where none of these is there.

    The order of the two is that of `server.forwarding`.
    """
    forwarded = headers.get("forwarded")
    if forwarded is None or any(headers.get(name) is not None for name in _OWN_FIELDS):
        return headers.get("x-forwarded-for")
    return claimed_hops(parse_forwarded(forwarded)) or None
