"""TLS to backends."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

from l7proxy.files import MOST_CERTIFICATES, refuse_special

if TYPE_CHECKING:
    import asyncio

    from l7proxy.core.config.http import BackendTlsConfig


def name_asked_for(text: str) -> str:
    """Returns the name that a certificate is for: `b.example` of `b.example:8443` and `b.example.`.

    Names in TLS have neither a port nor the dot at the end (RFC 6066, 3).
    """
    name, _, port = text.partition(":")
    return (name if port.isdecimal() else text).removesuffix(".")


def backend_context(config: BackendTlsConfig) -> ssl.SSLContext:
    """What connections to backends under `config` are made with.

    Raises ValueError, with a text for people, where the CA file can't be used.
    """
    try:
        if config.ca_file is not None:
            refuse_special(config.ca_file, MOST_CERTIFICATES)
        context = ssl.create_default_context(cafile=config.ca_file)
    except OSError as error:
        raise ValueError(f"can't use {config.ca_file}: {error.strerror or error}") from None
    context.set_alpn_protocols(["http/1.1"])
    if not config.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def said_goodbye(transport: asyncio.Transport) -> bool:
    """Returns whether the other end of a connection that has ended has sent a close_notify.

    Event loops tell of the end alike whether it has or not.
    """
    connection: ssl.SSLObject = transport.get_extra_info("ssl_object")
    try:
        # All that came has been read: behind a close_notify there is the end, else more may come.
        return not connection.read(1)
    except ssl.SSLZeroReturnError:
        return True
    except ssl.SSLError:
        return False
