"""Which event loop serves."""

from __future__ import annotations

import asyncio
import sys

import pytest

from l7proxy.server.loop import new_event_loop


def kind(*, fast: bool) -> str:
    loop = new_event_loop(fast=fast)
    try:
        return type(loop).__module__.partition(".")[0]
    finally:
        loop.close()


def test_uvloop_serves_unless_it_is_not_wanted() -> None:
    pytest.importorskip("uvloop")
    assert (kind(fast=True), kind(fast=False)) == ("uvloop", "asyncio")


def test_without_uvloop_asyncio_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uvloop", None)
    assert kind(fast=True) == kind(fast=False) == asyncio.__name__
