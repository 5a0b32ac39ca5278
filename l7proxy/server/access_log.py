"""Who asked for what, and what came of it: written in batches, off the hot path.

Nobody waits for the file: see `log_writer`.

A line's text about the request follows from its head alone, and heads repeat: it is kept with the
head.
"""

from __future__ import annotations

import json
import os
import stat
import time
from typing import TYPE_CHECKING

from l7proxy.core.http.messages import Headers
from l7proxy.envelope.encode import json_text
from l7proxy.envelope.members import put_headers
from l7proxy.server.log_writer import LogWriter, Losses
from l7proxy.server.prepared import StreamedRequest
from l7proxy.server.redaction import Redaction
from l7proxy.upstreams.http.headers import WireHeaders

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from l7proxy.core.config.server import AccessLogConfig
    from l7proxy.core.exchange import Exchange
    from l7proxy.http1 import RequestHead

    Entry = tuple[
        "RequestHead | bytes", str, str, int, int, "str | None", "str | None", float, float
    ]

BATCH = 128
"""Entries after which a batch is written without waiting for its time."""
BATCH_SIZE = 64 * 1024
"""Bytes of heads after which it is, too."""
NAME = "l7_proxy"
MAX_LINE = 1 << 20
"""Bytes of a first line that are looked at."""
PERIOD = 60.0
"""Seconds between two complaints of lines that were lost."""
CLOSE_TIMEOUT = 1.0
"""Seconds that the end of a log waits for the rest to be written."""


def wall_offset() -> float:
    """Returns how much the wall clock is ahead of one that never steps, in seconds."""
    return time.time() - time.monotonic()


class AccessLog:
    """Collects entries, and appends them to a file by `flush`.

    The `envelope` format is a conversation that can be piped into the node again: one
    `http_request` per line, with `at` (seconds since the file began, when the response ended, so
    that time never runs backwards), and beside what the protocol knows `status`, `backend`,
    `error` (why there was no answer of a backend, with what the client is not told), `bytes` (of
    the body sent), `seconds` and `time` (the end, in seconds since 1970). Bodies are not written
    down, and credentials under pseudonyms (`Redaction`). What came in place of a request has its
    first line, cut where a request line would be too long, as `line` and an empty `path`, so that
    the node refuses it, too. `src` is the client, and `client_ip` the peer, which differs from it
    where that is a trusted proxy: the fields are there as they came, and to be believed by whoever
    reads them as far as they were by the proxy.

    A file that was there before goes on as it began. Processes that share one write it in turns;
    `l7proxy replay` puts their lines in order.
    """

    def __init__(
        self,
        config: AccessLogConfig,
        now: float,
        offset: Callable[[], float] = wall_offset,
        redaction: Redaction | None = None,
    ) -> None:
        """`now`: the loop's time (seconds), which entries are told in. Raises OSError.

        `offset` changes when the wall clock is set, by as much.
        """
        self.config = config
        self.redaction = redaction or Redaction()
        """What is done about credentials, unless the configuration keeps them."""
        self._keeps_credentials = config.credentials == "keep"
        self._write: Callable[[Entry], str]
        self._write = self._envelope if config.format == "envelope" else self._combined
        self._entries: list[Entry] = []
        self._size = 0
        """Bytes of what the entries are about."""
        self._offset = offset
        self._wall_at_start = time.time() - now - offset()
        self._wall = time.time() - now
        """How much the wall clock is ahead of the loop's."""
        self._began = now
        """When `at` was 0, in the loop's time."""
        self._count = 0
        self._second = 0
        self._stamp = ""
        self._writer: LogWriter | None = None
        self._losses = Losses()
        self._complained_at = now - PERIOD
        self.reopen(now)

    def reopen(self, now: float) -> None:
        """Opens the file anew, as one does after it was moved away; what was noted is in the old.

        Raises OSError, and goes on with the old one, where it can't be opened.
        """
        self.flush()
        before, opened = self._writer, LogWriter(_opened(self.config.path), self._losses)
        if before is not None and before.is_of_the_same_file(opened):
            opened.close()
            return
        self._writer = opened
        if before is not None:
            before.close()
        self._wall = self._wall_at_start + self._offset()
        if self.config.format == "envelope":
            began = _beginning(self.config.path)
            # A file may begin later than now, if the wall clock was set back since.
            self._began = now if began is None else min(began - self._wall, now)

    def add(
        self,
        exchange: Exchange,
        head: RequestHead,
        status: int,
        sent: int,
        now: float,
        peer: str | None = None,
    ) -> None:
        """Notes an exchange that has ended; `sent` is how much of a body the client was sent.

        `peer` is the address of whoever passed the request on, if not the client's.
        """
        backend, local_reply = exchange.backend, exchange.local_reply
        name = None if backend is None else backend.name
        why = None if local_reply is None else local_reply.text
        client_ip = exchange.request.client_ip
        whence = peer or client_ip
        entry = (head, client_ip, whence, status, sent, name, why, exchange.opened_at, now)
        self._note(entry, len(head.block))

    def refused(
        self,
        said: RequestHead | bytes,
        client_ip: str,
        status: int,
        sent: int,
        now: float,
        longest: int,
        peer: str | None = None,
    ) -> None:
        """Notes what never became an exchange: the head, or what came in place of one.

        Of the latter, the first line, or `longest` bytes of it.
        """
        if isinstance(said, bytes):
            said = said.lstrip(b"\r\n")[:longest].partition(b"\n")[0].rstrip(b"\r")
            size = len(said)
        else:
            size = len(said.block)
        entry = (said, client_ip, peer or client_ip, status, sent, None, None, now, now)
        self._note(entry, size)

    def _note(self, entry: Entry, size: int) -> None:
        self._entries.append(entry)
        self._size += size
        if len(self._entries) >= BATCH or self._size >= BATCH_SIZE:
            self.flush()

    def flush(self) -> None:
        """Has written what was noted. A full disk or a reader that is slow costs lines alone."""
        entries, self._entries, self._size = self._entries, [], 0
        if entries:
            self._wall = self._wall_at_start + self._offset()
            data = "".join(map(self._write, entries)).encode("utf-8", "replace")
            assert self._writer is not None
            self._writer.write(data, len(entries))

    def complaint(self, now: float) -> str | None:
        """Returns what people are to be told of lines that were lost, once in a while."""
        if now - self._complained_at < PERIOD:
            return None
        lost, why = self._losses.take()
        if not lost:
            return None
        self._complained_at = now
        lines = "1 line" if lost == 1 else f"{lost:,} lines"
        return f"{self.config.path}: {lines} of the access log lost: {why}"

    def wait(self, timeout: float = CLOSE_TIMEOUT) -> None:
        """Waits, at most so many seconds, until what was flushed is written."""
        assert self._writer is not None
        self._writer.wait(timeout)

    def close(self, timeout: float = CLOSE_TIMEOUT) -> None:
        """Writes the rest and closes the file; waits for that at most so many seconds."""
        self.flush()
        assert self._writer is not None
        self._writer.close()
        if timeout:
            self._writer.wait(timeout)

    def _envelope(self, entry: Entry) -> str:
        head, client, peer, status, sent, backend, error, opened_at, now = entry
        self._count += 1
        about = _text_about(head, self._members)
        whose = "" if backend is None else f', "backend": {json_text(backend)}'
        why = "" if error is None else f', "error": {json_text(error)}'
        address = json_text(client)
        whence = address if peer is client else json_text(peer)
        return (
            f'{{"src": {address}, "dest": "{NAME}", "at": {now - self._began:.6f}, '
            f'"body": {{"type": "http_request", "msg_id": {self._count}, {about}, '
            f'"client_ip": {whence}, "status": {status}{whose}{why}, "bytes": {sent}, '
            f'"seconds": {now - opened_at:.6f}, "time": {now + self._wall:.6f}}}}}\n'
        )

    def _members(self, head: RequestHead | bytes) -> str:
        if isinstance(head, bytes):
            return f'"path": "", "line": {json_text(head.decode("latin-1"))}'
        request: StreamedRequest = head.derived or StreamedRequest(head, "")
        headers: Headers = WireHeaders(head.block)
        if not self._keeps_credentials:
            headers = Headers(self.redaction.applied(headers))
        return (
            f'"method": {json_text(head.method)}, "path": {json_text(request.target)}, '
            f'"headers": {_headers(headers)}'
        )

    def _combined(self, entry: Entry) -> str:
        head, client, _, status, sent, *_, now = entry
        line, _, rest = _text_about(head, _combined_parts).partition("\n")
        second = int(now + self._wall)
        if second != self._second:
            self._second = second
            self._stamp = time.strftime("%d/%b/%Y:%H:%M:%S %z", time.localtime(second))
        return f'{client} - - [{self._stamp}] "{line}" {status} {sent} {rest}\n'


def _opened(path: str) -> int:
    """Opens a file to append to; for `-`, stderr once more. Raises OSError."""
    if path == "-":
        return os.dup(2)
    flags = os.O_APPEND | os.O_CREAT
    try:
        is_pipe = stat.S_ISFIFO(os.stat(path).st_mode)
    except OSError:
        is_pipe = False
    # To open a pipe for writing alone would take until somebody reads it.
    return os.open(path, flags | (os.O_RDWR if is_pipe else os.O_WRONLY), 0o644)


def _beginning(path: str) -> float | None:
    """When `at` was 0 in the file, in seconds since 1970; None where it has no first line yet."""
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            return None
        with open(path, "rb") as file:
            first = json.loads(file.readline(MAX_LINE))
        return float(first["body"]["time"] - first["at"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _text_about(head: RequestHead | bytes, write: Callable[[RequestHead | bytes], str]) -> str:
    """What `write` says about a head, written once for all requests with that head."""
    if isinstance(head, bytes):
        return write(head)
    request: StreamedRequest | None = head.derived
    if request is None:
        return write(head)
    if request.logged is None:
        request.logged = write(head)
    return request.logged


def _headers(headers: Headers) -> str:
    """The fields as the `headers` of an envelope."""
    if len({name.lower() for name, _ in headers}) == len(headers):
        pairs = [f"{json_text(name)}: {json_text(value)}" for name, value in headers]
        return f"{{{', '.join(pairs)}}}"
    message: dict[str, Any] = {}
    put_headers(message, headers)
    return json.dumps(message["headers"])


def _combined_parts(head: RequestHead | bytes) -> str:
    if isinstance(head, bytes):
        return f'{_quoted(head)}\n"-" "-"'
    line = f"{head.method} {_quoted(head.target)} HTTP/1.{head.minor}"
    return f'{line}\n"{_quoted(head.get("referer"))}" "{_quoted(head.get("user-agent"))}"'


def _quoted(value: bytes | None) -> str:
    """A value from outside, such that it can't end the quotes or the line around it."""
    return value.decode("latin-1").translate(_ESCAPES) if value else "-"


_ESCAPES = {
    **{code: f"\\x{code:02x}" for code in (*range(0x20), *range(0x7F, 0x100))},
    **{ord(char): "\\" + char for char in '"\\'},
}
