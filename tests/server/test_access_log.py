"""The access log on its own: what a line says, when it is written, and where to."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest

from l7proxy.core.config import config_from
from l7proxy.core.http.local_reply import UNREACHABLE
from l7proxy.core.http.messages import HttpRequest
from l7proxy.core.proxy import Proxy
from l7proxy.http1 import RequestHead, RequestParser
from l7proxy.server import access_log
from l7proxy.server.access_log import AccessLog, wall_offset
from l7proxy.server.prepared import request_of

from .support import FakeBackend, conversation, pool_config, serving


class Site:
    """A proxy whose requests a log is told of."""

    def __init__(
        self,
        path: str,
        form: str = "combined",
        began: float = 100.0,
        offset: Callable[[], float] = wall_offset,
        credentials: str = "redact",
    ) -> None:
        log = {"path": path, "format": form, "credentials": credentials}
        config = config_from({"backends": ["a:1"], "server": {"access_log": log}})
        assert config.server.access_log is not None
        self.proxy = Proxy(config, Random(0))
        self.log = AccessLog(config.server.access_log, began, offset)

    def head(self, *fields: str, path: str = "/x") -> RequestHead:
        lines = [f"GET {path} HTTP/1.1", "Host: a", *fields, ""]
        parsed = RequestParser().parse("".join(f"{line}\r\n" for line in lines).encode())
        assert parsed is not None
        head = parsed[0]
        request_of(head, "127.0.0.1")
        return head

    def add(self, head: RequestHead, *, status: int = 200, now: float = 103.5) -> None:
        """A request of one and a half seconds."""
        request = HttpRequest(head.method, head.path, client_ip="1.2.3.4")
        self.log.add(self.proxy.open(request, now - 1.5), head, status, 42, now)


def open_files() -> int:
    return len(os.listdir("/dev/fd"))


def bodies(file: Path) -> list[Any]:
    return [json.loads(line)["body"] for line in file.read_text().splitlines()]


def test_an_envelope_has_everything_that_is_known_but_bodies(tmp_path: Path) -> None:
    file = tmp_path / "access.log"
    site = Site(str(file), "envelope")
    site.add(site.head("A: 1", path="/x?y"))
    site.log.close()
    line = json.loads(file.read_text())
    assert abs(time.time() - line["body"].pop("time")) < 3600
    assert line == {
        "src": "1.2.3.4",
        "dest": "l7_proxy",
        "at": 3.5,
        "body": {
            "type": "http_request",
            "msg_id": 1,
            "method": "GET",
            "path": "/x?y",
            "headers": {"Host": "a", "A": "1"},
            "client_ip": "1.2.3.4",
            "status": 200,
            "backend": "a",
            "bytes": 42,
            "seconds": 1.5,
        },
    }


def test_an_envelope_says_why_there_was_no_answer_of_a_backend(tmp_path: Path) -> None:
    file = tmp_path / "access.log"
    site = Site(str(file), "envelope")
    head = site.head()
    exchange = site.proxy.open(HttpRequest("GET", "/x", client_ip="1.2.3.4"), 100.0)
    exchange.reject(UNREACHABLE.with_detail("Connection refused"), 100.0)
    site.log.add(exchange, head, 502, 42, 100.0)
    site.log.close()
    assert bodies(file)[0]["error"] == "the backend can't be reached: Connection refused"


def test_a_field_that_comes_more_than_once_is_a_list(tmp_path: Path) -> None:
    file = tmp_path / "access.log"
    site = Site(str(file), "envelope")
    site.add(site.head("A: 1", "B: 1", "A: 2", "A: 3", "B: 2"))
    site.log.close()
    (body,) = bodies(file)
    assert body["headers"] == {"Host": "a", "A": ["1", "2", "3"], "B": ["1", "2"]}


def test_what_came_in_place_of_a_request_is_told_by_its_first_line(tmp_path: Path) -> None:
    file = tmp_path / "access.log"
    for form in ("combined", "envelope"):
        site = Site(str(file), form)
        for said in (b'\r\nGET /a"\\\x00 HTTP/1.1\r\nHost: a\r\n', b"\x16\x03\xe9", b""):
            site.log.refused(said, "1.2.3.4", 400, 17, 103.5, 8192)
        site.log.close()
    *combined, one, two, three = file.read_text().splitlines()
    assert [line.partition("] ")[2] for line in combined] == [
        '"GET /a\\"\\\\\\x00 HTTP/1.1" 400 17 "-" "-"',
        '"\\x16\\x03\\xe9" 400 17 "-" "-"',
        '"-" 400 17 "-" "-"',
    ]
    bodies = [json.loads(line)["body"] for line in (one, two, three)]
    assert [(body["path"], body["line"]) for body in bodies] == [
        ("", 'GET /a"\\\x00 HTTP/1.1'), ("", "\x16\x03\xe9"), ("", ""),
    ]  # fmt: skip


def test_a_request_that_was_refused_for_its_body_is_told_by_its_head(tmp_path: Path) -> None:
    file = tmp_path / "access.log"
    site = Site(str(file), "envelope")
    site.log.refused(site.head(path="/big"), "1.2.3.4", 413, 17, 103.5, 8192)
    site.log.close()
    (body,) = bodies(file)
    assert (body["path"], body["status"], body["bytes"], body["seconds"]) == ("/big", 413, 17, 0)


def test_an_envelope_says_who_passed_the_request_on_and_what_that_said(tmp_path: Path) -> None:
    """Whoever reads it believes as much of it as the proxy did."""
    file = tmp_path / "access.log"
    site = Site(str(file), "envelope")
    head = site.head("X-Forwarded-For: 1.2.3.4", "X_Forwarded_For: 6.6.6.6")
    exchange = site.proxy.open(HttpRequest("GET", "/x", client_ip="1.2.3.4"), 100.0)
    site.log.add(exchange, head, 200, 42, 100.0, "10.0.0.1")
    site.log.refused(head, "1.2.3.4", 413, 0, 100.0, 8192, "10.0.0.1")
    site.log.close()
    for line in map(json.loads, file.read_text().splitlines()):
        assert (line["src"], line["body"]["client_ip"]) == ("1.2.3.4", "10.0.0.1")
        said = {"X-Forwarded-For": "1.2.3.4", "X_Forwarded_For": "6.6.6.6"}
        assert line["body"]["headers"] == {"Host": "a", **said}


@pytest.mark.parametrize("form", ["envelope", "combined"])
def test_a_head_that_comes_again_is_told_again(tmp_path: Path, form: str) -> None:
    file = tmp_path / "access.log"
    site = Site(str(file), form)
    head = site.head()
    site.add(head, status=200)
    site.add(head, status=503)
    site.log.close()
    first, second = file.read_text().splitlines()
    again = first.replace('"msg_id": 1', '"msg_id": 2')
    assert second == re.sub('((status": )|(HTTP/1.1" ))200', r"\g<1>503", again)


def test_a_combined_line_has_the_second_of_its_end(tmp_path: Path) -> None:
    file = tmp_path / "access.log"
    site = Site(str(file))
    for now in (103.0, 103.0, 104.0):
        site.add(site.head(), now=now)
    site.log.close()
    lines = file.read_text().splitlines()
    assert [line.partition("] ")[2] for line in lines] == ['"GET /x HTTP/1.1" 200 42 "-" "-"'] * 3
    stamps = [line[line.index("[") : line.index("]")] for line in lines]
    assert stamps[0] == stamps[1] != stamps[2]
    assert all(re.fullmatch(r"\[\d\d/[A-Z][a-z]{2}/\d{4}(:\d\d){3} [+-]\d{4}", at) for at in stamps)


def test_lines_are_written_when_there_are_many_or_when_it_is_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(access_log, "BATCH", 3)
    file = tmp_path / "access.log"
    site = Site(str(file), "envelope")
    head = site.head()
    seen = []
    for count in range(4):
        if count % 2:
            site.log.refused(b"GET", "1.2.3.4", 400, 0, 103.5, 8)
        else:
            site.add(head)
        site.log.wait()
        seen.append(len(bodies(file)))
    assert seen == [0, 0, 3, 3]
    site.log.flush()
    site.log.wait()
    site.log.wait()
    assert [body["msg_id"] for body in bodies(file)] == [1, 2, 3, 4]
    site.log.flush()
    site.log.close()
    assert len(bodies(file)) == 4


def test_lines_are_written_when_what_they_are_about_is_large(tmp_path: Path) -> None:
    file = tmp_path / "access.log"
    site = Site(str(file), "envelope")
    large = site.head(f"X-Large: {'x' * 30_000}")
    seen = []
    for _ in range(4):
        site.add(large)
        site.log.wait()
        seen.append(len(bodies(file)))
    assert seen == [0, 0, 3, 3]
    site.log.flush()
    site.log.wait()
    for _ in range(9):
        site.log.refused(b"GET /" + b"x" * 250_000, "1.2.3.4", 414, 0, 103.5, 8192)
        site.log.wait()
        seen.append(len(bodies(file)))
    assert seen[4:] == [4] * 7 + [12] * 2
    site.log.close()


@pytest.mark.parametrize("form", ["envelope", "combined"])
@conversation
async def test_no_more_of_a_first_line_is_noted_than_a_request_line_may_have(
    tmp_path: Path, form: str
) -> None:
    file = tmp_path / "access.log"
    file.unlink(missing_ok=True)
    server = {"access_log": {"path": str(file), "format": form}, "limits": {"line": 64}}
    async with serving("a:1", upstream="simulated", server=server) as proxy:
        for said in (b"GET /" + b"x" * 250_000, b"\r\n\r\nGET /" + b"x" * 250_000):
            client = await proxy.connect()
            client.writer.write(said)
            await client.head()
    line = "GET /" + "x" * 59
    if form == "envelope":
        assert [body["line"] for body in bodies(file)] == [line] * 2
    else:
        assert [text.split('"')[1] for text in file.read_text().splitlines()] == [line] * 2


@conversation
async def test_a_reload_that_wants_the_same_log_goes_on_with_it(tmp_path: Path) -> None:
    file = tmp_path / "access.log"
    wanted = {"path": str(file), "format": "envelope"}
    file.unlink(missing_ok=True)
    backend = FakeBackend()
    async with serving(backend, server={"access_log": wanted}) as proxy:
        client = await proxy.connect()
        await client.get("/api/one")
        pools = {"api": pool_config(backend)}
        for log in (wanted, None, wanted):
            server = {} if log is None else {"access_log": log}
            proxy.server.reload(config_from({"backend_pools": pools, "server": server}))
            await client.get(f"/api/{'logged' if log else 'secret'}")
    assert [(body["msg_id"], body["path"]) for body in bodies(file)] == [
        (1, "/api/one"), (2, "/api/logged"), (3, "/api/logged"),
    ]  # fmt: skip


def test_credentials_are_written_down_only_if_that_is_asked_for(tmp_path: Path) -> None:
    fields = ("Authorization: Basic YTpi", "Cookie: id=secret; theme=dark", "Accept: a")
    for credentials in ("redact", "keep"):
        site = Site(str(tmp_path / credentials), "envelope", credentials=credentials)
        site.add(site.head(*fields))
        site.log.close()
    (hidden,), (kept,) = (bodies(tmp_path / credentials) for credentials in ("redact", "keep"))
    hidden, kept = hidden["headers"], kept["headers"]
    assert kept["Authorization"] == "Basic YTpi" and kept["Cookie"] == "id=secret; theme=dark"
    assert re.fullmatch("Basic redacted-[0-9a-f]{16}", hidden["Authorization"])
    assert re.fullmatch("id=redacted-[0-9a-f]{16}; theme=redacted-[0-9a-f]{16}", hidden["Cookie"])
    assert hidden["Accept"] == kept["Accept"] == "a"


@conversation
async def test_a_reload_says_what_is_a_credential_from_then_on(tmp_path: Path) -> None:
    file = tmp_path / "access.log"
    server = {"access_log": {"path": str(file), "format": "envelope"}}
    file.unlink(missing_ok=True)
    backend = FakeBackend()
    async with serving(backend, server=server) as proxy:
        client = await proxy.connect()
        await client.get("/api/one", "X-Tenant: t")
        proxy.server.reopen_logs()
        limits = {"api_key_header": "X-Tenant"}
        pools = {"api": pool_config(backend)}
        config = {"backend_pools": pools, "server": server, "rate_limits": limits}
        proxy.server.reload(config_from(config))
        await client.get("/api/two", "X-Tenant: t")
    one, two = (body["headers"]["X-Tenant"] for body in bodies(file))
    assert one == "t" and two.startswith("redacted-")


def test_a_file_that_was_moved_away_is_made_anew(tmp_path: Path) -> None:
    file, moved = tmp_path / "access.log", tmp_path / "access.log.1"
    before = open_files()
    site = Site(str(file), "envelope")
    site.add(site.head(path="/one"))
    file.rename(moved)
    site.log.reopen(110.0)
    site.add(site.head(path="/two"))
    site.log.close()
    while open_files() != before:
        # The file that was moved away has a thread of its own.
        pass
    assert [body["path"] for body in bodies(moved)] == ["/one"]
    assert [body["path"] for body in bodies(file)] == ["/two"]


def test_a_file_that_was_there_before_goes_on_as_it_began(tmp_path: Path) -> None:
    file = tmp_path / "access.log"
    for began in (100.0, 7.0):
        site = Site(str(file), "envelope", began)
        site.add(site.head(), now=began + 3.5)
        site.log.close()
    first, second = map(json.loads, file.read_text().splitlines())
    assert first["at"] == 3.5
    passed = second["body"]["time"] - first["body"]["time"]
    assert second["at"] == pytest.approx(3.5 + passed, abs=0.001)


@pytest.mark.parametrize("first", ["", "no JSON", "[]", '{"at": 1, "body": {}}'])
def test_a_file_that_began_with_something_else_begins_now(tmp_path: Path, first: str) -> None:
    file = tmp_path / "access.log"
    file.write_text(f"{first}\n")
    site = Site(str(file), "envelope")
    site.add(site.head())
    site.log.close()
    assert json.loads(file.read_text().splitlines()[1])["at"] == 3.5


def test_a_file_that_can_not_be_made_anew_goes_on_as_it_was(tmp_path: Path) -> None:
    folder, moved = tmp_path / "logs", tmp_path / "moved"
    folder.mkdir()
    site = Site(str(folder / "access.log"), "envelope")
    folder.rename(moved)
    with pytest.raises(OSError, match="No such file"):
        site.log.reopen(110.0)
    site.add(site.head(path="/one"))
    site.log.close()
    assert [body["path"] for body in bodies(moved / "access.log")] == ["/one"]


def test_a_file_that_is_still_in_its_place_goes_on(tmp_path: Path) -> None:
    site = Site(str(tmp_path / "access.log"), "envelope")
    for now in (103.5, 110.0):
        # Nothing is waited for: the first line may not have been written yet.
        site.add(site.head(), now=now)
        site.log.reopen(now)
    site.log.close()
    lines = [json.loads(line) for line in (tmp_path / "access.log").read_text().splitlines()]
    assert [(line["at"], line["body"]["msg_id"]) for line in lines] == [(3.5, 1), (10.0, 2)]


def test_a_dash_is_stderr_which_stays_open(capfd: pytest.CaptureFixture[str]) -> None:
    before = open_files()
    site = Site("-")
    site.log.reopen(110.0)
    site.add(site.head(path="/one"))
    site.log.close()
    while open_files() != before:
        pass
    os.write(2, b"still here\n")
    line, said = capfd.readouterr().err.splitlines()
    assert '"GET /one HTTP/1.1" 200 42 ' in line
    assert said == "still here"


def test_a_full_disk_loses_lines_and_says_so_once_in_a_while() -> None:
    site = Site("/dev/full")
    assert site.log.complaint(100.0) is None
    said = []
    for now, lines in ((101.0, 1), (120.0, 2), (160.9, 0), (161.0, 0), (400.0, 0), (401.0, 1000)):
        for _ in range(lines):
            site.add(site.head())
        site.log.flush()
        site.log.wait()
        said.append(site.log.complaint(now))
    site.log.close()
    why = "of the access log lost: No space left on device"
    assert said == [
        f"/dev/full: 1 line {why}", None, None, f"/dev/full: 2 lines {why}", None,
        f"/dev/full: 1,000 lines {why}",
    ]  # fmt: skip


def test_a_pipe_that_nobody_reads_holds_up_nobody(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    site = Site(str(pipe))
    head = site.head(path="/" + "x" * 5000)
    for _ in range(100):
        site.add(head)
        site.log.flush()
    site.log.close(timeout=0.01)
    said = site.log.complaint(200.0)
    assert said is not None
    found = re.fullmatch(
        re.escape(str(pipe)) + r": (\d+) lines of the access log lost: .* fast enough", said
    )
    assert found is not None and int(found[1]) > 80
    with open(pipe, "rb", buffering=0) as reader:
        # What waits is still there for who comes after all.
        assert reader.read(5000).startswith(b"1.2.3.4 - - [")


def test_the_time_of_a_line_follows_a_clock_that_is_set(tmp_path: Path) -> None:
    ahead = [1000.0]
    for form in ("combined", "envelope"):
        site = Site(str(tmp_path / form), form, offset=lambda: ahead[0])
        for step in (0, 7200, -7200):
            ahead[0] += step
            site.add(site.head())
            site.log.flush()
        site.log.close()
    first, later, again = bodies(tmp_path / "envelope")
    assert (later["time"] - first["time"], again["time"] - first["time"]) == (7200, 0)
    lines = [json.loads(line) for line in (tmp_path / "envelope").read_text().splitlines()]
    assert [line["at"] for line in lines] == [3.5] * 3
    hours = [
        time.mktime(time.strptime(line[line.index("[") + 1 :][:20], "%d/%b/%Y:%H:%M:%S"))
        for line in (tmp_path / "combined").read_text().splitlines()
    ]
    assert [hour - hours[0] for hour in hours] == [0, 7200, 0]


def test_a_file_that_began_in_the_future_begins_now(tmp_path: Path) -> None:
    """The clock was set back since then."""
    file = tmp_path / "access.log"
    first = {"at": 0, "body": {"time": time.time() + 5000}}
    file.write_text(f"{json.dumps(first)}\n")
    site = Site(str(file), "envelope")
    site.add(site.head())
    site.log.close()
    assert json.loads(file.read_text().splitlines()[1])["at"] == 3.5


def test_a_file_that_can_not_be_opened_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        Site(str(tmp_path / "none" / "access.log"))
