"""Addresses of clients, however they are spelled: one client, one spelling.

What can't be read is nobody's address: it is in no network, and no proxy is trusted by it.
"""

from __future__ import annotations

from functools import lru_cache

from l7proxy.core.http.grammar import is_port

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

    IPAddress = IPv4Address | IPv6Address
    IPNetwork = IPv4Network | IPv6Network

_LONGEST = 64
"""Characters of the longest text that may be an address, in brackets and with a port."""


def client_address(text: str) -> IPAddress | None:
    """Returns the IP address in the text; None for a name, and for what can't be read.

    There may be brackets around an IPv6 address, and a port behind either, as proxies write them
    in X-Forwarded-For. An IPv4-mapped address is that IPv4 address.
    """
    return None if len(text) > _LONGEST else _known_address(text)


def client_name(text: str) -> str:
    """Returns the one spelling of the address in the text; the text where it is a name.

    All spellings of an address have a `:`, but for the usual one of IPv4.
    """
    address = client_address(text) if ":" in text else None
    return text if address is None else str(address)


def network_in(text: str) -> IPNetwork:
    """Returns the network, or the single address, in the text; IPv4-mapped ones as IPv4.

    Raises ValueError where there is none.
    """
    from ipaddress import IPv4Network, ip_network

    network = ip_network(text)
    mapped = getattr(network.network_address, "ipv4_mapped", None)
    if mapped is None or network.prefixlen < 96:
        return network
    return IPv4Network((mapped, network.prefixlen - 96))


@lru_cache(1024)
def _known_address(text: str) -> IPAddress | None:
    from ipaddress import ip_address

    host = _without_port(text)
    if "%" in host:
        # A zone is about a link of whoever wrote it.
        return None
    try:
        address = ip_address(host)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _without_port(text: str) -> str:
    """Returns the address alone, or "" where brackets or a port are not what they must be."""
    if text.startswith("["):
        host, _, rest = text[1:].partition("]")
        is_good = ":" in host and (not rest or (rest[0] == ":" and is_port(rest[1:])))
        return host if is_good and text.count("]") == 1 else ""
    host, colon, port = text.partition(":")
    if not colon or ":" in port:
        return text
    return host if is_port(port) else ""
