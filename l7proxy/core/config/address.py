"""Addresses as they are written: those of backends, and those to listen on."""

from __future__ import annotations


def split_address(address: str) -> tuple[str, int | None]:
    """Returns the host and port of `host:port`, `[v6]:port` or `host`, perhaps behind `http(s)://`.

    A `unix:/path` is all host. Raises ValueError, with a text for people, for anything else.
    """
    if address.startswith("unix:"):
        return address, None
    parts = _parts(address.partition("://")[2] or address)
    if parts is None:
        raise ValueError(f'"{address}": an IPv6 address is written in brackets: [::1] or [::1]:80')
    host, port = parts
    if port is not None and not _is_port(port, 1):
        raise ValueError(f'"{address}": the port must be a number from 1 to 65535')
    if not host:
        raise ValueError(f'"{address}": there is no host')
    return host, None if port is None else int(port)


def split_listen(text: str) -> tuple[str, int]:
    """Returns the host and port of `127.0.0.1:8080` or `[::1]:8080`; `unix:/path` has the port -1.

    `tls:` before host and port changes nothing about them; where there is no host, it is "".
    Raises ValueError, with a text for people, for anything else.
    """
    if text.startswith("unix:/"):
        return text.removeprefix("unix:"), -1
    host, port = _parts(text.removeprefix("tls:")) or ("", None)
    if port is None or not _is_port(port, 0):
        raise ValueError(f'"{text}" must be host:port, [v6]:port, tls:host:port or unix:/path')
    return host, int(port)


def _parts(text: str) -> tuple[str, str | None] | None:
    """The host, or the IPv6 address in brackets, and the port if there is one; None for neither."""
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        is_good = bool(bracket) and "[" not in host and rest[:1] in ("", ":")
        port = rest[1:] if rest else None
    else:
        host, colon, rest = text.partition(":")
        is_good = "[" not in host and "]" not in host
        port = rest if colon else None
    return (host, port) if is_good and ":" not in (port or "") else None


def _is_port(text: str, lowest: int) -> bool:
    # Python refuses to convert numbers of very many digits.
    digits = len(text) <= 5 and text.isascii() and text.isdigit()
    return digits and lowest <= int(text) < 65536
