"""A reload of several workers is said once: when the last of them has reported, or ended."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from l7proxy.server.reload_reports import WAKE, ReloadReports


class Said:
    def __init__(self) -> None:
        self.times = 0

    def __call__(self) -> None:
        self.times += 1


@pytest.fixture
def woken() -> Iterator[None]:
    """Has the signal wait until it is looked for."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, (WAKE,))
    yield
    while WAKE in signal.sigpending():
        signal.sigwait((WAKE,))
    signal.pthread_sigmask(signal.SIG_SETMASK, before)


def worker(reports: ReloadReports, *, reloads: int) -> int:
    """A process that has reported so often, and has ended."""
    child = os.fork()
    if not child:
        for _ in range(reloads):
            reports.send()
        os._exit(0)
    os.waitpid(child, 0)
    return child


def test_it_is_said_once_when_all_have_reported(woken: None) -> None:
    said = Said()
    reports = ReloadReports(said)
    # Those that report before they are asked, or more than once, count for nothing.
    reports.receive()
    one, other = worker(reports, reloads=2), worker(reports, reloads=0)
    reports.expect([one, other])
    assert WAKE in signal.sigpending()
    reports.receive()
    assert said.times == 0
    reports.forget(other)
    assert said.times == 1
    reports.forget(other)
    reports.receive()
    assert said.times == 1


def test_a_report_to_a_supervisor_that_is_gone_goes_nowhere(woken: None) -> None:
    reports = ReloadReports(Said())
    # This process is the supervisor, and not a child of it.
    reports.send()
    assert WAKE not in signal.sigpending()
