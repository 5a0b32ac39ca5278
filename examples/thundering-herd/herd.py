"""Traffic for the thundering herd, and what became of it.

python3 herd.py traffic                 40,000 requests in ten virtual seconds, as envelopes
python3 herd.py figures < replies       what the clients saw, second by second
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict

RATE = 4000
SECONDS = 10


def traffic() -> None:
    """Writes the requests; the one with `msg_id` n is made at n / RATE seconds."""
    for n in range(RATE * SECONDS):
        body = {"type": "http_request", "msg_id": n, "path": "/shop"}
        print(json.dumps({"src": "client", "dest": "lb", "at": n / RATE, "body": body}))
    end = {"type": "status", "msg_id": RATE * SECONDS}
    print(json.dumps({"src": "client", "dest": "lb", "at": SECONDS, "body": end}))


def figures() -> None:
    """Reads the replies and prints a table: a row for each second in which requests were made."""
    waits: dict[int, list[float]] = defaultdict(list)
    failed: dict[int, int] = defaultdict(int)
    attempts = 0
    for line in sys.stdin:
        reply = json.loads(line)
        body = reply["body"]
        if body["type"] == "status_ok":
            attempts = sum(b["total"] for b in body["pools"]["shop"]["backends"].values())
            continue
        made_at = body["in_reply_to"] / RATE
        if body["status"] == 200:
            waits[int(made_at)].append(reply["at"] - made_at)
        else:
            failed[int(made_at)] += 1
    print("second  answered  failed  median ms   p99 ms")
    for second in range(SECONDS):
        good = sorted(waits[second])
        median, late = (
            f"{good[len(good) * part // 100] * 1000:.0f}" if good else "-" for part in (50, 99)
        )
        print(f"{second:6}{len(good):10}{failed[second]:8}{median:>11}{late:>9}")
    print(f"attempts per request: {attempts / (RATE * SECONDS):.2f}")


PARTS = {"traffic": traffic, "figures": figures}

if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] not in PARTS:
        print("usage: python3 herd.py traffic|figures", file=sys.stderr)
        sys.exit(2)
    PARTS[sys.argv[1]]()
