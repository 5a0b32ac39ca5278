"""Traffic that is played, and what a replay makes of it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from random import Random
from typing import Any

from l7proxy.core.config import config_from
from l7proxy.node.replay_node import ReplayNode
from l7proxy.tools.formats import Traffic
from l7proxy.tools.metrics import ReplayMetrics
from l7proxy.tools.replay import replay, report
from tests.processes import ROOT

LOG = ROOT / "examples" / "access.log"

POOLS: dict[str, Any] = {
    "api": {
        "backends": ["a:80", {"address": "b:80", "weight": 3}],
        "simulate": {"latency": 0.5},
    },
    "web": {"backends": ["w:80"], "rate_limit": {"requests_per_second": 1, "burst": 2}},
}


def request(at: float, path: str, src: str = "c", **body: Any) -> dict[str, Any]:
    return {"src": src, "at": at, "body": {"type": "http_request", "path": path, **body}}


def played(
    envelopes: Iterable[dict[str, Any]], config: dict[str, Any] | None = None, seed: int = 0
) -> tuple[dict[str, Any], ReplayMetrics]:
    return played_traffic(Traffic(json.dumps(envelope) for envelope in envelopes), config, seed)


def played_traffic(
    traffic: Traffic, config: dict[str, Any] | None = None, seed: int = 0
) -> tuple[dict[str, Any], ReplayMetrics]:
    metrics = ReplayMetrics()
    player = ReplayNode(
        config_from(config or {"backend_pools": POOLS}),
        Random(seed),
        metrics.ended,
        on_configured=metrics.watch,
        on_note=metrics.note,
    )
    replay(traffic, [player])
    return report(metrics, traffic, player.refused), metrics


def backend_named(metrics: ReplayMetrics, name: str) -> Any:
    return next(backend for backend in metrics.series if backend.name == name)
