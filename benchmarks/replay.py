"""What a replay costs: processor time for a line of an access log, and memory.

    python benchmarks/replay.py [--lines 1000000] [--runs 3] [--quick]

The log is the honest mix of `traffic.py` in the combined format: 10,000 clients, ids in paths. What
its first tenth costs, the start included, is taken off, and the peak memory of both is shown.
Beside the replay run, in turns:

- the floor: one regular expression for a line, and a count of statuses. It routes nothing.
- the node, with the same requests as envelopes that have the times of the log (`at`).
- a replay of those envelopes.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
from itertools import islice
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.measure import MAIN, Used, conditions, run, table
from benchmarks.traffic import logged

FLOOR = r"""
import re, sys
from collections import Counter
parse = re.compile(
    r'(\S+) \S+ \S+ \[([^]]+)\] "(\S+) (\S+) [^"]*" (\d+) \S+ "([^"]*)" "([^"]*)"\n'
).fullmatch
statuses = Counter()
with open(sys.argv[1]) as log:
    for line in log:
        statuses[parse(line)[5]] += 1
"""


def make(folder: Path, count: int) -> tuple[Path, Path]:
    """The log, and its requests as envelopes with their times."""
    files = folder / f"log-{count}", folder / f"envelopes-{count}"
    with files[0].open("w") as log, files[1].open("wb") as envelopes:
        for number, entry in enumerate(islice(logged(), count), 1):
            log.write(entry.line())
            envelopes.write(entry.envelope(number))
    return files


class Program:
    """A command for the whole log and one for its first tenth, and what their runs used."""

    def __init__(self, whole: tuple[list[str], Path | str], tenth: tuple[list[str], Path | str]):
        self.commands = whole, tenth
        self.runs: tuple[list[Used], list[Used]] = [], []

    def run(self) -> None:
        for (command, stdin), runs in zip(self.commands, self.runs, strict=True):
            runs.append(run(command, stdin, files=True))

    def seconds(self) -> list[float]:
        """Of the whole without its tenth, by round."""
        begun = statistics.median(used.seconds for used in self.runs[1])
        return [max(used.seconds - begun, 1e-6) for used in self.runs[0]]

    def memory(self) -> list[float]:
        """The peaks of the whole and of the tenth, in MiB."""
        return [max(used.memory for used in runs) for runs in self.runs]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--lines", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument(
        "--quick", action="store_true", help="does it run? its figures mean nothing"
    )
    options = parser.parse_args()
    count, rounds = (1000, 1) if options.quick else (options.lines, options.runs)
    print(conditions(f"{count:,} lines", f"{rounds} runs in turns"), end="\n\n")
    with tempfile.TemporaryDirectory() as name:
        sizes = [make(Path(name), lines) for lines in (count, count // 10)]
        floor = [sys.executable, "-c", FLOOR]
        nothing = os.devnull

        def program(command: list[str], file: int, *, as_input: bool = False) -> Program:
            whole, tenth = (
                (command, size[file]) if as_input else ([*command, str(size[file])], nothing)
                for size in sizes
            )
            return Program(whole, tenth)

        programs = {
            "floor: one regular expression": program(floor, 0),
            "replay of the log": program([*MAIN, "replay"], 0),
            "node, the same requests": program(MAIN, 1, as_input=True),
            "replay of the envelopes": program([*MAIN, "replay"], 1),
        }
        order = list(programs.values())
        for _ in range(rounds):
            for one in order:
                one.run()
            order.reverse()
    base = next(iter(programs.values())).seconds()
    rows = []
    for title, one in programs.items():
        seconds = one.seconds()
        ratios = [mine / other for mine, other in zip(seconds, base, strict=True)]
        whole, tenth = one.memory()
        cost = statistics.median(seconds) / (count - count // 10) * 1e6
        rows.append([title, f"{cost:.2f}", f"{statistics.median(ratios):.2f}"])
        rows[-1] += [f"{whole:.1f}", f"{tenth:.1f}"]
    header = ["program", "us a line", "to the floor's", "peak MiB", "peak MiB, a tenth"]
    print(table(header, rows))


if __name__ == "__main__":
    main()
