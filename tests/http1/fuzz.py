"""Looks for bytes that break the parsers' promises, guided by what each input reaches.

    pip install atheris
    python -m tests.http1.fuzz requests FOUND -max_total_time=600
    python -m tests.http1.fuzz responses FOUND -max_total_time=600
    python -m tests.http1.fuzz requests crash-1234...

What must hold is in `invariants`; with `proxied-requests` and `proxied-responses` it is what must
hold of a whole proxy, in `tests.server.in_memory`. A run begins with the messages of the corpus and
those in the directory FOUND, where it keeps each input that reached something new. The first input
that breaks a promise is shown, kept in a file `crash-...`, and ends the run; given such a file, the
run is of that input alone. All arguments but the first are libFuzzer's.

The parsers consist of regular expressions, which run in C and leave no trace of how far they came.
So more is taken for a branch than those in the code: each sentence that a refusal can be, and
each sequence of three kinds of bytes in what is accepted.
"""

from __future__ import annotations

import random
import re
import sys
import tempfile
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path

import atheris

from .corpus import RequestCase, ResponseCase
from .corpus.requests import CASES as REQUESTS
from .corpus.responses import CASES as RESPONSES
from .strategies import SNIPPETS

with atheris.instrument_imports(include=["l7proxy", "h11"]):
    from l7proxy.http1 import BadMessage
    from tests.server import in_memory

    from . import invariants
    from .support import forward_all, pass_on

_LONG = 2000
"""Longer messages of the corpus are left out: they are slow, and about limits."""

_KINDS = (
    b" \t", b"\r", b"\n", b":", b";", b",", b"=", b'"', b"/", b"0", b"123456789", b"abcdefABCDEF",
    b"ghijklmnopqrstuvwxyzGHIJKLMNOPQRSTUVWXYZ", b"!#$%&'*+-.^_`|~", bytes(range(0x80, 0x100)),
)  # fmt: skip
"""Kinds of bytes; all other bytes are one more."""


class Broken(Exception):
    """A promise is broken."""


class Novelty:
    """Tells libFuzzer of branches that are not in the code."""

    def __init__(self) -> None:
        self._branches = [_branch() for _ in range(1 << 13)]
        kinds = [len(_KINDS)] * 256
        for number, kind in enumerate(_KINDS):
            for byte in kind:
                kinds[byte] = number
        self._kinds = bytes(kinds)

    def refused(self, reason: str) -> None:
        """Two refusals are alike where they differ in numbers and quotations alone."""
        self._take(re.sub(r"['\"].*['\"]|[0-9]+", "", reason).encode())

    def accepted(self, message: bytes) -> None:
        kinds = message.translate(self._kinds)
        for three in {kinds[at : at + 3] for at in range(len(kinds) - 2)}:
            self._take(three)

    def _take(self, name: bytes) -> None:
        self._branches[zlib.crc32(name) % len(self._branches)]()


def _branch() -> Callable[[], None]:
    """A function that does nothing, and counts as a branch of its own when it is called."""

    def branch() -> None: ...

    instrumented: Callable[[], None] = atheris.instrument_func(branch)
    return instrumented


class Mutator:
    """Changes an input as libFuzzer does, or by the tokens of HTTP."""

    def __init__(self, seeds: list[bytes]) -> None:
        self._seeds = seeds

    def __call__(self, data: bytes, max_size: int, seed: int) -> bytes:
        dice = random.Random(seed)
        if dice.random() < 0.4:
            mutated: bytes = atheris.Mutate(data, max_size)
            return mutated
        return self._by_tokens(dice, bytearray(data))[:max_size]

    def _by_tokens(self, dice: random.Random, data: bytearray) -> bytes:
        if dice.random() < 0.1:
            other = dice.choice(self._seeds)
            data[dice.randrange(len(data) + 1) :] = other[dice.randrange(len(other) + 1) :]
        for _ in range(dice.choice((1, 1, 1, 2, 2, 3, 5))):
            at = dice.randrange(len(data) + 1)
            kind = dice.randrange(6)
            if kind == 0:
                data[at:at] = dice.choice(SNIPPETS)
            elif kind == 1:
                del data[at : at + dice.randrange(1, 6)]
            elif kind == 2 and at < len(data):
                data[at] = dice.randrange(256)
            elif kind == 3 and at < len(data):
                data[at] ^= 0x20
            elif kind == 4:
                data[at:at] = data[at : at + dice.randrange(1, 40)]
            else:
                data[at : at + dice.randrange(4)] = dice.choice(SNIPPETS)
        return bytes(data)


def notice_requests(data: bytes, novelty: Novelty) -> None:
    try:
        for message in forward_all(data):
            novelty.accepted(message.raw)
    except BadMessage as bad:
        novelty.refused(bad.reason)
    except ValueError:
        pass


def notice_response(data: bytes, novelty: Novelty) -> None:
    try:
        novelty.accepted(pass_on(data, "GET").raw)
    except BadMessage as bad:
        novelty.refused(bad.reason)


TARGETS: dict[
    str,
    tuple[
        Sequence[RequestCase] | Sequence[ResponseCase],
        Callable[[bytes, Novelty], None],
        Callable[[bytes], list[str]],
    ],
] = {
    "requests": (REQUESTS, notice_requests, invariants.request_faults),
    "responses": (RESPONSES, notice_response, invariants.response_faults),
    "proxied-requests": (REQUESTS, notice_requests, in_memory.request_faults),
    "proxied-responses": (RESPONSES, notice_response, in_memory.response_faults),
}


def main() -> None:
    if sys.argv[1:2] not in ([name] for name in TARGETS):
        sys.exit(f"{__doc__}\nThe first argument must be one of {', '.join(TARGETS)}.")
    cases, notice, faults_of = TARGETS[sys.argv.pop(1)]
    seeds = [case.data for case in cases if len(case.data) <= _LONG]
    novelty = Novelty()

    def test_one_input(data: bytes) -> None:
        notice(data, novelty)
        faults = faults_of(data)
        if faults:
            raise Broken("\n".join((repr(data), *faults)))

    paths = [Path(argument) for argument in sys.argv[1:] if not argument.startswith("-")]
    with tempfile.TemporaryDirectory() as corpus:
        if not any(path.is_file() for path in paths):
            for path in paths:
                path.mkdir(parents=True, exist_ok=True)
            for number, data in enumerate(seeds):
                Path(corpus, str(number)).write_bytes(data)
            sys.argv.append(corpus)
        atheris.Setup(sys.argv, test_one_input, custom_mutator=Mutator(seeds))
        atheris.Fuzz()


if __name__ == "__main__":
    main()
