"""A directory with a configuration and its tests, as `l7proxy test` is given one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.tools.here import run

CONFIG: dict[str, Any] = {
    "backend_pools": {
        "a": {"backends": ["a1:80", "a2:80"], "simulate": {"latency": 2}},
        "b": {"backends": ["b:80"]},
    }
}


def lines(file: Path, *values: Any) -> None:
    file.write_text("".join(json.dumps(value) + "\n" for value in values))


def asked(path: str, at: float | None = None) -> dict[str, Any]:
    made: dict[str, Any] = {"src": "c", "dest": "n", "body": {"type": "http_request", "path": path}}
    return made if at is None else {**made, "at": at}


def run_tests(project: Path, *words: str | Path) -> Any:
    return run("test", "--config", project / "config.json", *words)
