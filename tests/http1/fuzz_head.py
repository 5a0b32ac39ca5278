"""Mutates requests and responses for a while and looks for anything that should never happen.

    python -m tests.http1.fuzz_head --seconds 60 --seed 1

Each input is a message of the corpus, or a splice of two, with a few random changes. Checked:

- nothing but BadRequest or BadResponse is ever raised;
- one piece, random pieces and (for short inputs) single bytes have the same outcome;
- whatever is accepted, h11 and httptools read as the same one message, as it came and as it is
  sent on.

The run is repeatable: seed and number of the input name it. Exits with 1 if there was a finding.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
import traceback

from .corpus import Accepted
from .corpus.requests import CASES as REQUESTS
from .corpus.responses import CASES as RESPONSES
from .differential import disagreements
from .strategies import SNIPPETS
from .support import bytewise, read_requests, read_response, split

_SHORT = 400


def mutate(dice: random.Random, seeds: list[bytes]) -> bytes:
    data = bytearray(dice.choice(seeds))
    if dice.random() < 0.2:
        other = dice.choice(seeds)
        data[dice.randrange(len(data) + 1) :] = other[dice.randrange(len(other) + 1) :]
    for _ in range(dice.choice((0, 1, 1, 1, 2, 2, 3, 5))):
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


def check_request(dice: random.Random, data: bytes) -> tuple[int, list[str]]:
    findings = []
    whole = read_requests([data])
    cuts = [dice.randrange(len(data) + 1) for _ in range(3)]
    if read_requests(split(data, cuts)) != whole:
        findings.append(f"cut at {cuts} the outcome is not {whole}")
    if len(data) < _SHORT and read_requests(bytewise(data)) != whole:
        findings.append(f"byte by byte the outcome is not {whole}")
    compared, disagreed = disagreements(data)
    return compared, findings + disagreed


def check_response(dice: random.Random, data: bytes) -> tuple[int, list[str]]:
    method = dice.choice(("GET", "GET", "HEAD", "CONNECT"))
    upgrade = dice.random() < 0.3
    whole = read_response([data], method, upgrade)
    cuts = [dice.randrange(len(data) + 1) for _ in range(3)]
    if read_response(split(data, cuts), method, upgrade) != whole:
        return 0, [f"cut at {cuts} the answer to {method} is not {whole}"]
    return 0, []


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()

    requests = [case.data for case in REQUESTS if len(case.data) < 2000]
    # Valid messages come up more often: what is near them is more often accepted.
    requests += 3 * [
        case.data
        for case in REQUESTS
        if len(case.data) < 2000 and all(isinstance(each, Accepted) for each in case.expect)
    ]
    responses = [case.data for case in RESPONSES if len(case.data) < 2000]
    deadline = time.monotonic() + arguments.seconds
    executed = accepted = found = 0
    while time.monotonic() < deadline:
        dice = random.Random(f"{arguments.seed}/{executed}")
        if dice.random() < 0.75:
            data, check = mutate(dice, requests), check_request
        else:
            data, check = mutate(dice, responses), check_response
        try:
            compared, findings = check(dice, data)
        except Exception:
            compared, findings = 0, [traceback.format_exc()]
        executed += 1
        accepted += compared
        found += bool(findings)
        for finding in findings:
            print(f"seed {arguments.seed}, input {executed - 1}: {data!r}\n  {finding}", flush=True)
    print(f"{executed} inputs, {accepted} messages compared with peers, {found} with findings")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
