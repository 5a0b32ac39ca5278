"""A node whose backends are real: a process, its pipes and files, and servers on loopback."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from random import Random
from threading import Event, Lock, Thread
from typing import Any

import pytest

from l7proxy.core.config import config_from
from l7proxy.node import Node, asyncio_loop
from tests.processes import MAIN, PATIENCE, run, start, unmeasured

Converse = Callable[..., dict[int, Any]]


class Backend(ThreadingHTTPServer):
    """Answers by path: /p/slow when released, /p/bytes with no text, /p/cut half a body."""

    request_queue_size = 512
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.release = Event()
        self.arrived = Event()
        self.at_once = self.most_at_once = 0
        self.lock = Lock()
        self.seen: list[tuple[str, str, dict[str, str], bytes]] = []

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A node that was hurried is gone before its answer comes."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Backend

    def setup(self) -> None:
        with self.server.lock:
            self.server.at_once += 1
            self.server.most_at_once = max(self.server.most_at_once, self.server.at_once)
        super().setup()

    def finish(self) -> None:
        super().finish()
        with self.server.lock:
            self.server.at_once -= 1

    def do_any(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        self.server.seen.append((self.command, self.path, dict(self.headers), body))
        if self.path == "/p/slow":
            self.server.arrived.set()
            self.server.release.wait(PATIENCE)
        said = b"\xff\0" if self.path == "/p/bytes" else body or self.path.encode()
        self.send_response(201 if body else 200)
        self.send_header("X-Lines", "one")
        self.send_header("X-Lines", "two")
        self.send_header("Content-Length", str(len(said) + (5 if self.path == "/p/cut" else 0)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(said)
        if self.path == "/p/cut":
            self.close_connection = True

    do_GET = do_HEAD = do_POST = do_any  # noqa: N815

    def log_message(self, *arguments: Any) -> None:
        """Says nothing."""


@pytest.fixture
def backend() -> Iterator[Backend]:
    with Backend() as server:
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.release.set()
        server.shutdown()
        thread.join()


def config(tmp_path: Path, *addresses: Any, **pool: Any) -> Path:
    file = tmp_path / "config.json"
    pools = {"p": {"backends": list(addresses), "upstream": "http", **pool}}
    file.write_text(json.dumps({"backend_pools": pools}))
    return file


def line(msg_id: int, path: str, **more: Any) -> str:
    body = {"type": "http_request", "msg_id": msg_id, "path": path, **more}
    return json.dumps({"src": "c", "dest": "lb", "body": body}) + "\n"


def replies(out: str | bytes) -> dict[int, Any]:
    """The bodies by what they answer, in the order in which they came."""
    bodies = [json.loads(answer)["body"] for answer in out.splitlines()]
    return {body["in_reply_to"]: body for body in bodies}


@pytest.fixture
def converse(tmp_path: Path) -> Converse:
    """Runs the node on a pool with what is said as all of its input; returns the replies."""

    def run_node(said: str, *options: str, **pool: Any) -> dict[int, Any]:
        addresses = pool.pop("backends")
        done = run("--config", config(tmp_path, *addresses, **pool), *options, said=said)
        assert (done.status, done.err) == (0, "")
        return replies(done.out)

    return run_node


def test_a_request_goes_to_a_backend_and_its_response_comes_back(
    converse: Converse, backend: Backend
) -> None:
    said = line(1, "/p/x?y=1", headers={"X-A": ["1", "2"], "Connection": "X-Gone", "X-Gone": "3"})
    (reply,) = converse(said, backends=[backend.address]).values()
    headers = reply.pop("headers")
    assert headers["X-Lines"] == ["one", "two"] and "Date" in headers
    assert reply == {
        "type": "http_response", "in_reply_to": 1, "status": 200,
        "body": "/p/x?y=1", "backend": "127.0.0.1",
    }  # fmt: skip
    ((method, path, seen, body),) = backend.seen
    assert (method, path, body) == ("GET", "/p/x?y=1", b"")
    assert seen["Host"] == backend.address.removeprefix("http://")
    assert seen["X-A"] and not {"Connection", "X-Gone"} & set(seen)


def test_bodies_go_both_ways_as_text_or_as_base64(converse: Converse, backend: Backend) -> None:
    said = (
        line(1, "/p", method="POST", body="hällo")
        + line(2, "/p/bytes")
        + line(3, "/p", method="POST", body="/wA=", body_encoding="base64")
        + line(4, "/p", method="HEAD")
    )
    got = converse(said, backends=[backend.address])
    assert (got[1]["status"], got[1]["body"]) == (201, "hällo")
    assert (got[2]["body"], got[2]["body_encoding"]) == ("/wA=", "base64")
    assert (got[3]["body"], got[3]["body_encoding"]) == ("/wA=", "base64")
    assert "body" not in got[4] and got[4]["headers"]["Content-Length"] == "2"


def test_a_backend_that_is_added_gets_requests(converse: Converse, backend: Backend) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        dead = f"127.0.0.1:{nobody.getsockname()[1]}"
        added = {"type": "add_backend", "msg_id": 1, "pool": "p", "backend": backend.address}
        removed = {"type": "remove_backend", "msg_id": 2, "pool": "p", "backend": "dead"}
        said = "".join(json.dumps({"src": "c", "body": body}) + "\n" for body in (added, removed))
        backends: list[Any] = [{"name": "dead", "address": dead}]
        got = converse(said + line(3, "/p/x"), backends=backends)
    assert [got[n]["type"] for n in (1, 2)] == ["add_backend_ok", "remove_backend_ok"]
    assert (got[3]["status"], got[3]["body"]) == (200, "/p/x")


@contextmanager
def conversing(file: Path, *options: str) -> Iterator[subprocess.Popen[bytes]]:
    with start("--config", file, *options) as process:
        try:
            yield process
        finally:
            process.kill()


def say(process: subprocess.Popen[bytes], text: str) -> None:
    assert process.stdin is not None
    process.stdin.write(text.encode())
    process.stdin.flush()


def hear(process: subprocess.Popen[bytes]) -> int:
    assert process.stdout is not None
    answered: int = json.loads(process.stdout.readline())["body"]["in_reply_to"]
    return answered


def test_answers_come_as_they_are_ready(tmp_path: Path, backend: Backend) -> None:
    with conversing(config(tmp_path, backend.address)) as node:
        say(node, line(1, "/p/slow") + line(2, "/p/x"))
        assert hear(node) == 2
        backend.release.set()
        assert hear(node) == 1


def test_answers_come_in_order_where_that_is_wanted(tmp_path: Path, backend: Backend) -> None:
    with conversing(config(tmp_path, backend.address), "--ordered") as node:
        say(node, line(1, "/p/slow") + line(2, "/p/x") + line(3, "/none") + line(4, "/p/x"))
        assert backend.arrived.wait(PATIENCE)
        backend.release.set()
        assert [hear(node) for _ in range(4)] == [1, 2, 3, 4]


def test_other_nodes_can_be_backends_beside_real_ones(tmp_path: Path, backend: Backend) -> None:
    pools = {
        "p": {"backends": [backend.address], "upstream": "http"},
        "nodes": {"backends": ["n"], "upstream": "envelope"},
    }
    file = tmp_path / "config.json"
    file.write_text(json.dumps({"backend_pools": pools}))
    with conversing(file) as node:
        assert node.stdin is not None and node.stdout is not None
        say(node, line(1, "/nodes"))
        asked = json.loads(node.stdout.readline())
        assert (asked["dest"], asked["body"]["type"]) == ("n", "http_request")
        say(node, line(2, "/p/x"))
        assert hear(node) == 2
        body = {"type": "http_response", "in_reply_to": asked["body"]["msg_id"], "status": 200}
        say(node, json.dumps({"src": "n", "dest": "lb", "body": body}) + "\n")
        assert hear(node) == 1
        node.stdin.close()
        assert node.wait(PATIENCE) == 0


def test_order_is_kept_for_simulated_backends_too(converse: Converse) -> None:
    said = line(1, "/p", simulate={"latency": 0.05}) + line(2, "/p") + line(3, "/none")
    got = converse(said, "--ordered", backends=["a:1"], upstream="simulated")
    assert list(got) == [1, 2, 3]


def test_a_file_is_read_no_faster_than_backends_answer(tmp_path: Path, backend: Backend) -> None:
    said = tmp_path / "in.jsonl"
    said.write_text("".join(line(n, f"/p/{n}") for n in range(2000)))
    heard = tmp_path / "out.jsonl"
    command = [sys.executable, str(MAIN), "--config", str(config(tmp_path, backend.address))]
    with said.open("rb") as source, heard.open("wb") as sink:
        done = subprocess.run(command, stdin=source, stdout=sink, timeout=PATIENCE)
    assert done.returncode == 0
    got = replies(heard.read_bytes())
    assert {n: reply["body"] for n, reply in got.items()} == {n: f"/p/{n}" for n in range(2000)}
    assert backend.most_at_once < 600


def test_whatever_goes_wrong_is_answered(tmp_path: Path, backend: Backend) -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf, socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        pools = {
            "p": {"backends": [backend.address], "upstream": "http"},
            "dead": {"backends": [f"127.0.0.1:{nobody.getsockname()[1]}"], "upstream": "http"},
            "deaf": {
                "backends": [f"127.0.0.1:{deaf.getsockname()[1]}"],
                "upstream": "http",
                "timeouts": {"attempt": 0.05},
                "retries": {"attempts": 1},
            },
        }
        file = tmp_path / "config.json"
        file.write_text(json.dumps({"backend_pools": pools}))
        said = (
            line(1, "/p/cut") + line(2, "/dead") + line(3, "/deaf") + line(4, "/none")
            + line(5, "/p", headers={"X": "日本"}) + line(6, "/p")
        )  # fmt: skip
        done = run("--config", file, said=said)
    assert done.status == 0
    got = replies(done.out)
    statuses = {n: reply["status"] for n, reply in got.items()}
    assert statuses == {1: 502, 2: 502, 3: 504, 4: 404, 5: 400, 6: 200}
    assert "closed" in got[1]["error"] and "body" not in got[1]


def test_a_signal_lets_what_is_in_flight_finish(tmp_path: Path, backend: Backend) -> None:
    with conversing(config(tmp_path, backend.address)) as node:
        say(node, line(1, "/p/slow"))
        assert backend.arrived.wait(PATIENCE)
        node.send_signal(signal.SIGTERM)
        say(node, line(2, "/p/x"))
        assert hear(node) == 2
        backend.release.set()
        assert hear(node) == 1
        assert node.wait(PATIENCE) == 0


@pytest.mark.parametrize("ending", ["end of input", "signal"])
def test_what_takes_too_long_to_finish_is_answered_503(
    tmp_path: Path, backend: Backend, ending: str
) -> None:
    with conversing(config(tmp_path, backend.address), "--drain-timeout", "0.1") as node:
        say(node, line(1, "/p/slow"))
        assert backend.arrived.wait(PATIENCE)
        assert node.stdin is not None and node.stdout is not None
        if ending == "signal":
            node.send_signal(signal.SIGINT)
        else:
            node.stdin.close()
        (reply,) = replies(node.stdout.read()).values()
        assert reply["status"] == 503
        assert node.wait(PATIENCE) == 0


def test_a_node_that_was_stopped_hears_what_came_meanwhile(
    tmp_path: Path, backend: Backend
) -> None:
    file = config(tmp_path, backend.address, timeouts={"attempt": 1.5}, retries={"attempts": 1})
    with conversing(file) as node:
        say(node, line(1, "/p/slow"))
        assert backend.arrived.wait(PATIENCE)
        node.send_signal(signal.SIGSTOP)
        backend.release.set()
        time.sleep(2)
        # More input, which is there to be read at the same time, changes nothing.
        say(node, line(2, "/p/x"))
        node.send_signal(signal.SIGCONT)
        assert node.stdin is not None and node.stdout is not None
        node.stdin.close()
        got = replies(node.stdout.read())
        assert {n: reply["status"] for n, reply in got.items()} == {1: 200, 2: 200}


def test_a_second_signal_answers_the_rest_at_once(tmp_path: Path, backend: Backend) -> None:
    with conversing(config(tmp_path, backend.address), "--drain-timeout", "1000") as node:
        say(node, line(1, "/p/slow"))
        assert backend.arrived.wait(PATIENCE)
        node.send_signal(signal.SIGTERM)
        say(node, line(2, "/none"))
        assert hear(node) == 2
        assert node.stdin is not None and node.stdout is not None
        node.stdin.close()
        node.send_signal(signal.SIGINT)
        (reply,) = replies(node.stdout.read()).values()
        assert (reply["in_reply_to"], reply["status"]) == (1, 503)
        assert node.wait(PATIENCE) == 0


def test_after_a_signal_answers_that_nobody_reads_are_not_waited_for(
    tmp_path: Path, backend: Backend
) -> None:
    said = tmp_path / "in.jsonl"
    said.write_text("".join(line(n, "/none") for n in range(3000)))
    with said.open() as stdin, subprocess.Popen(
        [sys.executable, str(MAIN), "--config", str(config(tmp_path, backend.address)),
         "--drain-timeout", "0"],
        stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as node:  # fmt: skip
        assert node.stdout is not None and node.stderr is not None
        select.select([node.stdout], [], [], PATIENCE)
        node.send_signal(signal.SIGTERM)
        assert node.wait(PATIENCE) == 1
        assert node.stderr.read() == b"l7proxy: stdout: nobody reads, and answers are lost\n"


@pytest.mark.parametrize(("redirection", "err"), [
    ("0> /dev/null", "stdin: Bad file descriptor"),
    ("> /dev/full", "stdout: No space left on device"),
])  # fmt: skip
def test_what_can_not_be_read_or_written_is_one_line_and_status_1(
    tmp_path: Path, backend: Backend, redirection: str, err: str
) -> None:
    file = config(tmp_path, backend.address)
    command = f'"{sys.executable}" "{MAIN}" --config "{file}" {redirection}'
    done = subprocess.run(
        ["bash", "-c", command], input=line(1, "/p/x"),
        capture_output=True, text=True, timeout=PATIENCE,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (1, "", f"l7proxy: {err}\n")


def test_a_read_or_write_that_finds_nothing_or_no_room_after_all_is_tried_again(
    backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    pools = {"p": {"backends": [backend.address], "upstream": "http"}}
    settings = config_from({"backend_pools": pools})
    failed = []

    def sometimes(call: Any) -> Any:
        def tried(descriptor: int, what: Any) -> Any:
            if call not in failed:
                failed.append(call)
                raise BlockingIOError
            return call(descriptor, what)

        return tried

    source, mouth = os.pipe()
    ear, sink = os.pipe()
    os.write(mouth, line(1, "/p/x").encode())
    os.close(mouth)
    with monkeypatch.context() as patched:
        patched.setattr(os, "read", sometimes(os.read))
        patched.setattr(os, "write", sometimes(os.write))
        asyncio_loop.run(lambda http: Node(settings, Random(0), print, http=http), source, sink)
    os.close(source)
    os.close(sink)
    with open(ear, "rb") as heard:
        (reply,) = replies(heard.read()).values()
    assert reply["status"] == 200
    assert len(failed) == 2


def test_it_ends_quietly_when_nobody_reads(tmp_path: Path, backend: Backend) -> None:
    with conversing(config(tmp_path, backend.address)) as node:
        assert node.stdout is not None and node.stderr is not None
        node.stdout.close()
        say(node, line(1, "/p/x"))
        assert node.wait(PATIENCE) == 0
        assert node.stderr.read() == b""


def test_real_backends_know_no_virtual_time(tmp_path: Path, backend: Backend) -> None:
    file = config(tmp_path, backend.address)
    said = json.dumps({"src": "c", "at": 3, "body": json.loads(line(1, "/p"))["body"]})
    (reply,) = replies(run("--config", file, said=said).out).values()
    assert (reply["type"], reply["code"]) == ("error", 12)
    refused = run("--config", file, "--virtual-time", said=said)
    assert (refused.status, refused.out) == (2, "") and "--simulate" in refused.err
    (reply,) = replies(run("--config", file, "--simulate", said=said).out).values()
    assert reply["status"] == 200
    assert backend.seen == []


def test_real_backends_are_never_simulated_unasked() -> None:
    pools = {"p": {"backends": ["a:1"], "upstream": "http"}}
    body = {"type": "init", "msg_id": 1, "backend_pools": pools}
    done = run(said=json.dumps({"src": "c", "body": body}))
    (reply,) = replies(done.out).values()
    assert reply["code"] == 12 and reply["text"].startswith("/body/backend_pools/p/upstream: ")


def test_a_node_without_real_backends_imports_no_event_loop() -> None:
    said = line(1, "/api/x") + line(2, "/web/x")
    code = (
        "import sys; from l7proxy.commands import main; main([]);"
        "print({'asyncio', 'ssl', 'socket'} & set(sys.modules), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        input=said, capture_output=True, text=True, timeout=PATIENCE, cwd=MAIN.parent,
        env=unmeasured(),
    )  # fmt: skip
    assert done.stderr == "set()\n"
