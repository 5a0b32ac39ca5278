"""What must hold of any bytes at all, whatever the parsers make of them.

- Nothing but BadRequest or BadResponse is ever raised.
- In one piece, in random pieces, cut at each CR and (where there are few) in single bytes they
  have one outcome, under limits that are never met as well as under such that often are.
- Whatever is accepted means the same to other readers: see `differential`.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from l7proxy.http1 import DEFAULT_LIMITS, Limits

from .differential import disagreements, response_disagreements
from .support import bytewise, read_requests, read_response, split

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

_FEW = 400
_NARROW = Limits(head=120, line=40, fields=4, trailers=40, chunk_line=16, extensions=20, interim=2)

ASKED = (("GET", False), ("GET", True), ("HEAD", False), ("CONNECT", False))
"""What a response may answer: a method, and whether an upgrade was asked for."""


def request_faults(data: bytes) -> list[str]:
    """Every way in which what a client sends is mistreated; [] if all is well."""
    return [*_cutting_faults(data, read_requests), *disagreements(data)[1]]


def response_faults(data: bytes) -> list[str]:
    """Every way in which what a backend sends is mistreated, whatever it answers."""
    faults = []
    for method, upgrade in ASKED:

        def read(
            pieces: Iterable[bytes], limits: Limits, method: str = method, upgrade: bool = upgrade
        ) -> object:
            return read_response(pieces, method, upgrade, limits)

        found = [*_cutting_faults(data, read), *response_disagreements(data, method)[1]]
        faults += [f"in answer to {method}: {fault}" for fault in found]
    return faults


def _cutting_faults(
    data: bytes, read: Callable[[Iterable[bytes], Limits], object]
) -> Iterator[str]:
    """The cuts are drawn from the data, so that a fault can be repeated."""
    dice = random.Random(data)
    cuttings = [
        [dice.randrange(len(data) + 1) for _ in range(3)],
        [at for at, byte in enumerate(data, 1) if byte == 0x0D],
    ]
    for limits in (DEFAULT_LIMITS, _NARROW):
        whole = read([data], limits)
        for cuts in cuttings:
            if (outcome := read(split(data, cuts), limits)) != whole:
                yield f"cut at {sorted(cuts)} the outcome is {outcome}, not {whole}"
        if len(data) < _FEW and (outcome := read(bytewise(data), limits)) != whole:
            yield f"byte by byte the outcome is {outcome}, not {whole}"
