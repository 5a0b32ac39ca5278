"""Golden conversations: what goes in, and byte for byte what must come out.

A conversation is `<topic>/<name>.in.jsonl`, the input; `.out.jsonl`, the answers; and, each only
where it matters, `.config.json` (else the default configuration) and `.err.txt`, the lines on
stderr. Where time matters the envelopes tell it with `at`. After the last line everything still
in flight is let end.

    python3 tests/golden/replay.py [PYTHON ...]     each in a process of its own, isolated
    python3 tests/golden/replay.py --write          writes down what the node says now

This file needs nothing but the standard library, and neither does what it runs.
"""

from __future__ import annotations

import difflib
import subprocess
import sys
from pathlib import Path
from random import Random

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
MAIN = ROOT / "main.py"
ISOLATED = ("-S", "-E", "-s")
"""No site-packages, no PYTHON* variables, no user directory."""


class Conversation:
    """One golden conversation on disk; `name` is `topic/name`."""

    def __init__(self, source: Path) -> None:
        self.stem = str(source).removesuffix(".in.jsonl")
        self.name = str(source.relative_to(HERE)).removesuffix(".in.jsonl")
        self.said = source.read_bytes()
        self.answers = self._read(".out.jsonl")
        self.complaints = self._read(".err.txt")
        config = Path(self.stem + ".config.json")
        self.config = config if config.exists() else None

    def _read(self, suffix: str) -> bytes | None:
        file = Path(self.stem + suffix)
        return file.read_bytes() if file.exists() else None

    def in_process(self, chunk: int | None = None) -> tuple[bytes, bytes]:
        """What the node answers and logs, fed `chunk` bytes at a time (None: all at once)."""
        from l7proxy.core.config import parse_config
        from l7proxy.files import read_secret
        from l7proxy.node import Node

        log: list[str] = []
        config = self.config or ROOT / "config" / "backends.json"
        node = Node(
            parse_config(config.read_bytes()),
            Random(0),
            log.append,
            secrets=lambda kind, name: read_secret(kind, str(ROOT / name)),
        )
        out: list[bytes] = []
        now = 0.0
        step = chunk or max(len(self.said), 1)
        pieces = (self.said[start : start + step] for start in range(0, len(self.said), step))
        out.extend(node.feed(piece, now) for piece in pieces)
        out.append(node.finish(now))
        while not node.idle and (due := node.next_deadline()) is not None:
            now = max(now, due)
            out.append(node.advance(now))
        out.append(node.abort(now))
        return b"".join(out), "".join(f"{line}\n" for line in log).encode()

    def in_a_process(self, *python: str) -> tuple[bytes, bytes]:
        """What `main.py` answers and logs, run by the interpreter with these arguments."""
        options = ("--config", str(self.config)) if self.config else ()
        done = subprocess.run(
            [*python, str(MAIN), *options],
            input=self.said,
            capture_output=True,
            timeout=60,
            cwd=ROOT,
        )
        return done.stdout, done.stderr

    def differences(self, answers: bytes, complaints: bytes) -> str:
        """A unified diff of what was expected and what came; empty where they are the same."""
        found = _diff(self.name + ".out.jsonl", self.answers or b"", answers)
        if self.complaints is not None:
            found += _diff(self.name + ".err.txt", self.complaints, complaints)
        return found


def conversations() -> list[Conversation]:
    """Every conversation, in order of name."""
    return [Conversation(source) for source in sorted(HERE.rglob("*.in.jsonl"))]


def _diff(name: str, expected: bytes, got: bytes) -> str:
    if expected == got:
        return ""
    before, after = _lines(expected), _lines(got)
    shown = [*difflib.unified_diff(before, after, f"{name} expected", f"{name} got", lineterm="")]
    return "\n".join(shown or [f"{name}: the line ends differ"]) + "\n"


def _lines(data: bytes) -> list[str]:
    return data.decode("utf-8", "backslashreplace").splitlines()


def write() -> None:
    """Takes what the node says now for what it should say."""
    sys.path.insert(0, str(ROOT))
    for conversation in conversations():
        answers, complaints = conversation.in_process()
        if conversation.differences(answers, complaints) or conversation.answers is None:
            print(f"wrote {conversation.name}")
        Path(conversation.stem + ".out.jsonl").write_bytes(answers)
        if conversation.complaints is not None:
            Path(conversation.stem + ".err.txt").write_bytes(complaints)


def main(words: list[str]) -> int:
    if words == ["--write"]:
        write()
        return 0
    failed = 0
    for python in words or [sys.executable]:
        held = conversations()
        for conversation in held:
            found = conversation.differences(*conversation.in_a_process(python, *ISOLATED))
            failed += bool(found)
            sys.stdout.write(found)
        print(f"{python}: {len(held)} conversations")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
