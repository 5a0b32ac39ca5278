"""Responses that are kept as a whole: which backends are read from while there is little room."""

from __future__ import annotations

from l7proxy.core import Exchange, HttpResponse
from l7proxy.upstreams.http import ResponseMemory
from tests.core.test_exchange import Story


class Backend:
    """A flow, and the exchange whose response it brings."""

    def __init__(self, story: Story) -> None:
        self.exchange: Exchange = story.open()
        self.reads = True

    def pause_reading(self) -> None:
        self.reads = False

    def resume_reading(self) -> None:
        self.reads = True


class Responses:
    """Three backends, and what they share."""

    def __init__(self) -> None:
        story = Story("a")
        self.backends = [Backend(story) for _ in range(3)]
        self.memory = ResponseMemory(100)

    def come(self, number: int, count: int) -> None:
        backend = self.backends[number]
        self.memory.take(backend.exchange, count, backend)

    def complete(self, number: int) -> None:
        self.memory.give_back(self.backends[number].exchange)

    @property
    def read(self) -> str:
        return "".join(str(n) for n, backend in enumerate(self.backends) if backend.reads)


def test_all_are_read_while_there_is_room_and_then_only_the_first() -> None:
    responses = Responses()
    for number, count, read in ((0, 50, "012"), (1, 50, "012"), (2, 1, "01"), (1, 9, "0")):
        responses.come(number, count)
        assert responses.read == read
    responses.come(0, 1000)
    assert responses.read == "0"
    responses.complete(0)
    assert responses.read == "012"


def test_who_is_first_is_read_on_though_it_takes_all_of_the_room_and_then_the_next() -> None:
    responses = Responses()
    for number in (0, 1, 2):
        responses.come(number, 200)
    assert responses.read == "0"
    responses.complete(0)
    assert responses.read == "01"
    responses.complete(1)
    assert responses.read == "012"
    responses.complete(2)
    responses.come(1, 100)
    assert responses.read == "012"


def test_one_that_breaks_off_makes_room_when_somebody_looks() -> None:
    responses = Responses()
    for number in (0, 1, 2):
        responses.come(number, 200)
    responses.backends[0].exchange.answered(HttpResponse(502), 0.0)
    responses.memory.look()
    assert responses.read == "01"


def test_nobody_is_read_from_while_nobody_takes_what_is_complete() -> None:
    responses = Responses()
    responses.memory.look(is_open=False)
    responses.come(0, 1)
    responses.come(1, 1)
    responses.complete(2)
    assert responses.read == "2"
    responses.memory.look(is_open=True)
    assert responses.read == "012"
