"""What the tests of commands share when they run in this process."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from l7proxy.node import blocking_loop


class Ran:
    """Stands for the blocking loop: what it was asked to run."""

    def __init__(self) -> None:
        self.node: Any = None
        self.options: dict[str, Any] = {}

    def __call__(self, node: Any, source: int, sink: int, **options: Any) -> None:
        self.node, self.options = node, {"source": source, **options}
        self.sink = os.fstat(sink)
        self.printed_to = os.fstat(1)


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> Ran:
    """The node, and what it would have run with."""
    runs = Ran()
    monkeypatch.setattr(blocking_loop, "run", runs)
    return runs


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A configuration of one pool."""
    file = tmp_path / "config.json"
    file.write_text('{"backends": ["a:1"]}')
    return file


@pytest.fixture
def kept_stdout() -> Iterator[None]:
    """Gives the process its stdout back, whatever a command has made of it."""
    kept = os.dup(1)
    yield
    os.dup2(kept, 1)
    os.close(kept)
