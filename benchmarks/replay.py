"""What a replay costs beside the node itself, for the same requests; and its memory.

    python benchmarks/replay.py [--requests 1000000] [--runs 3]

An access log is made up, and the same requests as envelopes, with the times of the log (`at`) and
without. Each program runs in turns with the others; the least processor time counts. Memory is
the largest that a replay had, beside that of a replay of a tenth of the log.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from random import Random

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
MAIN = [sys.executable, str(ROOT / "main.py")]

MEASURED = """
import os, resource, subprocess, sys
subprocess.run(sys.argv[2:], stdin=open(sys.argv[1]), stdout=subprocess.DEVNULL, check=True)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(used.ru_utime + used.ru_stime, used.ru_maxrss)
"""


def make(folder: Path, requests: int) -> tuple[Path, Path, Path]:
    """The log, and its requests as envelopes with and without their times."""
    from l7proxy.tools.formats import find_reader

    random = Random(1)
    read = find_reader("combined")
    files = tuple(folder / f"{name}-{requests}" for name in ("log", "at", "now"))
    log, at, now = (file.open("w") for file in files)
    paths = [f"/api/users/{n}" for n in range(500)] + ["/static/app.js", "/static/a.css", "/none"]
    seconds = 0.0
    for number in range(requests):
        seconds += random.expovariate(500)
        whole = int(seconds)
        clock = f"{whole // 3600 % 24:02}:{whole // 60 % 60:02}:{whole % 60:02}"
        line = (
            f"192.0.2.{random.randrange(1, 250)} - - [01/Mar/2026:{clock} +0000] "
            f'"GET {random.choice(paths)} HTTP/1.1" 200 512 "-" "Mozilla/5.0 (X11; Linux x86_64)"\n'
        )
        log.write(line)
        envelope = read(line)
        body = {"type": "http_request", "msg_id": number, **envelope["body"]}
        said = {"src": envelope["src"], "dest": "lb", "body": body}
        now.write(json.dumps(said) + "\n")
        at.write(json.dumps({**said, "at": whole}) + "\n")
    for file in (log, at, now):
        file.close()
    return files[0], files[1], files[2]


def measure(stdin: Path | str, *words: str | Path) -> tuple[float, int]:
    """Processor time (seconds) and memory (KiB) of the program."""
    command = [sys.executable, "-c", MEASURED, str(stdin), *MAIN, *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    seconds, memory = done.stdout.split()
    return float(seconds), int(memory)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        log, at, now = make(folder, options.requests)
        short, _, _ = make(folder, options.requests // 10)
        programs: dict[str, tuple[Path | str, tuple[str | Path, ...]]] = {
            "node, the same times": (at, ()),
            "node, no times": (now, ()),
            "replay of the log": (os.devnull, ("replay", log)),
            "replay of the envelopes": (os.devnull, ("replay", at)),
            "replay of a tenth": (os.devnull, ("replay", short)),
        }
        best: dict[str, tuple[float, int]] = {}
        for _ in range(options.runs):
            for title, (stdin, words) in programs.items():
                best[title] = min(best.get(title, (1e9, 0)), measure(stdin, *words))
        with_times, without = best["node, the same times"][0], best["node, no times"][0]
        print(f"{options.requests} requests; of {options.runs} runs the fastest")
        for title, (seconds, memory) in best.items():
            print(
                f"{title:24} {seconds:7.2f} s  {memory / 1024:6.1f} MiB  "
                f"{seconds / with_times:5.2f} x node with times  {seconds / without:5.2f} x without"
            )


if __name__ == "__main__":
    main()
