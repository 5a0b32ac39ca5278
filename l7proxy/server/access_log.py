"""Who asked for what, and what came of it: written in batches, off the hot path.

A line's text about the request follows from its head alone, and heads repeat: it is kept with the
head.
"""

from __future__ import annotations

import json
import os
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from l7proxy.core.config.server import AccessLogConfig
    from l7proxy.core.exchange import Exchange
    from l7proxy.http1 import RequestHead
    from l7proxy.server.request import Prepared

    Entry = tuple["RequestHead", str, int, int, "str | None", float, float]

BATCH = 1024
"""Entries after which a batch is written without waiting for its time."""
NAME = "l7_proxy"


class AccessLog:
    """Collects entries, and appends them to a file by `flush`.

    The `envelope` format is a conversation that can be piped into the node again: one
    `http_request` per line, with `at` (seconds since the log began, when the response ended, so
    that time never runs backwards), and beside what the protocol knows `status`, `backend`,
    `bytes` and `seconds`. Bodies are not written down.
    """

    def __init__(self, config: AccessLogConfig, now: float) -> None:
        """`now`: the loop's time (seconds), which entries are told in. Raises OSError."""
        self.config = config
        self._write: Callable[[Entry], str]
        self._write = self._envelope if config.format == "envelope" else self._combined
        self._entries: list[Entry] = []
        self._began = now
        self._wall = time.time() - now
        self._count = 0
        self._second = 0
        self._stamp = ""
        self._file = -1
        self.reopen()

    def reopen(self) -> None:
        """Opens the file anew, as one does after it was moved away. Raises OSError."""
        if self.config.path == "-":
            file = os.dup(2)
        else:
            file = os.open(self.config.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        if self._file >= 0:
            os.close(self._file)
        self._file = file

    def add(
        self, exchange: Exchange, head: RequestHead, status: int, sent: int, now: float
    ) -> None:
        """Notes an exchange that has ended; `sent` is bytes to the client, heads included."""
        backend = exchange.backend
        entries = self._entries
        entries.append(
            (
                head,
                exchange.request.client_ip,
                status,
                sent,
                None if backend is None else backend.name,
                exchange.opened_at,
                now,
            )
        )
        if len(entries) >= BATCH:
            self.flush()

    def flush(self) -> None:
        """Writes what was noted. A full disk or closed stderr loses lines, not requests."""
        entries, self._entries = self._entries, []
        if entries:
            data = "".join(map(self._write, entries)).encode("utf-8", "replace")
            try:
                os.write(self._file, data)
            except OSError:
                pass

    def close(self) -> None:
        """Writes the rest and closes the file."""
        self.flush()
        os.close(self._file)

    def _envelope(self, entry: Entry) -> str:
        head, client, status, sent, backend, opened_at, now = entry
        ready: Prepared = head.derived
        if ready.logged is None:
            ready.logged = _request_members(head, ready)
        self._count += 1
        whose = "" if backend is None else f', "backend": {json.dumps(backend)}'
        address = json.dumps(client)
        return (
            f'{{"src": {address}, "dest": "{NAME}", "at": {now - self._began:.6f}, '
            f'"body": {{"type": "http_request", "msg_id": {self._count}, {ready.logged}, '
            f'"client_ip": {address}, "status": {status}{whose}, "bytes": {sent}, '
            f'"seconds": {now - opened_at:.6f}}}}}\n'
        )

    def _combined(self, entry: Entry) -> str:
        head, client, status, sent, _, _, now = entry
        ready: Prepared = head.derived
        if ready.logged is None:
            ready.logged = _combined_parts(head)
        line, _, rest = ready.logged.partition("\n")
        second = int(now + self._wall)
        if second != self._second:
            self._second = second
            self._stamp = time.strftime("%d/%b/%Y:%H:%M:%S %z", time.localtime(second))
        return f'{client} - - [{self._stamp}] "{line}" {status} {sent} {rest}\n'


def _request_members(head: RequestHead, ready: Prepared) -> str:
    headers: dict[str, str | list[str]] = {}
    for name, value in ready.headers:
        before = headers.get(name)
        if before is None:
            headers[name] = value
        else:
            headers[name] = [*before, value] if isinstance(before, list) else [before, value]
    members = {"method": head.method, "path": ready.target, "headers": headers}
    return json.dumps(members)[1:-1]


def _combined_parts(head: RequestHead) -> str:
    line = f"{head.method} {_quoted(head.target)} HTTP/1.{head.minor}"
    fields = head.fields
    return f'{line}\n"{_quoted(fields.get("referer"))}" "{_quoted(fields.get("user-agent"))}"'


def _quoted(value: bytes | None) -> str:
    """A value from outside, such that it can't end the quotes or the line around it."""
    if value is None:
        return "-"
    return value.decode("latin-1").replace("\\", "\\\\").replace('"', '\\"')
