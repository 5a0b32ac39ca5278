"""What the node costs beside the least that anybody could do.

    python benchmarks/node.py [--runs 5] [--envelopes 300000]

Every figure is a ratio to something that runs beside it, in turns, in the same minutes: machines
are noisy, ratios much less so. Envelopes are counted by the processor time of the process that
handles them, with what its start costs taken off (that has a line of its own). The comparisons:

- the floor: read, decode, take the next backend of a cycle, write one formatted line; with
  msgspec's typed decoder, and with `json`. It routes nothing, checks nothing, escapes nothing.
- naive: what one writes first, `json.loads` and `print(json.dumps(...), flush=True)`.
- echo: reads what a pipe holds, and writes it back.

It needs msgspec for one of the floors and leaves that one out where there is none.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from random import Random

ROOT = Path(__file__).resolve().parent.parent
MAIN = [sys.executable, str(ROOT / "main.py")]
ENVIRONMENT = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}

LOOP = """
import os
from itertools import cycle
{prepare}
backends = cycle(("api-1", "api-2", "api-3"))
tail = b""
while data := os.read(0, 1 << 20):
    lines = (tail + data).split(b"\\n")
    tail = lines.pop()
    out = []
    for line in lines:
        {decode}
        out.append(
            f'{{{{"src": "{{{dest}}}", "dest": "{{{src}}}", "body": {{{{"type": "http_response", '
            f'"in_reply_to": {{{msg_id}}}, "status": 200, '
            f'"backend": "{{next(backends)}}"}}}}}}}}\\n'
        )
    os.write(1, "".join(out).encode())
"""
FLOOR_MSGSPEC = LOOP.format(
    prepare="""import msgspec
class Body(msgspec.Struct):
    type: str
    path: str
    msg_id: int = 0
    method: str = "GET"
    headers: dict[str, str] = {}
class Envelope(msgspec.Struct):
    src: str
    dest: str
    body: Body
decode = msgspec.json.Decoder(Envelope).decode""",
    decode="envelope = decode(line)",
    src="envelope.src",
    dest="envelope.dest",
    msg_id="envelope.body.msg_id",
)
FLOOR_JSON = (
    LOOP.format(
        prepare="from json import loads",
        decode="envelope = loads(line); body = envelope['body']",
        src='envelope["src"]',
        dest='envelope["dest"]',
        msg_id='body["msg_id"]',
    )
    .replace("f'", "f'''")
    .replace("'\n", "'''\n")
)
NAIVE = """
import json, sys
from itertools import cycle
backends = cycle(("api-1", "api-2", "api-3"))
for line in sys.stdin:
    envelope = json.loads(line)
    body = {"type": "http_response", "in_reply_to": envelope["body"]["msg_id"], "status": 200,
            "backend": next(backends)}
    print(json.dumps({"src": envelope["dest"], "dest": envelope["src"], "body": body}), flush=True)
"""
ECHO = """
import os
while data := os.read(0, 1 << 16):
    os.write(1, data)
"""

FULL = {
    "backend_pools": {
        "api": {
            "backends": ["api-1:8080", "api-2:8080", "api-3:8080"],
            "sticky": {"learn": {}},
            "health": {"interval": 1},
        },
        "static": {"backends": ["static-1:8080", "static-2:8080"], "health": {"interval": 1}},
    },
    "routes": [
        {"path_pattern": "/api/*", "host": "example.com", "headers": {"Accept": {"present": True}},
         "backend_pool": "api", "rewrite": {"strip_prefix": "/api"}},
        {"path_pattern": "/static/*", "host": "*.com", "backend_pool": "static"},
    ],
    "rate_limits": {"per_ip": {"requests_per_second": 1e6, "burst": 100000000}},
}  # fmt: skip


def write_envelopes(file: Path, *arguments: object) -> None:
    """Writes `envelopes` from a process of its own: what a process has used before it starts
    another would be counted as that one's memory."""
    program = f"import node; sys.stdout.buffer.write(node.envelopes(*{arguments!r}))"
    program = f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); {program}"
    with file.open("wb") as sink:
        subprocess.run([sys.executable, "-c", program], stdout=sink, check=True)


def envelopes(count: int, full: bool = False, first: str = "api") -> bytes:
    """Requests of seven clients for a few hundred paths; `full` ones have more to look at."""
    random = Random(1)
    second = "static" if first == "api" else "r0"
    kinds = (
        f"/{first}/users",
        f"/{second}/logo.png",
        f"/{first}/orders/%d",
        f"/{second}/js/app-%d.js",
    )
    headers = {"Host": "example.com"}
    more = {}
    if full:
        headers = {"Host": "example.com", "Accept": "*/*", "User-Agent": "curl/8.5.0"}
    lines = []
    for number in range(1, count + 1):
        path = random.choice(kinds)
        if "%" in path:
            path %= random.randrange(200)
        client = number % 7
        if full:
            more = {"client_ip": f"10.0.0.{client}", "cookies": {"session_id": f"s{client}"}}
        body = {"type": "http_request", "msg_id": number, "method": "GET", "path": path,
                "headers": headers, **more}  # fmt: skip
        lines.append(json.dumps({"src": f"c{client}", "dest": "l7_proxy", "body": body}))
    return "\n".join([*lines, ""]).encode()


class Subject:
    """A program, what it reads, and how long its runs took."""

    def __init__(self, command: list[str], source: Path, count: int) -> None:
        self.command = command
        self.source = source
        self.count = count
        self.costs: list[float] = []
        self.starts: list[float] = []
        self.peak = 0

    def run(self) -> None:
        """One run with the input, and one without any."""
        self.costs.append(self._cost(self.source))
        self.starts.append(self._cost(Path(os.devnull)))

    @property
    def per_envelope(self) -> float:
        """Median processor time for one envelope, in seconds, what the start costs aside."""
        cost = statistics.median(self.costs) - statistics.median(self.starts)
        return cost / self.count

    def _cost(self, source: Path) -> float:
        with source.open("rb") as file, subprocess.Popen(["cat"], stdin=file, stdout=-1) as feeder:
            process = subprocess.Popen(
                self.command, stdin=feeder.stdout, stdout=-1, env=ENVIRONMENT
            )
            assert feeder.stdout is not None
            feeder.stdout.close()
            with subprocess.Popen(["cat"], stdin=process.stdout, stdout=subprocess.DEVNULL):
                assert process.stdout is not None
                process.stdout.close()
                _, status, usage = os.wait4(process.pid, 0)
                process.returncode = status
        if status:
            raise SystemExit(f"{self.command} failed with status {status}")
        self.peak = max(self.peak, usage.ru_maxrss)
        return usage.ru_utime + usage.ru_stime


def in_turns(subjects: dict[str, Subject], runs: int) -> None:
    for _ in range(runs):
        for subject in subjects.values():
            subject.run()


def round_trips(command: list[str], count: int, cpu: int) -> list[float]:
    """Seconds from one envelope written to its answer read, one at a time, there on `cpu`."""
    lines = envelopes(count + 200).splitlines(keepends=True)
    times = []
    with subprocess.Popen(command, stdin=-1, stdout=-1, bufsize=0, env=ENVIRONMENT) as process:
        os.sched_setaffinity(process.pid, {cpu})
        assert process.stdin is not None and process.stdout is not None
        for line in lines:
            began = time.perf_counter()
            process.stdin.write(line)
            process.stdout.read(1 << 16)
            times.append(time.perf_counter() - began)
        process.stdin.close()
    return times[200:]


def starts(runs: int) -> float:
    """How long one envelope through main.py takes, as a ratio to `import json`."""
    sample = envelopes(1)
    times: dict[str, list[float]] = {"main": [], "json": []}
    commands = {"main": MAIN, "json": [sys.executable, "-c", "import json"]}
    for _ in range(runs * 4):
        for name, command in commands.items():
            began = time.perf_counter()
            subprocess.run(command, input=sample, stdout=-1, check=True, env=ENVIRONMENT)
            times[name].append(time.perf_counter() - began)
    return statistics.median(times["main"]) / statistics.median(times["json"])


def throughput(folder: Path, count: int, runs: int) -> None:
    simple, full, small = folder / "simple", folder / "full", folder / "small"
    write_envelopes(simple, count)
    write_envelopes(full, count, True)
    write_envelopes(small, count // 5)
    config = folder / "full.json"
    config.write_text(json.dumps(FULL))
    with_full = [*MAIN, "--config", str(config)]
    subjects = {
        "node": Subject(MAIN, simple, count),
        "floor, json": Subject([sys.executable, "-c", FLOOR_JSON], simple, count),
        "naive": Subject([sys.executable, "-c", NAIVE], small, count // 5),
        "full node": Subject(with_full, full, count),
        "full floor, json": Subject([sys.executable, "-c", FLOOR_JSON], full, count),
    }
    if find_spec("msgspec"):
        floor = [sys.executable, "-c", FLOOR_MSGSPEC]
        subjects["floor, msgspec"] = Subject(floor, simple, count)
        subjects["full floor, msgspec"] = Subject(floor, full, count)
    in_turns(subjects, runs)
    node, full_node = subjects["node"], subjects["full node"]
    for name, subject in subjects.items():
        beside = full_node if name.startswith("full") else node
        ratio = subject.per_envelope / beside.per_envelope
        print(
            f"{name:20} {1 / subject.per_envelope:>10,.0f} envelopes/s"
            + ("" if subject is beside else f"   the node does {ratio:.2f} of that")
        )
    print(
        f"{'peak memory':20} {node.peak / 1024:>10.1f} MiB (full {full_node.peak / 1024:.1f} MiB)"
    )


def sizes(folder: Path, count: int, runs: int) -> None:
    def config(name: str, backends: int, routes: int) -> list[str]:
        pool = {"backends": [f"b{i}:80" for i in range(backends)]}
        made = [{"path_pattern": f"/r{i}/*", "backend_pool": "p"} for i in range(routes)]
        file = folder / f"{name}.json"
        file.write_text(json.dumps({"backend_pools": {"p": pool}, "routes": made}))
        return [*MAIN, "--config", str(file)]

    source = folder / "sizes"
    write_envelopes(source, count, False, "r1")
    subjects = {
        "small": Subject(config("small", 3, 2), source, count),
        "10,000 backends": Subject(config("backends", 10_000, 2), source, count),
        "10,000 routes": Subject(config("routes", 3, 10_000), source, count),
    }
    in_turns(subjects, runs)
    for name, subject in subjects.items():
        if name != "small":
            ratio = subject.per_envelope / subjects["small"].per_envelope
            print(f"{name:20} {ratio:>10.2f} times the cost of 3 backends and 2 routes")


def latency(runs: int) -> None:
    """Round trips between two processors, as a harness has them, and on one.

    Waking another processor takes longer than anything else; what the node itself takes is seen
    better where both share one.
    """
    here, *others = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {here})
    for cpu, where in ((others[0] if others else here, "between two CPUs"), (here, "on one CPU")):
        times: dict[str, list[float]] = {"node": [], "echo": []}
        for _ in range(runs):
            times["node"] += round_trips(MAIN, 1000, cpu)
            times["echo"] += round_trips([sys.executable, "-c", ECHO], 1000, cpu)
        for share, name in ((50, "p50"), (99, "p99")):
            node, echo = (statistics.quantiles(t, n=100)[share - 1] for t in times.values())
            print(
                f"{'round trip ' + name:20} {node * 1e6:>10.1f} us {where}, {node / echo:.2f} times"
                f" that of an echo ({echo * 1e6:.1f} us)"
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--envelopes", type=int, default=300_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        throughput(folder, options.envelopes, options.runs)
        sizes(folder, options.envelopes // 2, options.runs)
    print(f"{'start':20} {starts(options.runs):>10.2f} times that of python -c 'import json'")
    latency(options.runs)


if __name__ == "__main__":
    main()
