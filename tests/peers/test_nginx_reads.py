"""Whatever is forwarded, a real nginx takes it for the same requests, one for one."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

from l7proxy.core.config import config_from
from tests.http1.corpus import Accepted
from tests.http1.corpus.requests import CASES
from tests.peers.nginx import Backends, Nginx, needs_nginx
from tests.server.support import HALF_CLOSED, conversation, serving
from tests.server.test_corpus import FOR_THE_SERVER, NORMAL, outcome

REFUSED = {"field-much-space"}
"""What nginx is stricter about: it answers 400, which leaves nothing to disagree about."""


@needs_nginx
def test_nginx_reads_what_is_forwarded_as_the_same_requests(tmp_path: Path) -> None:
    path = f"/tmp/l7proxy-{tmp_path.stat().st_ino}.sock"
    log = tmp_path / "access.log"
    more = (
        "log_format seen '$request_method $request_uri $status'; "
        f"server {{ listen unix:{path}; access_log {log} seen; merge_slashes off; "
        "client_max_body_size 0; large_client_header_buffers 8 64k; "
        "location / { return 200 ok; } }"
    )
    backends = Backends("a")
    meant: list[str] = []

    @conversation
    async def talk() -> None:
        async with serving(f"unix:{path}") as proxy:
            pools = {"api": {"backends": [f"unix:{path}"], "upstream": "http"}}
            routes = [{"path_pattern": "/*", "backend_pool": "api"}]
            paths = {"merge_slashes": False}
            settings = {"backend_pools": pools, "routes": routes, "paths": paths}
            proxy.server.reload(config_from({**settings, "server": HALF_CLOSED}))
            for case in CASES:
                accepted = [one for one in case.expect if isinstance(one, Accepted)]
                # A message that breaks off has no end to agree about.
                if case.name not in FOR_THE_SERVER and len(accepted) == len(case.expect):
                    await asyncio.wait_for(outcome(proxy, case, bytewise=False), 5)
                    meant.extend(f"{as_logged(one)} {case.name}" for one in accepted)
            assert proxy.in_flight == 0

    try:
        with Nginx(backends, more, []):
            talk()
        seen = log.read_text().splitlines()
    finally:
        backends.close()
        Path(path).unlink(missing_ok=True)
    differ = [b for a, b in zip(seen, meant, strict=True) if a != b.rpartition(" ")[0]]
    assert {line.rpartition(" ")[2] for line in differ} == REFUSED


def as_logged(one: Accepted) -> str:
    """The line that nginx writes about the request."""
    if not re.fullmatch("[A-Z_-]+", one.method):
        return "- - 400"
    return f"{one.method} {NORMAL.get(one.path, one.path)} 200"
