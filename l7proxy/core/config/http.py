"""The part of a pool's configuration that says how its backends are spoken to over HTTP."""

from __future__ import annotations

import re

from l7proxy.core.config.outside import CERTIFICATE, file_of
from l7proxy.core.config.problems import Problems, pointer_to
from l7proxy.core.config.record import Record, RecordOf, field
from l7proxy.core.config.spec import Boolean, Text, count, seconds
from l7proxy.core.http.grammar import quote


class BackendTlsConfig(Record):
    """How backends whose address begins with https:// prove who they are."""

    verify: bool = field(Boolean(), "whether their certificate is checked", default=True)
    ca_file: str | None = field(
        file_of(CERTIFICATE), "PEM certificates to trust in place of the system's", default=None
    )
    server_name: str | None = field(
        Text(min_length=1), "the name they are asked for; the address's if not given", default=None
    )

    def check(self, at: str, problems: Problems) -> None:
        if self.server_name is not None and not _is_name(self.server_name):
            where = pointer_to(at, "server_name")
            problems.conflict(where, f"{quote(self.server_name)} is not the name of a host")


def _is_name(text: str) -> bool:
    """Whether TLS could ask for it: it has no blanks, and labels of 1 to 63 characters."""
    try:
        text.encode("idna")
    except UnicodeError:
        return False
    return re.search(r"[\x00-\x20\x7f]", text) is None


class HttpLimitsConfig(Record):
    """How much a backend may send before its response's body."""

    head: int = field(count(128), "bytes of the whole head; beyond it, 502", default=32 * 1024)
    field_count: int = field(
        count(), "number of header fields; beyond it, 502", default=128, key="fields"
    )


class HttpConfig(Record):
    """Connections to the backends of a pool with `"upstream": "http"`.

    How long the first byte of a response may take is `timeouts.attempt`.
    """

    keep_alive: bool = field(Boolean(), "whether connections are used again", default=True)
    max_idle: int = field(
        count(0), "idle connections kept for each backend, in each worker", default=128
    )
    idle_timeout: float = field(
        seconds(zero=False), "how long an idle connection is kept; below the backend's", default=30
    )
    connect_timeout: float = field(
        seconds(zero=False), "how long connecting may take, names included", default=5
    )
    between_bytes_timeout: float = field(
        seconds(zero=False), "how long a body may stand still, in either direction", default=60
    )
    resolve_interval: float = field(
        seconds(), "how long the addresses of a name are believed", default=30
    )
    replay_limit: int = field(
        count(0),
        "bytes of a body that are kept for another attempt, and for mirrors",
        default=64 * 1024,
    )
    strict_backends: bool = field(
        Boolean(),
        "whether a response that breaks the grammar is a 502 also where it can be read in one way"
        " only: lines that end in a bare LF, more blanks than one before the status or behind the"
        " size of a chunk, the same Content-Length twice",
        default=False,
    )
    limits: HttpLimitsConfig = field(
        RecordOf(HttpLimitsConfig), "how much responses may have", default=HttpLimitsConfig()
    )
    tls: BackendTlsConfig = field(
        RecordOf(BackendTlsConfig), "how https:// backends are checked", default=BackendTlsConfig()
    )
