"""What the node costs beside the least that anybody could do, for traffic as people send it.

    python benchmarks/node.py [--lines 60000] [--runs 5] [--traffic honest,repeated] [--quick]

Processor time for a line, of the process that handles it; what the first lines cost, the start
included, is taken off (the start has a line of its own). `measure.py` says how, `traffic.py` what
the kinds of traffic are. Each is run through:

- the floors: read, decode, take the next backend of a cycle, write one formatted line; with
  msgspec's typed decoder, and with `json`. They route nothing, check nothing, escape nothing.
- naive: what one writes first, `json.loads` and `print(json.dumps(...), flush=True)`.
- the node, with msgspec and bare, which is with the standard library alone.

Then, for the honest mix: everything configured that a request can meet, 10,000 backends or routes,
the start beside `import json`, and round trips beside an echo's. What needs msgspec is left out
where there is none.
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
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.measure import (
    BARE,
    ENVIRONMENT,
    MAIN,
    Subject,
    conditions,
    in_turns,
    installed,
    ratio,
    run,
    table,
)
from benchmarks.traffic import TRAFFIC, lines, write_lines

LOOP = """
import os
from itertools import cycle
{prepare}
backends = cycle(("api-1", "api-2", "api-3"))
tail = b""
while data := os.read(0, 1 << 16):
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
    body: str = ""
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

HAS_MSGSPEC = installed("msgspec") is not None
PROGRAMS = {
    "msgspec floor": [sys.executable, "-c", FLOOR_MSGSPEC],
    "json floor": [sys.executable, "-c", FLOOR_JSON],
    "naive loop": [sys.executable, "-c", NAIVE],
    "node": MAIN,
    "bare node": BARE,
}
if not HAS_MSGSPEC:
    del PROGRAMS["msgspec floor"], PROGRAMS["node"]

RATIOS = (
    ("msgspec floor", "node"),
    ("json floor", "bare node"),
    ("naive loop", "bare node"),
)
"""The first one's cost as a share of the second one's: 1 is as fast, less is slower."""

HOSTS = ["*.example.com", "www.example.org"]
FULL = {
    "backend_pools": {
        "api": {
            "backends": ["api-1:8080", "api-2:8080", "api-3:8080"],
            "sticky": {"learn": {"cookie": "session"}},
            "health": {"interval": 1},
        },
        "static": {"backends": ["static-1:8080", "static-2:8080"], "health": {"interval": 1}},
    },
    "routes": [
        {"path_pattern": "/api/*", "host": HOSTS, "headers": {"Accept": {"present": True}},
         "backend_pool": "api", "rewrite": {"strip_prefix": "/api"}},
        {"path_pattern": "/static/*", "host": HOSTS, "backend_pool": "static"},
    ],
    "rate_limits": {"per_ip": {"requests_per_second": 1e6, "burst": 100000000}},
}  # fmt: skip


class Inputs:
    """Files with traffic in a folder: all the lines, and their beginning."""

    def __init__(self, folder: Path, count: int) -> None:
        self.folder = folder
        self.count = count
        self.first = min(2000, count // 4)

    def make(self, name: str) -> tuple[Path, Path]:
        """The files with that kind of traffic."""
        files = tuple(self.folder / f"{name}-{count}" for count in (self.count, self.first))
        for file, count in zip(files, (self.count, self.first), strict=True):
            if not file.exists():
                write_lines(file, name, count)
        return files[0], files[1]

    def configured(self, name: str, config: object) -> list[str]:
        """The node with a configuration."""
        file = self.folder / f"{name}.json"
        file.write_text(json.dumps(config))
        return [*(MAIN if HAS_MSGSPEC else BARE), "--config", str(file)]


def by_traffic(inputs: Inputs, names: Sequence[str], runs: int, files: bool) -> None:
    """The table of all programs and all kinds of traffic.

    Microseconds a line, then ratios, then what a byte costs to what it costs in the honest mix.
    """
    measured: dict[str, dict[str, Subject]] = {}
    for name in names:
        source, beginning = inputs.make(name)
        measured[name] = {
            program: Subject(command, source, beginning) for program, command in PROGRAMS.items()
        }
    in_turns(
        [one for programs in measured.values() for one in programs.values()], runs, files=files
    )
    nodes = [program for program in PROGRAMS if program.endswith("node")]
    ratios = [pair for pair in RATIOS if pair[0] in PROGRAMS]
    header = ["traffic", "bytes", *PROGRAMS]
    header += [f"{one} / {two}" for one, two in ratios]
    header += [f"{node}, a byte" for node in nodes if "honest" in names]
    rows = []
    for name, programs in measured.items():
        length = programs["naive loop"].source.stat().st_size / inputs.count
        row = [f"{name}: {TRAFFIC[name].about}", f"{length:.0f}"]
        row += [f"{programs[program].cost:.2f}" for program in PROGRAMS]
        row += [f"{ratio(programs[one], programs[two]):.2f}" for one, two in ratios]
        if "honest" in measured:
            honest = measured["honest"]
            per_byte = honest["naive loop"].source.stat().st_size / inputs.count / length
            row += [f"{ratio(programs[node], honest[node]) * per_byte:.2f}" for node in nodes]
        rows.append(row)
    print(table(header, rows))


def by_configuration(inputs: Inputs, runs: int, files: bool, most: int) -> None:
    """The table of configurations, all with the honest mix; `most` backends and routes."""
    source, beginning = inputs.make("honest")
    commands = {
        "the default configuration": MAIN if HAS_MSGSPEC else BARE,
        "hosts, conditions, rewrites, sessions, limits and checks": inputs.configured("full", FULL),
        "3 backends, 2 routes": inputs.configured("small", sized(3, 2)),
        f"{most:,} backends, 2 routes": inputs.configured("backends", sized(most, 2)),
        f"3 backends, {most:,} routes": inputs.configured("routes", sized(3, most)),
    }
    subjects = {name: Subject(command, source, beginning) for name, command in commands.items()}
    in_turns(subjects.values(), runs, files=files)
    base = subjects["3 backends, 2 routes"]
    rows = [
        [name, f"{subject.cost:.2f}", f"{ratio(subject, base):.2f}", f"{subject.memory:.1f}"]
        for name, subject in subjects.items()
    ]
    print(table(["configuration, honest mix", "us", "to 3 backends, 2 routes", "peak MiB"], rows))


def sized(backends: int, routes: int) -> dict[str, object]:
    """A configuration with so many backends in the pool `api`, and routes that need a look."""
    patterns = ["/api/*", "/static/*", *(f"/r{number}/*" for number in range(routes - 2))]
    return {
        "backend_pools": {
            "api": {"backends": [f"b{number}:80" for number in range(backends)]},
            "static": {"backends": ["static-1:80", "static-2:80"]},
        },
        "routes": [
            {"path_pattern": pattern, "backend_pool": "static" if pattern[1] == "s" else "api"}
            for pattern in patterns
        ],
    }


def start(folder: Path, runs: int) -> None:
    """One envelope through main.py as a ratio to `import json`."""
    sample = folder / "sample"
    write_lines(sample, "honest", 1)
    commands = {"main": MAIN, "json": [sys.executable, "-c", "import json"]}
    seconds: dict[str, list[float]] = {name: [] for name in commands}
    wall: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(runs * 4):
        for name, command in commands.items():
            began = time.perf_counter()
            seconds[name].append(run(command, sample, files=True).seconds)
            wall[name].append(time.perf_counter() - began)
    for what, times in (("processor time", seconds), ("wall time", wall)):
        rounds = [one / two for one, two in zip(times["main"], times["json"], strict=True)]
        print(
            f"start: one envelope takes {statistics.median(rounds):.2f} times "
            f"python -c 'import json' ({what}, {statistics.median(times['main']) * 1e3:.0f} ms)"
        )


def round_trips(command: Sequence[str], asked: Sequence[bytes], cpu: int) -> list[float]:
    """Seconds from an envelope written to its answer read, one at a time, there on `cpu`."""
    times = []
    with subprocess.Popen(command, stdin=-1, stdout=-1, bufsize=0, env=ENVIRONMENT) as process:
        os.sched_setaffinity(process.pid, {cpu})
        assert process.stdin is not None and process.stdout is not None
        for line in asked:
            began = time.perf_counter()
            process.stdin.write(line)
            process.stdout.read(1 << 16)
            times.append(time.perf_counter() - began)
        process.stdin.close()
    return times[len(times) // 6 :]


def latency(count: int, runs: int) -> None:
    """Round trips between two processors, as a harness has them, and on one.

    Waking another processor takes longer than anything else; what the node itself takes is seen
    better where both share one.
    """
    asked = list(lines("honest", count))
    commands = {"node": MAIN, "echo": [sys.executable, "-c", ECHO]}
    here, *others = allowed = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {here})
    for cpu, where in ((others[0] if others else here, "between two CPUs"), (here, "on one CPU")):
        times: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(runs):
            for name, command in commands.items():
                times[name] += round_trips(command, asked, cpu)
        for share, name in ((50, "p50"), (99, "p99")):
            node, echo = (statistics.quantiles(t, n=100)[share - 1] for t in times.values())
            print(
                f"round trip {where}, {name}: {node * 1e6:.1f} us, {node / echo:.2f} times "
                f"an echo's ({echo * 1e6:.1f} us)"
            )
    os.sched_setaffinity(0, allowed)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--lines", type=int, default=60_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--traffic", help="kinds of traffic, separated by commas; nothing else")
    parser.add_argument(
        "--files", action="store_true", help="read a file, not a pipe; write to null"
    )
    parser.add_argument(
        "--quick", action="store_true", help="does it run? its figures mean nothing"
    )
    options = parser.parse_args()
    count, runs = (400, 1) if options.quick else (options.lines, options.runs)
    names = options.traffic.split(",") if options.traffic else list(TRAFFIC)
    if options.quick:
        names = ["honest", "repeated"]
    through = "a file in, /dev/null out" if options.files else "pipes"
    print(conditions(f"{count:,} lines through {through}", f"{runs} runs in turns"), end="\n\n")
    with tempfile.TemporaryDirectory() as name:
        inputs = Inputs(Path(name), count)
        by_traffic(inputs, names, runs, options.files)
        if options.traffic:
            return
        print()
        by_configuration(inputs, runs, options.files, 100 if options.quick else 10_000)
        print()
        start(inputs.folder, runs)
    latency(min(count, 1200), runs)


if __name__ == "__main__":
    main()
