"""What is said of a reload: once, when the last worker has reported or ended, and what it left."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from threading import Timer

import pytest

from l7proxy.server.reload_reports import WAKE, ReloadReports
from tests.processes import MAIN

from .support import TIMEOUT, free_port
from .test_process import API, BUILD, SIMULATED, WORKERS, Served


class Said:
    def __init__(self) -> None:
        self.times = 0

    def __call__(self) -> None:
        self.times += 1


@pytest.fixture
def woken() -> Iterator[Said]:
    """Counts the signals, of which several may have come as one."""
    counted = Said()
    before = signal.signal(WAKE, lambda number, frame: counted())
    yield counted
    signal.signal(WAKE, before)


def worker(reports: ReloadReports, *, reloads: int) -> int:
    """A process that has reported so often, and has ended."""
    child = os.fork()
    if not child:
        for _ in range(reloads):
            reports.send()
        # Nothing of what the tests have open is to be closed here.
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    return child


def test_it_is_said_once_when_all_have_reported(woken: Said) -> None:
    said = Said()
    reports = ReloadReports(said)
    # Those that report before they are asked, or more than once, count for nothing.
    reports.receive()
    one, other = worker(reports, reloads=2), worker(reports, reloads=0)
    reports.expect([one, other])
    assert woken.times
    reports.receive()
    assert said.times == 0
    reports.forget(other)
    assert said.times == 1
    reports.forget(other)
    reports.receive()
    assert said.times == 1


def test_a_report_to_a_supervisor_that_is_gone_goes_nowhere(woken: Said) -> None:
    reports = ReloadReports(Said())
    # This process is the supervisor, and not a child of it.
    reports.send()
    assert not woken.times


@pytest.mark.parametrize("arguments", WORKERS)
def test_a_changed_address_is_said_to_take_a_restart(
    tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    file = tmp_path / "config.json"
    port = free_port()
    made = {**json.loads(API), "server": {"listen": [f"127.0.0.1:{port}"]}}
    file.write_text(json.dumps(made))
    words = [sys.executable, str(MAIN), "serve", "--config", str(file), "--no-watch", *arguments]
    with subprocess.Popen(words, stderr=subprocess.PIPE) as process:
        watchdog = Timer(TIMEOUT, process.kill)
        watchdog.start()
        try:
            proxy = Served(process, port)
            assert proxy.ask("/api").startswith(b"HTTP/1.1 200 ")
            made["server"]["listen"].append("127.0.0.1:0")
            file.write_text(json.dumps(made))
            proxy.signal(signal.SIGHUP)
            proxy.hear(b"reloaded")
            proxy.signal(signal.SIGTERM)
            assert proxy.ends() == 0
        finally:
            watchdog.cancel()
            process.kill()
    said = b"server.listen has changed: that takes a restart\n"
    assert [line for line in proxy.said if line not in (BUILD, SIMULATED)] == [said, b"reloaded\n"]
