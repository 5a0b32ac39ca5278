"""How the scripts measure: the processor time of processes that run in turns.

Machines are noisy, and other people's work on them makes wall time worthless. Processor time (user
and system) of the one process that is looked at varies by a few per cent, and what remains is
shared by what runs in the same minute: so everything is run in turns with what it is compared to,
a ratio is the median of the ratios of the rounds, and a figure is the median of the runs.
"""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import sys
from collections.abc import Iterable, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import IO, NamedTuple

ROOT = Path(__file__).resolve().parent.parent
MAIN = [sys.executable, str(ROOT / "main.py")]
BARE = [sys.executable, "-S", "-E", "-s", str(ROOT / "main.py")]
"""`MAIN` with the standard library alone: no package that is installed can be imported."""
ENVIRONMENT = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
OPTIONAL = ("msgspec", "uvloop")


def conditions(*more: str) -> str:
    """What the figures depend on: Python, packages, processors, how busy they are, and `more`."""
    python = f"{platform.python_implementation()} {platform.python_version()}"
    packages = [f"{name} {installed(name) or 'not installed'}" for name in OPTIONAL]
    allowed = os.sched_getaffinity(0)
    count = os.cpu_count() or len(allowed)
    pinned = f"pinned to CPU {','.join(map(str, sorted(allowed)))}"
    where = "not pinned" if len(allowed) == count else pinned
    load = f"load average {os.getloadavg()[0]:.1f}"
    parts = [python, *packages, f"{count} x {processor()}", where, load, *more]
    return "; ".join(parts)


def installed(package: str) -> str | None:
    """The version of a package, None where there is none."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def processor() -> str:
    """The name of the first processor (Linux), or what Python knows of it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


LAUNCHER = """
import os, sys
pid = os.posix_spawnp(sys.argv[2], sys.argv[2:], os.environ)
_, status, usage = os.wait4(pid, 0)
used = usage.ru_utime + usage.ru_stime, usage.ru_maxrss
os.write(int(sys.argv[1]), b"%d %f %d" % (os.waitstatus_to_exitcode(status), *used))
"""
"""Starts the process that is looked at. Linux counts what the starter has in memory as the other's
peak, so it must be smaller than whatever it starts."""


class Used(NamedTuple):
    """What a process has used."""

    seconds: float
    """Processor time."""
    memory: float
    """The most that it had resident, in MiB."""


def run(command: Sequence[str], source: Path | str, *, files: bool = False) -> Used:
    """Runs the command with the file as its input; raises SystemExit where it fails.

    Input and output are pipes, as between the node and whoever talks to it; with `files` the input
    is the file itself and the output goes nowhere.
    """
    report, reported = os.pipe()
    launch = [sys.executable, "-I", "-S", "-c", LAUNCHER, str(reported), *command]
    with open(report, "rb") as told, open(source, "rb") as file, open(os.devnull, "wb") as nowhere:
        if files:
            _start(launch, file, nowhere, reported).wait()
        else:
            with subprocess.Popen(["cat"], stdin=file, stdout=-1) as feeder:
                assert feeder.stdout is not None
                process = _start(launch, feeder.stdout, subprocess.PIPE, reported)
                feeder.stdout.close()
                with subprocess.Popen(["cat"], stdin=process.stdout, stdout=nowhere):
                    assert process.stdout is not None
                    process.stdout.close()
                    process.wait()
        status, seconds, memory = told.read().split()
    if int(status):
        raise SystemExit(f"{list(command)} failed with status {int(status)}")
    return Used(float(seconds), int(memory) / 1024)


def _start(
    command: Sequence[str], stdin: IO[bytes], stdout: IO[bytes] | int, reported: int
) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        command, stdin=stdin, stdout=stdout, env=ENVIRONMENT, pass_fds=[reported]
    )
    os.close(reported)
    return process


class Subject:
    """A program and its input, of which `beginning` has the first lines.

    What the beginning costs, the start, imports and warming up included, is taken off: what is
    left is what any further line costs.
    """

    def __init__(self, command: Sequence[str], source: Path, beginning: Path) -> None:
        self.command = command
        self.source = source
        self.beginning = beginning
        self.lines = _count_lines(source) - _count_lines(beginning)
        self.memory = 0.0
        """The most of all runs, in MiB."""
        self._whole: list[float] = []
        self._beginnings: list[float] = []

    def run(self, *, files: bool = False) -> None:
        """One run with all of the input, and one with its beginning."""
        used = run(self.command, self.source, files=files)
        self.memory = max(self.memory, used.memory)
        self._whole.append(used.seconds)
        self._beginnings.append(run(self.command, self.beginning, files=files).seconds)

    @property
    def rounds(self) -> list[float]:
        """Microseconds a line, by round."""
        begun = statistics.median(self._beginnings)
        # Of very few lines the beginning can cost more than all.
        return [max((whole - begun) / self.lines * 1e6, 1e-3) for whole in self._whole]

    @property
    def cost(self) -> float:
        """Microseconds a line."""
        return statistics.median(self.rounds)


def in_turns(subjects: Iterable[Subject], runs: int, *, files: bool = False) -> None:
    """Runs all of them, so many times, every other round in the opposite order."""
    order = list(subjects)
    for _ in range(runs):
        for subject in order:
            subject.run(files=files)
        order.reverse()


def ratio(subject: Subject, other: Subject) -> float:
    """How many times the other's cost the subject's is: the median of the rounds."""
    pairs = zip(subject.rounds, other.rounds, strict=True)
    return statistics.median(one / two for one, two in pairs)


def _count_lines(file: Path) -> int:
    with file.open("rb") as lines:
        return sum(1 for _ in lines)


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
