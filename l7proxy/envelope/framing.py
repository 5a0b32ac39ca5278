"""From a stream of bytes to JSON objects, and to the next one after anything else.

A stream is one object a line, or objects spread over many lines, or objects one behind another.

The rule of resynchronisation: a message may start where a line starts (after blanks) or right
behind a message. Among the objects that start so, the first to be complete *and* to be an
envelope (an object with `src` and `body`) is a message, and whatever stood open before it was
broken. So no garbage line, however many brackets it opens, can swallow the message after it. What
can't become JSON any more (a bracket closed that was not opened, a line end inside a string, too
deep, too large) is dropped with the rest of its line. How the stream was cut into pieces makes no
difference.
"""

from __future__ import annotations

import re
from functools import lru_cache

from l7proxy.core.config.strict_json import DEEPEST, NotJson

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

DEFAULT_LIMIT = 16 * 1024 * 1024
"""The largest message, in bytes."""

_PIECE = 64 * 1024
"""Bytes framed at a time: finding one message that spans lines costs as much as they do."""
_IN_STRING = rb'(?:[^"\\\x00-\x1f]++|\\[^\x00-\x1f])*+'
_NO_BRACKET = rb'(?:[^"{}\[\]]++|"(?:[^"\\\x00-\x1f]++|\\[^\x00-\x1f])*+")*+'
"""Up to a bracket, or up to a string that is broken or not complete."""
_BLANKS = rb"[ \t\r]*"
_CLOSES = {0x7D: 0x7B, 0x5D: 0x5B}
_BOM = b"\xef\xbb\xbf"
_NEWLINE, _QUOTE, _OPEN_BRACE, _BACKSLASH = b'\n"{\\'
_OUTLINED = 256
"""Bytes from which on an object inside another is not read again with that one."""
_NUMBER, _NO_JSON = b"0", b"!"
_SHORT_RUN = 8
"""Whole lines in a row that make splitting the rest of a piece into lines worth its cost."""
_LONGEST_BACKOFF = 63


@lru_cache
def _compiled(source: bytes) -> re.Pattern[bytes]:
    """The pattern, compiled when it is first asked for: one object a line needs none of them."""
    return re.compile(source)


class Framer:
    """Cuts a stream into messages.

    `message(value, text, line)` is called for each complete JSON object, with the text that it was
    decoded from, and `broken(text, line)` once for everything that is none; `line` is the number
    of the line where it starts. `decode` turns a JSON text into a value and raises `NotJson`. A
    message may have `limit` bytes; what is not
    complete yet is kept in `buffer`.
    """

    def __init__(
        self,
        decode: Callable[[bytes], Any],
        message: Callable[[Any, bytes, int], None],
        broken: Callable[[str, int], None],
        limit: int = DEFAULT_LIMIT,
        buffer: bytearray | None = None,
    ) -> None:
        self._decode = decode
        self._message = message
        self._broken = broken
        self._limit = limit
        self._line = 1
        """The number of the line at the start of the buffer."""
        self._buffer = bytearray() if buffer is None else buffer
        self._begun = bytearray()
        """The start of a line whose end is yet to come, while all before it were whole."""
        self._at_line_start = True
        self._skipping = False
        """Whether the rest of the line is to be dropped."""
        self._open: list[tuple[int, int, bool]] = []
        """The brackets open now: byte, offset in the buffer, whether a message may start there.

        The first is at offset 0, and a message may start there.
        """
        self._refused: list[tuple[int, int, bytes]] = []
        """What is complete and no message inside what is open now, none of it inside another: where
        it starts, where it ends, and what stands for it."""
        self._scanned = 0
        """How much of the buffer was scanned, in bytes."""
        self._in_string = False
        self._backoff = 0
        """How many lines are framed one by one after a run of whole lines that was short."""
        self._one_by_one = 0
        """How many of these are left."""

    def feed(self, data: bytes) -> None:
        """Takes the next bytes; every message that they complete is handled before it returns."""
        for start in range(0, len(data), _PIECE):
            self._feed(data[start : start + _PIECE])

    def _feed(self, data: bytes) -> None:
        if not self._buffer and self._at_line_start and not self._skipping:
            begun = self._begun
            if begun and _is_begun(data) and len(begun) + len(data) < min(_PIECE, self._limit):
                begun += data
                return
            data = self._complete_lines(data)
            if not data:
                return
            if _is_begun(data) and len(data) <= self._limit:
                begun[:] = data
                return
        self._buffer += data
        self._scan()

    def close(self) -> None:
        """The stream has ended; a last line without newline counts as a line."""
        if self._begun or (self._buffer and not self._open and not self._buffer.isspace()):
            self.feed(b"\n")
        if self._open:
            self._broken("the input ended inside a message", self._line)
            self._drop(len(self._buffer))

    def _complete_lines(self, data: bytes) -> bytes:
        """Handles lines that are an object each, which is the common case; returns the rest."""
        begun = bytes(self._begun)
        self._begun.clear()
        if len(begun) + len(data) > self._limit:
            return begun + data
        lines = data.split(b"\n")
        lines[0] = begun + lines[0]
        tail = lines.pop()
        decode, message = self._decode, self._message
        for done, line in enumerate(lines):
            if not line:
                continue
            number = self._line + done
            try:
                value = decode(line)
            except NotJson:
                start = line.removeprefix(_BOM).lstrip(b" \t\r")
                if start.startswith(b"{"):
                    # It may go on in the next line, or have another message behind it.
                    self._line = number
                    # Splitting the rest in vain after each message costs more than the messages.
                    longer = min(self._backoff * 2 + 1, _LONGEST_BACKOFF)
                    self._one_by_one = self._backoff = longer if done < _SHORT_RUN else 0
                    return b"\n".join([*lines[done:], tail])
                if start:
                    self._report("not a JSON object", line, number)
                continue
            if isinstance(value, dict):
                message(value, line, number)
            else:
                self._report("not a JSON object", line, number)
        self._line += len(lines)
        return tail

    def _scan(self) -> None:
        """Scans what is in the buffer and was not scanned before."""
        while True:
            if self._open:
                if not self._scan_object():
                    return
            elif self._skipping:
                if not self._skip_line("the rest of the line"):
                    return
            elif not self._find_start():
                return

    def _find_start(self) -> bool:
        """Finds the start of a message; returns False where more input is needed."""
        buffer = self._buffer
        first = len(_BOM) if self._at_line_start and buffer.startswith(_BOM) else 0
        match = _compiled(_BLANKS).match(buffer, first)
        assert match is not None
        at = match.end()
        if at == len(buffer):
            # One blank says as much as a million do.
            del buffer[first + 1 : at]
            return False
        if buffer[at] == _NEWLINE:
            self._drop(at + 1)
            self._at_line_start = True
            if self._one_by_one:
                self._one_by_one -= 1
                return bool(buffer)
            data = bytes(buffer)
            buffer.clear()
            buffer += self._complete_lines(data)
            return bool(buffer)
        if buffer[at] != _OPEN_BRACE:
            return self._skip_line("not a JSON object")
        self._drop(at)
        self._at_line_start = False
        self._open.append((_OPEN_BRACE, 0, True))
        self._scanned = 1
        return True

    def _skip_line(self, text: str) -> bool:
        """Drops the line, and reports it once; returns False where its end is yet to come."""
        buffer = self._buffer
        end = buffer.find(b"\n", self._scanned)
        if end < 0:
            self._scanned = len(buffer)
            if self._skipping or len(buffer) > self._limit:
                if not self._skipping:
                    self._report(text, buffer, self._line)
                self._skipping = True
                self._reset_to(len(buffer))
            return False
        if not self._skipping:
            self._report(text, buffer[:end], self._line)
        self._skipping = False
        self._reset_to(end)
        return True

    def _report(self, text: str, line: bytes | bytearray, number: int) -> None:
        # Without what is before it, of which not all is kept.
        text_itself = line.removeprefix(_BOM).lstrip(b" \t\r")
        shown = text_itself[:60].decode("utf-8", "backslashreplace").strip()
        self._broken(f"{text}: {shown!r}", number)

    def _scan_object(self) -> bool:
        """Scans while a bracket is open; returns False where more input is needed."""
        buffer = self._buffer
        while self._open:
            if self._in_string:
                if not self._scan_string():
                    return False
                continue
            match = _compiled(_NO_BRACKET).match(buffer, self._scanned)
            assert match is not None
            self._scanned = at = match.end()
            if at == len(buffer):
                if not self._outgrown(at):
                    return False
            elif buffer[at] == _QUOTE:
                self._in_string = True
                self._scanned = at + 1
            elif at < self._limit or not self._outgrown(at + 1):
                self._scanned = at + 1
                self._bracket(buffer[at], at)
        return True

    def _scan_string(self) -> bool:
        """Scans up to where the string ends or breaks; returns False if that is yet to come."""
        buffer = self._buffer
        match = _compiled(_IN_STRING).match(buffer, self._scanned)
        assert match is not None
        self._scanned = at = match.end()
        if at == len(buffer) or (buffer[at] == _BACKSLASH and at + 1 == len(buffer)):
            return self._outgrown(len(buffer))
        if buffer[at] == _QUOTE:
            self._in_string = False
            self._scanned = at + 1
        elif at < self._limit or not self._outgrown(at + 1):
            self._break_off("a line end or control character inside a string")
        return True

    def _bracket(self, byte: int, at: int) -> None:
        """Opens or closes the bracket at that offset; what is complete with it is handled."""
        stack = self._open
        if byte not in _CLOSES:
            stack.append((byte, at, byte == _OPEN_BRACE and self._starts_line(at)))
            if len(stack) > DEEPEST:
                self._break_off(f"nested more than {DEEPEST} deep")
            return
        opener, start, may_start = stack[-1]
        if opener != _CLOSES[byte]:
            self._break_off(f"{chr(byte)} does not close {chr(opener)}")
            return
        stack.pop()
        if may_start:
            self._complete(start, at + 1)

    def _outgrown(self, end: int) -> bool:
        """Drops what is open and larger than the limit at `end`; returns whether anything was.

        What began later and is not too large stays. Where nothing does, the line on which the
        last one got too large is dropped.
        """
        stack, limit = self._open, self._limit
        if end <= limit:
            return False
        self._broken(f"larger than {limit} bytes", self._line)
        starts = [(index, start) for index, (_, start, may) in enumerate(stack) if may]
        small = next((found for found in starts if end - found[1] <= limit), None)
        if small is None:
            self._reset_to(starts[-1][1] + limit)
            self._skipping = True
        else:
            index, start = small
            stack[:] = [(byte, at - start, may) for byte, at, may in stack[index:]]
            self._refused = [(s - start, e - start, m) for s, e, m in self._refused if s > start]
            self._scanned -= start
            self._drop(start)
        return True

    def _break_off(self, text: str) -> None:
        """Drops what is open, and the rest of the line on which it broke."""
        self._broken(text, self._line)
        self._reset_to(max(self._scanned - 1, 0))
        self._skipping = True

    def _complete(self, start: int, end: int) -> None:
        """Handles the object that has just ended if it is a message; the outermost is dropped."""
        outermost = not self._open
        if not (outermost or self._is_envelope(start, end)):
            return
        text = bytes(self._buffer[start:end])
        try:
            value = self._decode(text)
        except NotJson as error:
            self._broken(str(error), self._line)
            self._reset_to(end)
            return
        if not outermost:
            self._broken("not a complete message", self._line)
        line = self._line + self._buffer.count(b"\n", 0, start)
        self._reset_to(end)
        self._message(value, text, line)

    def _is_envelope(self, start: int, end: int) -> bool:
        """Returns whether the object inside another is an envelope.

        What was refused inside it is not read again, but taken for a number, or for what is no JSON
        if it is none: of objects inside each other every byte is read once.
        """
        buffer, refused = self._buffer, self._refused
        first = len(refused)
        while first and refused[first - 1][0] > start:
            first -= 1
        outline = bytearray()
        at = start
        for inner_start, inner_end, mark in refused[first:]:
            outline += buffer[at:inner_start]
            outline += mark
            at = inner_end
        outline += buffer[at:end]
        del refused[first:]
        mark = _NUMBER
        try:
            value = self._decode(bytes(outline))
            if "src" in value and "body" in value:
                return True
        except NotJson:
            mark = _NO_JSON
        if end - start >= _OUTLINED:
            refused.append((start, end, mark))
        return False

    def _starts_line(self, at: int) -> bool:
        buffer = self._buffer
        while at > 0 and buffer[at - 1] in b" \t\r":
            at -= 1
        return at > 0 and buffer[at - 1] == _NEWLINE

    def _reset_to(self, offset: int) -> None:
        self._open.clear()
        self._refused.clear()
        self._in_string = False
        self._scanned = 0
        self._drop(offset)

    def _drop(self, count: int) -> None:
        self._line += self._buffer.count(b"\n", 0, count)
        del self._buffer[:count]


def _is_begun(line: bytes) -> bool:
    """Whether it is a short piece of a line, and certainly not an object already."""
    return len(line) < _PIECE and b"\n" not in line and not line.rstrip().endswith(b"}")
