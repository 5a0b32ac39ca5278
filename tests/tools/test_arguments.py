"""How traffic is opened, and how far it has been read."""

from __future__ import annotations

import gzip
import json
from io import StringIO
from pathlib import Path
from random import Random
from typing import Any

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


def test_a_log_is_unpacked_whatever_it_is_called_and_on_stdin_as_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed, plain = tmp_path / "access.log", tmp_path / "plain.gz"
    packed.write_bytes(gzip.compress(LOG.read_bytes()))
    plain.write_bytes(LOG.read_bytes())
    report = run("replay", LOG).out
    assert run("replay", packed).out == run("replay", plain).out == report
    monkeypatch.setattr("sys.stdin", packed.open())
    assert run("replay", "-").out == report
    monkeypatch.setattr("sys.stdin", StringIO(LOG.read_text()))
    assert run("replay", "-").out == report


@pytest.mark.parametrize("left", [1, 5, 100])
def test_a_packed_log_that_is_broken_is_said_so(tmp_path: Path, left: int) -> None:
    broken = tmp_path / "access.log"
    broken.write_bytes(gzip.compress(LOG.read_bytes())[:-left])
    with pytest.raises(OSError, match=f"{broken}: "):
        list(open_text(str(broken)))
    broken.write_bytes(b"\x1f\x8bgarbage")
    with pytest.raises(OSError, match=f"{broken}: "):
        list(open_text(str(broken)))


def test_a_closed_stdin_has_no_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", None)
    assert list(open_text("-")) == []


def test_how_far_a_packed_log_is_read_is_counted_in_what_is_packed(tmp_path: Path) -> None:
    packed = tmp_path / "access.log"
    packed.write_bytes(gzip.compress(LOG.read_bytes()))
    with open_text(str(packed)) as lines:
        assert len(list(lines)) == 300
        assert position(lines) == packed.stat().st_size


def test_several_logs_are_replayed_as_one(tmp_path: Path) -> None:
    lines = LOG.read_text().splitlines(keepends=True)
    old, new = tmp_path / "access.log.1", tmp_path / "access.log"
    old.write_text("".join(lines[:200]))
    new.write_text("".join(lines[200:]) + "garbage\n")
    done = run("replay", new, old, "--html", tmp_path / "report.html")
    assert done.out == run("replay", LOG).out
    assert done.err == (
        f"1 line was skipped\n  {new}:101: not a line of a combined access log: garbage\n"
    )
    assert "Replay of access.log, access.log.1" in (tmp_path / "report.html").read_text()
    done = run("diff", new, "-", "--against", tmp_path / "none.json", "--config", "-")
    assert (done.status, "stdin can be read once" in done.err) == (2, True)


def test_a_diff_of_several_logs_says_which_line_of_which(tmp_path: Path) -> None:
    other = tmp_path / "other.json"
    other.write_text('{"backends": ["z:80"]}')
    one = tmp_path / "one.log"
    one.write_text(LOG.read_text().partition("\n")[0] + "\n")
    done = run("diff", "--against", other, one, one)
    assert f"{one}:1: GET /api/users/7" in done.out


def test_how_lines_are_written_can_be_said(tmp_path: Path) -> None:
    report = run("replay", LOG, "--json", "--as-logged").out
    log_format = (
        '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent '
        '"$http_referer" "$http_user_agent"'
    )
    pattern = (
        r'^(?P<client>\S+) .*?\[(?P<time>.*?)\] "(?P<method>\S+) (?P<path>\S+) .*?" '
        r'(?P<status>\d+) \d+ ".*?" "(?P<user_agent>.*?)"'
    )
    for words in (("--log-format", log_format), ("--pattern", pattern)):
        done = run("replay", LOG, "--json", "--as-logged", *words)
        name = words[0].removeprefix("--")
        assert done.out == report.replace('"combined"', f'"{name}"')


@pytest.mark.parametrize(("words", "complaint"), [
    (["--pattern", "("], "--pattern is not a regular expression"),
    (["--pattern", "(?P<time>.)"], "--pattern needs groups (?P<time>...) and (?P<request>...)"),
    (["--pattern", "(?P<tiem>.)(?P<path>.)"], '--pattern: the group "tiem" must be one of time,'),
    (["--log-format", "$request"], "--log-format has no $time_local, $time_iso8601 or $msec"),
    (["--log-format", "$msec $host"], "--log-format has no $request, $request_uri or $uri"),
    (["--log-format", "$msec$request"], "what is between $msec and what follows it?"),
    (["--format", "combined", "--pattern", "a"], '--pattern reads the lines by itself, and the'),
    (["--host", "a b"], '--host: "a b" is not a host'),
])  # fmt: skip
def test_what_is_said_of_lines_and_makes_no_sense_is_refused(
    words: list[str], complaint: str
) -> None:
    done = run("replay", LOG, *words)
    assert done.status == 2
    assert complaint in done.err


HOSTS: dict[str, Any] = {
    "backend_pools": POOLS,
    "routes": [
        {"host": "shop.example", "path_pattern": "/*", "backend_pool": "web"},
        {"path_pattern": "/*", "backend_pool": "api"},
    ],
}


def test_where_routes_ask_for_a_host_and_the_log_has_none_one_can_be_named(
    tmp_path: Path,
) -> None:
    config = tmp_path / "config.json"
    config.write_text(json.dumps(HOSTS))
    done = run("replay", LOG, "--config", config, "--json")
    assert done.err == (
        "note: 1 route asks for a host, and the log has none; --host says which it was\n"
    )
    assert [route["pool"] for route in json.loads(done.out)["routes"]] == ["api"]
    done = run("replay", LOG, "--config", config, "--json", "--host", "shop.example")
    assert done.err == ""
    assert [route["pool"] for route in json.loads(done.out)["routes"]] == ["web"]
    more = {"host": "*.example", "path_pattern": "/a", "backend_pool": "web"}
    config.write_text(json.dumps({**HOSTS, "routes": [*HOSTS["routes"], more]}))
    assert "2 routes ask for a host" in run("replay", LOG, "--config", config).err


def test_a_format_that_fits_badly_is_named_with_how_many_lines_it_fits(tmp_path: Path) -> None:
    log = tmp_path / "mixed.log"
    log.write_text("garbage\n" * 6 + LOG.read_text())
    assert run("replay", log).err.splitlines()[-2:] == [
        "  ...",
        "read as combined, which fits 44 of the first 50 lines; --format says another one",
    ]
    done = run("replay", "--format", "haproxy", LOG)
    assert done.err.endswith("--format says which it is in (it looks like combined)\n")


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
