"""Does the node answer every request once, in order, however long it runs and in the same memory?

    python3 benchmarks/endurance.py [MESSAGES] [--varied] [--quick]

Pipes 10,000 and then MESSAGES (default 1,000,000) generated envelopes through a process of its
own, with garbage in one place of twenty: lines that are no JSON, that open what they don't close,
that are cut short. Every reply must be the next one that is due. Prints the peak memory of both
runs and exits with 1 where the long one needs more than 1.2 times that of the short one.

With `--varied` no two requests have anything in common: clients, hosts, names of fields, queries
and sessions never come again, in front of a configuration that looks at all of them; and the short
run has 50,000 messages, by which every table is full.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from random import Random
from tempfile import NamedTemporaryFile
from threading import Thread
from typing import IO

MAIN = Path(__file__).resolve().parent.parent / "main.py"
SHORT, SHORT_VARIED, LONG = 10_000, 50_000, 1_000_000
GARBAGE_SHARE = 0.05
MOST_GROWTH = 1.2

# No two of these make an object together: lines that do are a message and would be answered.
GARBAGE = (
    "hello",
    "{",
    "[[[",
    "}",
    '{"src": "c1", "body": {"type": "http_request", "msg_id": 1,',
    '{"src": "c1", "body": {"type": "http_req',
    '{"src": "c1", "dest": "l7_proxy",',
    "null",
    "[1, 2, 3]",
    '{"a": NaN}',
    "\ufffd\x00\x01",
    '{"src": 7, "body": {"type": "http_request", "path": "/"}}',
)


POOLS = ("api", "static", "nowhere")
ROOM = 10_000
"""Entries in the tables of the configuration that looks at everything."""
POOL = {"backends": ["a-1:80", "a-2:80"], "sticky": {"learn": {"max_sessions": ROOM}}}
LOOKS_AT_EVERYTHING = {
    "rate_limits": {"per_ip": {"requests_per_second": 1000, "max_keys": ROOM}},
    "backend_pools": {"api": POOL, "static": {**POOL, "algorithm": "ring-hash"}},
    "routes": [
        {"path_pattern": "/api/*", "host": "*.example.com", "backend_pool": "api"},
        {"path_pattern": "/static/*", "query": {"a": "x"}, "backend_pool": "api"},
        {"path_pattern": "/static/*", "client_ip": "10.0.0.0/8", "backend_pool": "api"},
        {"path_pattern": "/static/*", "backend_pool": "static"},
    ],
}


class Endurance:
    """One run: how many requests were sent, the first wrong reply, seconds, peak memory in KiB."""

    def __init__(
        self, count: int, *, varied: bool = False, seed: int = 1, python: str = sys.executable
    ) -> None:
        self.count = count
        self.envelope = varied_envelope if varied else plain_envelope
        self.wrong: str | None = None
        self.replies = 0
        self.random = Random(seed)
        began = time.perf_counter()
        with NamedTemporaryFile("w", suffix=".json") as config:
            json.dump(LOOKS_AT_EVERYTHING, config)
            config.flush()
            words = ["--config", config.name] if varied else []
            self._run([python, str(MAIN), "--log-level", "silent", *words])
        self.seconds = time.perf_counter() - began

    def _run(self, command: list[str]) -> None:
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            assert process.stdin is not None and process.stdout is not None
            reader = Thread(target=self._read, args=(process.stdout, process.pid))
            reader.start()
            try:
                self._write(process.stdin)
            except BrokenPipeError:
                self.wrong = self.wrong or "the node stopped reading"
            reader.join()
            process.stdin.close()
        self.status = process.returncode

    def _write(self, sink: IO[bytes]) -> None:
        lines: list[str] = []
        for number in range(self.count):
            while self.random.random() < GARBAGE_SHARE:
                lines.append(self.random.choice(GARBAGE))
            lines.append(self.envelope(number))
            if len(lines) >= 500:
                sink.write("\n".join([*lines, ""]).encode())
                lines.clear()
        # The last line has no answer, and tells the reader that nothing follows.
        lines.append('{"src": "end", "body": {"type": "end", "msg_id": 0}}\n')
        sink.write("\n".join(lines).encode())
        sink.flush()

    def _read(self, source: IO[bytes], pid: int) -> None:
        for line in source:
            reply = json.loads(line)
            if reply["dest"] == "end":
                break
            due = self.replies
            status = 404 if due % 3 == 2 else 200
            body = reply["body"]
            if (body.get("in_reply_to"), body.get("status")) != (due, status):
                self.wrong = self.wrong or f"reply {due} is {line!r}"
            self.replies += 1
        self.peak = peak_memory(pid)

    @property
    def problem(self) -> str | None:
        """What went wrong; None where every request had its one reply in its place."""
        if self.wrong is None and self.replies != self.count:
            return f"{self.replies} replies to {self.count} requests"
        if self.wrong is None and self.status != 0:
            return f"exit status {self.status}"
        return self.wrong

    def __str__(self) -> str:
        rate = self.count / self.seconds
        return (
            f"{self.count:,} requests, {self.replies:,} replies in {self.seconds:.1f} s "
            f"({rate:,.0f}/s), peak memory {self.peak:,} KiB: {self.problem or 'as it should be'}"
        )


def plain_envelope(number: int) -> str:
    """A request of one of a few clients."""
    pool = POOLS[number % 3]
    body = {"type": "http_request", "msg_id": number, "path": f"/{pool}/{number % 97}"}
    if number % 5 == 0:
        body["headers"] = {"Host": "example.com", "Accept": "*/*"}
    envelope = {"src": f"c{number % 7}", "dest": "l7_proxy", "body": body}
    return json.dumps(envelope, indent=2 if number % 11 == 0 else None)


def varied_envelope(number: int) -> str:
    """A request of which nothing came before."""
    client = f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
    headers = {
        "Host": f"h{number}.example.com",
        f"X-{number}": f"{number}",
        "Cookie": f"session_id={number:032x}; other-{number}=1",
        "User-Agent": "agent " * (number % 50) + str(number),
    }
    body = {
        "type": "http_request",
        "msg_id": number,
        "path": f"/{POOLS[number % 3]}/{number}?a={number}&b{number}=1",
        "headers": headers,
        "client_ip": client,
    }
    if number % 7 == 0:
        body["body"] = "x" * (number % 1000)
    return json.dumps({"src": f"c{number}", "dest": f"n{number}", "body": body})


def peak_memory(pid: int) -> int:
    """The most memory that a running process has had resident, in KiB (Linux)."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1])
    raise LookupError(f"no VmHWM for process {pid}")


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("messages", nargs="?", type=int, default=LONG, metavar="MESSAGES")
    parser.add_argument("--varied", action="store_true", help="nothing comes twice")
    parser.add_argument("--quick", action="store_true", help="2,000 and 4,000 messages")
    options = parser.parse_args()
    first = SHORT_VARIED if options.varied else SHORT
    counts = (2_000, 4_000) if options.quick else (first, options.messages)
    short, long = (Endurance(count, varied=options.varied) for count in counts)
    ratio = long.peak / short.peak
    print(short, long, f"memory ratio {ratio:.3f} (at most {MOST_GROWTH})", sep="\n")
    return 1 if short.problem or long.problem or ratio > MOST_GROWTH else 0


if __name__ == "__main__":
    sys.exit(main())
