"""A node in a process of its own that is spoken to, and the command line in a shell."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from threading import Timer
from typing import Any

from tests.processes import MAIN, PATIENCE, ROOT, Outcome, start

LOG = ROOT / "examples" / "access.log"
DEFAULT = ROOT / "config" / "backends.json"

GET = '{"src": "c", "dest": "p", "body": {"type": "http_request", "msg_id": 1, "path": "/api"}}\n'
REPLY = (
    '{"src": "p", "dest": "c", "body": {"type": "http_response", "in_reply_to": 1, '
    '"status": 200, "backend": "api-%d"}}\n'
)


def shell(script: str, said: str = GET) -> Outcome:
    """Runs a line of bash in which $L7 is the command line, with `said` on stdin."""
    done = subprocess.run(
        ["bash", "-c", f"L7='{sys.executable} {MAIN}'; {script}"],
        input=said,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    return Outcome(done.returncode, done.stdout, done.stderr)


def request(number: int, path: str = "/p", **more: Any) -> bytes:
    """The line that asks for a path, from a client called c."""
    return envelope("c", type="http_request", msg_id=number, path=path, **more)


def envelope(src: str, *, at: float | None = None, **body: Any) -> bytes:
    """The line of a message, which tells the time (seconds) where it is given."""
    told = {} if at is None else {"at": at}
    return json.dumps({"src": src, "dest": "lb", "body": body, **told}).encode() + b"\n"


class Conversation:
    """A running node that is spoken to, one message after another."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        self.stdin, self.stdout, self.stderr = process.stdin, process.stdout, process.stderr
        self.signal = process.send_signal
        self._wait = process.wait

    def say(self, *lines: bytes) -> None:
        """Sends lines, all of them at once."""
        self.stdin.write(b"".join(lines))
        self.stdin.flush()

    def hear(self) -> Any:
        """The next message that comes; None when there will be no more."""
        line = self.stdout.readline()
        return json.loads(line) if line else None

    def hear_body(self) -> Any:
        """The body of the next message, of which there must be one."""
        return self.hear()["body"]

    def interrupt(self, number: int = signal.SIGTERM, path: str = "/quick") -> list[Any]:
        """Sends a signal, then requests until one is refused: nothing else shows that it came.

        Returns the bodies that were heard meanwhile, the refusal last.
        """
        self.signal(number)
        heard: list[Any] = []
        for msg_id in count(1000):
            self.say(request(msg_id, path))
            heard.append(self.hear_body())
            # Answers to others may come first. What asks another node has no answer yet.
            while heard[-1]["type"] != "http_request" and heard[-1]["in_reply_to"] != msg_id:
                heard.append(self.hear_body())
            if heard[-1].get("status") == 503:
                break
        return heard

    def rest(self) -> list[Any]:
        """The bodies of everything until the node has exited, which it must do with 0."""
        bodies = [message["body"] for message in iter(self.hear, None)]
        assert self.ends() == (0, b"")
        return bodies

    def ends(self) -> tuple[int, bytes]:
        """Waits for the exit; its status, and what is on stderr."""
        return self._wait(PATIENCE), self.stderr.read()


@contextmanager
def conversing(*arguments: str | Path) -> Iterator[Conversation]:
    """Starts a node to talk to; one that is silent for too long is killed, and fails its test."""
    with start(*arguments) as process:
        watchdog = Timer(PATIENCE, process.kill)
        watchdog.start()
        try:
            yield Conversation(process)
        finally:
            watchdog.cancel()
            process.kill()
