"""The client's end of a tunnel, told apart from everything around it."""

from __future__ import annotations

import asyncio
from typing import cast

import pytest

from l7proxy.core.config import config_from
from l7proxy.server.client_timer import ClientTimer
from l7proxy.server.response_writer import ResponseWriter
from l7proxy.server.tunnel import ClientTunnel
from l7proxy.upstreams.http.write_batcher import WriteBatcher

TIMEOUTS = config_from(
    {"backends": ["a:1"], "server": {"timeouts": {"tunnel": 100}}}
).server.timeouts


class Ends(asyncio.Transport):
    """What happens at both ends of a tunnel: it is the client's transport and the backend's end."""

    def __init__(self, *, half_closes: bool = True) -> None:
        super().__init__()
        self.now = 0.0
        self.heard: list[str] = []
        self._half_closes = half_closes
        loop = cast("asyncio.AbstractEventLoop", None)
        self.writer = ResponseWriter(self, WriteBatcher(loop))
        self.timer = ClientTimer(self, lambda: self.now, TIMEOUTS)
        self.tunnel = ClientTunnel(
            self, self, self.writer, self.timer, lambda: self.heard.append("client: over")
        )

    def took(self) -> list[str]:
        heard, self.heard = self.heard, []
        return heard

    # The backend's end.

    def tunnel_data(self, data: bytes) -> None:
        self.heard.append(f"backend: {data.decode()}")

    def tunnel_end(self) -> None:
        self.heard.append("backend: end")

    def tunnel_lost(self) -> None:
        self.heard.append("backend: lost")

    # The client's end.

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.heard.append(f"client: {bytes(data).decode()}")

    def can_write_eof(self) -> bool:
        return self._half_closes

    def write_eof(self) -> None:
        self.heard.append("client: end")

    def pause_reading(self) -> None:
        self.heard.append("client: wait")

    def resume_reading(self) -> None:
        self.heard.append("client: go on")

    def get_write_buffer_size(self) -> int:
        return 7


def test_bytes_go_both_ways() -> None:
    ends = Ends()
    ends.tunnel.client_data(b"a")
    ends.tunnel.tunnel_data(b"b")
    assert ends.took() == ["backend: a", "client: b"]
    assert ends.writer.sent == 1


def test_a_client_that_ends_first_still_hears_the_backend() -> None:
    ends = Ends()
    assert ends.tunnel.client_end()
    ends.tunnel.tunnel_data(b"b")
    assert ends.took() == ["backend: end", "client: b"]
    ends.tunnel.tunnel_lost()
    ends.tunnel.client_lost()
    assert ends.took() == ["client: over"]


def test_a_tunnel_is_over_when_the_client_ends_after_the_backend() -> None:
    ends = Ends()
    ends.tunnel.tunnel_end()
    assert ends.took() == ["client: end"]
    assert ends.tunnel.client_end()
    assert ends.took() == ["backend: end", "backend: lost"]


def test_a_client_over_tls_can_not_be_told_of_half_an_end() -> None:
    ends = Ends(half_closes=False)
    ends.tunnel.tunnel_end()
    assert ends.took() == []
    assert not ends.tunnel.client_end()


def test_the_backend_hears_once_that_the_client_is_gone() -> None:
    ends = Ends()
    ends.tunnel.client_lost()
    ends.tunnel.client_lost()
    assert ends.took() == ["backend: lost"]


@pytest.mark.parametrize("event", ["client_data", "tunnel_data", "pause", "resume"])
def test_whatever_moves_in_a_tunnel_starts_its_time_anew(event: str) -> None:
    ends = Ends()
    events = {
        "client_data": lambda: ends.tunnel.client_data(b"a"),
        "tunnel_data": lambda: ends.tunnel.tunnel_data(b"a"),
        "pause": ends.tunnel.pause_reading,
        "resume": ends.tunnel.resume_reading,
    }
    ends.now = 5.0
    events[event]()
    assert ends.timer.deadline == 105.0


def test_a_client_that_has_to_read_is_not_freed_by_what_the_backend_sends() -> None:
    ends = Ends()
    ends.writer.pause()
    ends.tunnel.client_data(b"a")
    due = ends.timer.deadline
    assert due < 100
    ends.now = 1.0
    ends.tunnel.tunnel_data(b"b")
    ends.tunnel.pause_reading()
    assert ends.timer.deadline == due
