"""How lines get into a file, or don't: nobody waits, nothing is torn, what is lost is counted."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from l7proxy.server.log_writer import TOO_SLOW, LogWriter, Losses

SOON = 10.0


def appending(file: Path) -> int:
    return os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT)


@contextmanager
def room_for(size: int) -> Iterator[None]:
    """No file can be larger meanwhile: to who writes it is as if the disk were full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_lines_are_written_in_order_and_the_file_is_closed(tmp_path: Path) -> None:
    file, losses = tmp_path / "log", Losses()
    descriptor = appending(file)
    writer = LogWriter(descriptor, losses)
    for number in range(2000):
        writer.write(b"%d\n" % number, 1)
    writer.close()
    assert writer.wait(SOON)
    assert file.read_bytes() == b"".join(b"%d\n" % number for number in range(2000))
    assert losses.take() == (0, "")
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)


def test_a_writer_that_never_wrote_closes_at_once(tmp_path: Path) -> None:
    writer = LogWriter(appending(tmp_path / "log"), Losses())
    assert writer.wait(0)
    writer.close()
    assert writer.wait(0)


def test_a_disk_that_is_full_has_no_line_torn(tmp_path: Path) -> None:
    file, losses = tmp_path / "log", Losses()
    writer = LogWriter(appending(file), losses)
    line = b"x" * 29 + b"\n"
    with room_for(100):
        writer.write(line * 5, 5)
        assert writer.wait(SOON)
        assert file.read_bytes() == line * 3
        assert losses.take() == (2, "File too large")
        writer.write(line, 1)
        assert writer.wait(SOON)
    writer.write(line, 1)
    assert writer.wait(SOON)
    assert file.read_bytes() == line * 4
    assert losses.take() == (1, "File too large")
    writer.close()


def test_a_line_that_can_not_be_taken_back_ends_before_the_next_begins(tmp_path: Path) -> None:
    pipe, losses = tmp_path / "pipe", Losses()
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    writer = LogWriter(os.open(pipe, os.O_WRONLY), losses)
    # Longer than what a pipe holds, so that a part of it is on its way when the reader goes.
    writer.write(b"y" * (1 << 20) + b"\n", 1)
    while not _read(reader):
        pass
    os.close(reader)
    assert writer.wait(SOON)
    writer.write(b"also lost\n", 1)
    assert writer.wait(SOON)
    assert losses.take() == (2, "Broken pipe")
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    writer.write(b"whole\n", 1)
    written = b""
    while not written.endswith(b"whole\n"):
        written += _read(reader)
    assert written.endswith(b"y\nwhole\n")
    writer.close()
    os.close(reader)


def _read(reader: int) -> bytes:
    try:
        return os.read(reader, 100)
    except BlockingIOError:
        return b""


@pytest.mark.parametrize("blocking", [True, False])
def test_a_pipe_that_is_read_late_gets_whole_lines_only(blocking: bool) -> None:
    """Also where another process has it not wait when it is full."""
    reader, end = os.pipe()
    os.set_blocking(end, blocking)
    losses = Losses()
    writer = LogWriter(end, losses, most_waiting=100_000)
    for number in range(1000):
        writer.write(b"%0999d\n" % number, 1)
    lost, why = losses.take()
    assert 700 < lost < 900 and why == TOO_SLOW
    assert not writer.wait(0)
    late, why = losses.take()
    assert 0 < late < 300 and why == TOO_SLOW
    writer.close()
    with open(reader, "rb") as file:
        lines = file.read().split(b"\n")
    assert lines.pop() == b""
    assert [len(line) for line in lines] == [999] * (1000 - lost)
    assert writer.wait(SOON)
    assert losses.take()[0] == 0


def test_lines_that_a_pipe_takes_at_once_are_written_at_once() -> None:
    """What several processes write into one pipe does not get mixed up within lines."""
    reader, end = os.pipe()
    writer = LogWriter(end, Losses())
    long = b"z" * 10_000 + b"\n"
    writer.write(b"a" * 2999 + b"\n" + b"b" * 2999 + b"\n" + long + b"c\n" + b"no end", 5)
    writer.close()
    with open(reader, "rb", buffering=0) as file:
        written = b"".join(iter(lambda: file.read(65536), b""))
    assert [line[:1] for line in written.split(b"\n")] == [b"a", b"b", b"z", b"c", b"n"]
