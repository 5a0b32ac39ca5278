"""`l7proxy serve` as a process: what it does about signals, changed files, and workers that die."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Timer
from typing import TypeVar

import pytest

from l7proxy.commands.version import version_line
from tests.builds import needs_pure
from tests.processes import MAIN, ROOT, run

from .support import free_port

T = TypeVar("T")

TIMEOUT = 60
API = '{"backend_pools": {"api": {"backends": ["a:1"]}}}'
SHOP = '{"backend_pools": {"shop": {"backends": ["a:1"]}}}'
BUILD = f"{version_line()}\n".encode()
SIMULATED = b"simulated pools, whose backends are not asked: api\n"
WORKERS = [(), ("--workers", "2")]


class Served:
    """A process that serves, or is about to."""

    def __init__(self, process: subprocess.Popen[bytes], port: int) -> None:
        self.process = process
        self.port = port
        self.said: list[bytes] = []

    def ask(self, path: str) -> bytes:
        """The answer to one request, as soon as somebody listens."""

        def answer() -> bytes | None:
            try:
                with socket.create_connection(("127.0.0.1", self.port), timeout=10) as client:
                    client.sendall(b"GET %b HTTP/1.0\r\n\r\n" % path.encode())
                    return b"".join(iter(lambda: client.recv(65536), b""))
            except ConnectionRefusedError:
                assert self.process.poll() is None
                return None

        return poll(answer)

    def hear(self, words: bytes, times: int = 1) -> None:
        """Waits for so many lines with the words on stderr."""
        assert self.process.stderr is not None
        while times:
            line = self.process.stderr.readline()
            assert line, f"ended after {self.said}"
            self.said.append(line)
            times -= words in line

    def signal(self, number: int) -> None:
        os.kill(self.process.pid, number)

    def ends(self) -> int:
        """How it ends, once it has said the rest."""
        assert self.process.stderr is not None
        self.said += self.process.stderr.readlines()
        return self.process.wait(TIMEOUT)

    @property
    def children(self) -> list[int]:
        file = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(pid) for pid in file.read_text().split()]


def poll(look: Callable[[], T | None]) -> T:
    """What `look` finds, as soon as it does."""
    end = time.monotonic() + TIMEOUT
    while (found := look()) is None:
        assert time.monotonic() < end
    return found


@contextmanager
def served(config: Path, *arguments: str, script: str | None = None) -> Iterator[Served]:
    """`serve` on a port of its own, run by `main.py` or by a script that calls `main(words)`."""
    port = free_port()
    how = [str(MAIN)] if script is None else ["-c", script]
    words = ["serve", "--config", str(config), "--listen", f"127.0.0.1:{port}", *arguments]
    paths = {**os.environ, "PYTHONPATH": f"{config.parent}:{ROOT}"}
    with subprocess.Popen(
        [sys.executable, *how, *words], stderr=subprocess.PIPE, env=paths, start_new_session=True
    ) as process:

        def kill() -> None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)

        # Whoever waits for words that never come hears the end instead.
        watchdog = Timer(TIMEOUT, kill)
        watchdog.start()
        try:
            yield Served(process, port)
        finally:
            watchdog.cancel()
            kill()


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "config.json"
    file.write_text(API)
    return file


@pytest.mark.parametrize("arguments", [(), ("--no-uvloop",), ("--workers", "2")])
def test_it_serves_reloads_and_ends(config: Path, arguments: tuple[str, ...]) -> None:
    with served(config, "--no-watch", *arguments) as proxy:
        assert proxy.ask("/api").startswith(b"HTTP/1.1 200 ")
        config.write_text(SHOP)
        proxy.signal(signal.SIGHUP)
        proxy.hear(b"reloaded")
        assert proxy.ask("/shop").startswith(b"HTTP/1.1 200 ")
        config.write_text("nonsense")
        proxy.signal(signal.SIGHUP)
        proxy.hear(b"not reloaded")
        assert sum(b"config.json" in line for line in proxy.said) == 1
        assert proxy.ask("/shop").startswith(b"HTTP/1.1 200 ")
        proxy.signal(signal.SIGTERM)
        assert proxy.ends() == 0
        assert proxy.said.count(b"reloaded\n") == 1


@pytest.mark.parametrize("arguments", WORKERS)
def test_a_changed_file_is_taken_up(config: Path, arguments: tuple[str, ...]) -> None:
    with served(config, *arguments) as proxy:
        assert proxy.ask("/api").startswith(b"HTTP/1.1 200 ")
        new = config.with_name("new.json")
        new.write_text(SHOP)
        new.replace(config)
        proxy.hear(b"config.json: changed")
        proxy.hear(b"reloaded")
        assert proxy.ask("/shop").startswith(b"HTTP/1.1 200 ")
        config.unlink()
        proxy.hear(b"not reloaded")
        assert proxy.ask("/shop").startswith(b"HTTP/1.1 200 ")
        config.write_text(API)
        proxy.hear(b"reloaded")
        assert sum(b"not reloaded" in line for line in proxy.said) == 1
        assert proxy.ask("/api").startswith(b"HTTP/1.1 200 ")


GATE = """
import os, time
from l7proxy.core.selectors import Selector

class Gated(Selector):
    def pick(self, request=None, avoid=()):
        return self.eligible[0]

    def __init__(self, backends, options, random):
        super().__init__(backends, options, random)
        open({reached!r}, "w").close()
        while os.path.exists({gate!r}):
            time.sleep(0.01)
"""
GATED = API.replace("]", '], "algorithm": "gated:Gated"', 1)


@contextmanager
def starting(config: Path, *arguments: str) -> Iterator[tuple[Served, Path]]:
    """A server in the middle of its start, and the file that holds it there."""
    gate, reached = config.with_name("gate"), config.with_name("reached")
    gate.touch()
    config.with_name("gated.py").write_text(GATE.format(gate=str(gate), reached=str(reached)))
    config.write_text(GATED)
    with served(config, *arguments) as proxy:
        poll(lambda: reached.exists() or None)
        yield proxy, gate


@needs_pure
@pytest.mark.parametrize("arguments", WORKERS)
def test_a_reload_asked_for_while_it_starts_is_not_lost(
    config: Path, arguments: tuple[str, ...]
) -> None:
    with starting(config, "--no-watch", *arguments) as (proxy, gate):
        proxy.signal(signal.SIGHUP)
        config.write_text(SHOP)
        gate.unlink()
        proxy.hear(b"reloaded")
        assert proxy.ask("/shop").startswith(b"HTTP/1.1 200 ")


@needs_pure
@pytest.mark.parametrize("arguments", WORKERS)
def test_it_ends_well_when_it_is_told_to_while_it_starts(
    config: Path, arguments: tuple[str, ...]
) -> None:
    with starting(config, *arguments) as (proxy, gate):
        proxy.signal(signal.SIGTERM)
        gate.unlink()
        assert proxy.ends() == 0
        assert proxy.said == [BUILD, SIMULATED]


@pytest.mark.parametrize("arguments", WORKERS)
def test_what_is_no_file_is_refused_and_not_waited_for(
    config: Path, arguments: tuple[str, ...]
) -> None:
    with served(config, *arguments) as proxy:
        assert proxy.ask("/api").startswith(b"HTTP/1.1 200 ")
        config.unlink()
        os.mkfifo(config)
        proxy.hear(b"config.json: it is a named pipe, and not a file that can be read again\n")
        proxy.hear(b"not reloaded")
        assert proxy.ask("/api").startswith(b"HTTP/1.1 200 ")
    with served(config, *arguments) as proxy:
        assert proxy.ends() == 2
        assert [b"it is a named pipe" in line for line in proxy.said] == [True]


def test_what_came_through_a_descriptor_is_not_read_again(config: Path) -> None:
    reader, writer = os.pipe()
    os.write(writer, API.encode())
    os.close(writer)
    command = [sys.executable, str(MAIN), "serve", "--config", f"/dev/fd/{reader}", "--no-watch"]
    port = free_port()
    with subprocess.Popen(
        [*command, "--listen", f"127.0.0.1:{port}"], stderr=subprocess.PIPE, pass_fds=[reader]
    ) as process:
        proxy = Served(process, port)
        os.close(reader)
        assert proxy.ask("/api").startswith(b"HTTP/1.1 200 ")
        proxy.signal(signal.SIGHUP)
        proxy.hear(b"it can't be read a second time")
        proxy.hear(b"not reloaded")
        proxy.signal(signal.SIGTERM)
        assert proxy.ends() == 0


def test_a_log_and_complaints_that_nobody_reads_hold_up_nobody(config: Path) -> None:
    log = {"server": {"access_log": {"path": "-"}}}
    config.write_text(json.dumps({**json.loads(API), **log}))
    with served(config, "--no-watch") as proxy:
        with socket.create_connection(("127.0.0.1", poll_port(proxy))) as client:
            for _ in range(40):
                # Two lines of the log are more than a page.
                client.sendall(b"GET /api/%b HTTP/1.1\r\nHost: a\r\n\r\n" % (b"x" * 4000) * 20)
                answers = b""
                while answers.count(b"HTTP/1.1 200 ") < 20 or not answers.endswith(b"\r\n\r\n"):
                    answers += client.recv(65536)
        config.write_text("nonsense")
        for _ in range(3):
            proxy.signal(signal.SIGHUP)
            assert proxy.ask("/api").startswith(b"HTTP/1.1 200 ")
        proxy.signal(signal.SIGTERM)
        assert proxy.process.wait(TIMEOUT) == 0


def poll_port(proxy: Served) -> int:
    """The port, once somebody listens there."""
    proxy.ask("/api")
    return proxy.port


SLOW = """
import os, time
from l7proxy.core.selectors import Selector

class Slow(Selector):
    def pick(self, request=None, avoid=()):
        return self.eligible[0]

    def __init__(self, backends, options, random):
        super().__init__(backends, options, random)
        if os.getppid() != {test}:
            open(f"{gate}/{{os.getpid()}}", "w").close()
            while os.path.exists({gate!r} + "/closed"):
                time.sleep(0.01)
"""


def test_a_worker_that_is_still_starting_hears_of_a_reload(config: Path) -> None:
    gate = config.with_name("gate")
    gate.mkdir()
    (gate / "closed").touch()
    config.with_name("slow.py").write_text(SLOW.format(test=os.getpid(), gate=str(gate)))
    config.write_text(API.replace("]", '], "algorithm": "slow:Slow"', 1))
    with served(config, "--no-watch", "--workers", "2") as proxy:
        poll(lambda: True if len(os.listdir(gate)) == 3 else None)
        config.write_text(SHOP)
        proxy.signal(signal.SIGHUP)

        def both_were_told() -> bool | None:
            pending = [
                int(line.split()[1], 16) & 1
                for pid in proxy.children
                for line in Path(f"/proc/{pid}/status").read_text().splitlines()
                if line.startswith("ShdPnd:")
            ]
            return True if pending == [1, 1] else None

        poll(both_were_told)
        (gate / "closed").unlink()
        proxy.hear(b"reloaded")
        assert proxy.ask("/shop").startswith(b"HTTP/1.1 200 ")


def test_nothing_is_reloaded_by_one_that_is_ending(config: Path) -> None:
    config.write_text(API.replace("]", '], "simulate": {"latency": 2}', 1))
    with served(config, "--no-watch") as proxy:
        assert proxy.ask("/api").startswith(b"HTTP/1.1 200 ")
        with socket.create_connection(("127.0.0.1", proxy.port), timeout=TIMEOUT) as client:
            client.sendall(b"GET /api HTTP/1.1\r\nHost: a\r\n\r\n")
            proxy.signal(signal.SIGTERM)

            def refused() -> bool | None:
                try:
                    socket.create_connection(("127.0.0.1", proxy.port), timeout=10).close()
                except ConnectionRefusedError:
                    return True
                except ConnectionResetError:
                    # It was closed in the middle of the handshake.
                    return None
                return None

            poll(refused)
            proxy.signal(signal.SIGHUP)
            assert b"\r\nConnection: close\r\n" in client.recv(65536)
        assert proxy.ends() == 0
        assert proxy.said == [BUILD, SIMULATED]


HURRIED = """
import os, signal, sys
from l7proxy.commands import main

status = main(sys.argv[1:])
for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
    os.kill(os.getpid(), number)
sys.exit(status)
"""


@needs_pure
@pytest.mark.parametrize("arguments", WORKERS)
def test_who_hurries_one_that_has_ended_does_not_make_it_fail(
    config: Path, arguments: tuple[str, ...]
) -> None:
    with served(config, *arguments, script=HURRIED) as proxy:
        assert proxy.ask("/api").startswith(b"HTTP/1.1 200 ")
        proxy.signal(signal.SIGTERM)
        assert proxy.ends() == 0


def test_who_takes_the_place_of_a_dead_worker_begins_with_the_last_good_configuration(
    config: Path,
) -> None:
    with served(config, "--no-watch", "--workers", "2") as proxy:
        assert proxy.ask("/api").startswith(b"HTTP/1.1 200 ")
        config.write_text(SHOP)
        proxy.signal(signal.SIGHUP)
        proxy.hear(b"reloaded")
        config.write_text("nonsense")
        proxy.signal(signal.SIGHUP)
        proxy.hear(b"not reloaded")
        for pid in proxy.children:
            os.kill(pid, signal.SIGKILL)
        proxy.hear(b"was ended by signal 9", 2)
        assert proxy.ask("/shop").startswith(b"HTTP/1.1 200 ")


def is_gone(pid: int) -> bool:
    """Whether a process has ended, also where nobody has asked how."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return True
    return stat.rpartition(")")[2].split()[0] == "Z"


@pytest.mark.parametrize("arguments", [(), ("--no-uvloop",)])
def test_workers_end_with_their_supervisor_however_that_ends(
    config: Path, arguments: tuple[str, ...]
) -> None:
    with served(config, "--workers", "2", *arguments) as proxy:
        assert proxy.ask("/api").startswith(b"HTTP/1.1 200 ")
        children = proxy.children
        # A worker that took the place of another has the pipe's ends of a later time.
        os.kill(children.pop(), signal.SIGKILL)
        proxy.hear(b"was ended by signal 9")
        poll(lambda: True if len(proxy.children) == 2 else None)
        children = proxy.children
        proxy.signal(signal.SIGKILL)
        proxy.hear(b"the supervisor is gone: this worker ends, too", 2)
        poll(lambda: True if all(map(is_gone, children)) else None)


def test_a_worker_that_does_not_end_when_it_is_told_to_is_killed(config: Path) -> None:
    config.write_text(json.dumps({**json.loads(API), "server": {"timeouts": {"drain": 0}}}))
    with served(config, "--workers", "2") as proxy:
        assert proxy.ask("/api").startswith(b"HTTP/1.1 200 ")
        stopped = proxy.children[0]
        os.kill(stopped, signal.SIGSTOP)
        proxy.signal(signal.SIGTERM)
        assert proxy.ends() == 0
        assert f"worker {stopped} does not end, and is killed\n".encode() in proxy.said
        assert is_gone(stopped)


FLAKY = """
import os
from l7proxy.core.selectors import Selector

class Flaky(Selector):
    def pick(self, request=None, avoid=()):
        return self.eligible[0]

    def __init__(self, backends, options, random):
        super().__init__(backends, options, random)
        if os.getppid() != {test} and os.path.exists({broken!r}):
            raise OSError("it is broken")
"""


def test_workers_that_fail_to_begin_are_begun_again_less_and_less_often(config: Path) -> None:
    broken = config.with_name("broken")
    config.with_name("flaky.py").write_text(FLAKY.format(test=os.getpid(), broken=str(broken)))
    config.write_text(API.replace("]", '], "algorithm": "flaky:Flaky"', 1))
    with served(config, "--no-watch", "--workers", "2") as proxy:
        assert proxy.ask("/api").startswith(b"HTTP/1.1 200 ")
        broken.touch()
        os.kill(proxy.children[0], signal.SIGKILL)
        proxy.hear(b"was ended by signal 9")
        proxy.hear(b"it is broken")
        proxy.hear(b"ended with status 1")
        proxy.hear(b"the next one is started in 1 s")
        assert proxy.ask("/api").startswith(b"HTTP/1.1 200 ")
        proxy.hear(b"the next one is started in 2 s")
        broken.unlink()
        poll(lambda: True if len(proxy.children) == 2 else None)
        proxy.signal(signal.SIGTERM)
        assert proxy.ends() == 0


@pytest.mark.parametrize("workers", ["1", "2", "3"])
def test_no_other_service_may_share_the_port_of_the_workers(config: Path, workers: str) -> None:
    with served(config, "--workers", "2") as proxy:
        assert proxy.ask("/api").startswith(b"HTTP/1.1 200 ")
        listen = f"127.0.0.1:{proxy.port}"
        outcome = run("serve", "--config", str(config), "--listen", listen, "--workers", workers)
        assert (outcome.status, outcome.err.splitlines()[-1]) == (
            2, f"l7proxy: {listen}: Address already in use",
        )  # fmt: skip
        assert proxy.ask("/api").startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_unix_socket_goes_with_its_server(config: Path, workers: str) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "front.sock"
        with served(config, "--workers", workers, "--listen", f"unix:{path}") as proxy:
            assert proxy.ask("/api").startswith(b"HTTP/1.1 200 ")
            assert path.is_socket()
            proxy.signal(signal.SIGTERM)
            assert proxy.ends() == 0
        assert not path.exists()


def test_an_address_in_use_is_said_before_any_worker_begins(config: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with served(config, "--workers", "2", "--listen", f"127.0.0.1:{port}") as proxy:
            assert proxy.ends() == 2
            assert [b"in use" in line for line in proxy.said] == [False, False, True]


def test_an_address_in_use_is_said_and_is_exit_status_2(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        outcome = run("serve", "--listen", f"127.0.0.1:{port}")
    assert outcome.status == 2
    assert "in use" in outcome.err


def test_listening_nowhere_is_a_usage_error() -> None:
    outcome = run("serve")
    assert outcome.status == 2
    assert "--listen" in outcome.err


def with_a_log(file: Path) -> str:
    real = {"backends": ["a:1"], "upstream": "http"}
    pools = {"web": {"backends": ["a:1"]}, "api": real, "shop": {"backends": ["a:1"]}}
    return json.dumps({"backend_pools": pools, "server": {"access_log": {"path": str(file)}}})


def test_pools_that_are_simulated_are_named_once(config: Path) -> None:
    config.write_text(with_a_log(config.with_name("access.log")))
    with served(config, "--workers", "2") as proxy:
        proxy.ask("/web")
        proxy.signal(signal.SIGTERM)
        assert proxy.ends() == 0
        assert proxy.said == [BUILD, b"simulated pools, whose backends are not asked: web, shop\n"]


def test_a_log_that_was_moved_away_is_opened_anew(config: Path) -> None:
    file = config.with_name("access.log")
    config.write_text(with_a_log(file))
    with served(config, "--no-watch") as proxy:
        for number in (signal.SIGUSR1, signal.SIGHUP):
            proxy.ask(f"/web/before/{number.name}")
            file.rename(file.with_name(number.name))
            proxy.signal(number)
            poll(lambda: file.exists() or None)
        proxy.ask("/web/last")
        proxy.signal(signal.SIGTERM)
        assert proxy.ends() == 0
    logs = [file.with_name("SIGUSR1"), file.with_name("SIGHUP"), file]
    assert [re.findall(r"GET /web/(\S+)", log.read_text()) for log in logs] == [
        ["before/SIGUSR1"], ["before/SIGHUP"], ["last"],
    ]  # fmt: skip


@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGHUP])
def test_every_worker_opens_its_log_anew(config: Path, number: signal.Signals) -> None:
    file = config.with_name("access.log")
    moved = file.with_name("moved.log")
    config.write_text(with_a_log(file))
    with served(config, "--no-watch", "--workers", "2") as proxy:
        proxy.ask("/web")
        file.rename(moved)
        proxy.signal(number)

        def nobody_has_the_old_one() -> bool | None:
            held = [name for pid in proxy.children for name in opened(pid)]
            return True if str(moved) not in held and held.count(str(file)) == 2 else None

        poll(nobody_has_the_old_one)


def opened(pid: int) -> list[str]:
    """The files that a process has open, but for those that it closes while one looks."""
    found = []
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):
            found.append(os.readlink(descriptor))
    return found


@pytest.mark.parametrize("arguments", WORKERS)
def test_a_log_that_can_not_be_opened_anew_goes_on_as_it_was(
    config: Path, arguments: tuple[str, ...]
) -> None:
    folder, moved = config.with_name("logs"), config.with_name("moved")
    folder.mkdir()
    file = folder / "access.log"
    config.write_text(with_a_log(file))
    processes = 2 if arguments else 1
    with served(config, "--no-watch", *arguments) as proxy:
        # One process alone has it open for a moment while it checks the configuration.
        proxy.ask("/web")

        def everybody_has_it() -> bool | None:
            serving = proxy.children or [proxy.process.pid]
            return sum(str(file) in opened(pid) for pid in serving) == processes or None

        poll(everybody_has_it)
        folder.rename(moved)
        config.write_text("nonsense")
        proxy.signal(signal.SIGHUP)
        why = b"%b: No such file or directory; the log goes on in the file it had\n"
        proxy.hear(why % bytes(file), processes)
        proxy.ask("/web/again")
        proxy.signal(signal.SIGTERM)
        assert proxy.ends() == 0
        assert "/web/again " in (moved / "access.log").read_text()


@pytest.mark.parametrize("arguments", WORKERS)
def test_a_log_that_can_not_be_opened_is_said_once_at_the_start(
    config: Path, arguments: tuple[str, ...]
) -> None:
    config.write_text(with_a_log(config.with_name("none") / "access.log"))
    with served(config, *arguments) as proxy:
        assert proxy.ends() == 2
        why = "/server/access_log/path: can't write to it: No such file or directory"
        assert proxy.said == [f"{config}: {why}\n".encode()]
