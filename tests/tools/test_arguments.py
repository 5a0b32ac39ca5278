"""How traffic is opened, and how far it has been read."""

from __future__ import annotations

import gzip
from pathlib import Path
from random import Random

import pytest

from l7proxy.core.config import config_from
from l7proxy.node.replay_node import ReplayNode
from l7proxy.tools.arguments import Progress
from l7proxy.tools.formats import Traffic
from l7proxy.tools.log_files import open_text, position
from l7proxy.tools.metrics import ReplayMetrics
from l7proxy.tools.replay import replay
from tests.tools.here import run
from tests.tools.replays import LOG, POOLS


def test_a_log_may_be_gzipped_or_come_on_stdin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed = tmp_path / "access.log.gz"
    packed.write_bytes(gzip.compress(LOG.read_bytes()))
    report = run("replay", LOG).out
    assert run("replay", packed).out == report
    monkeypatch.setattr("sys.stdin", LOG.open())
    assert run("replay", "-").out == report


def test_on_a_terminal_a_bar_shows_how_far_it_is(tmp_path: Path) -> None:
    log = tmp_path / "long.log"
    log.write_text(LOG.read_text() * 20)
    shown: list[str] = []
    with open_text(str(log)) as lines:
        progress = Progress(lambda: position(lines), log.stat().st_size, shown.append)
        progress.clear()
        assert shown == []
        metrics = ReplayMetrics()
        player = ReplayNode(config_from({"backend_pools": POOLS}), Random(0), metrics.ended,
                            on_configured=metrics.watch)  # fmt: skip
        replay(Traffic(lines), [player], progress)
        progress.clear()
    assert shown[0].startswith("\r[#") and "% 1024 messages" in shown[0]
    assert shown[-1] == "\r\x1b[K"
