"""The README's fenced blocks. As a script it prints the one command that sets up and tests.

bash -euo pipefail -c "$(python3 tests/readme.py)"
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

README = Path(__file__).resolve().parent.parent / "README.md"
_FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    """A fenced block; `printed` is the `text` block right behind it, None where there is none."""

    language: str
    text: str
    printed: str | None


def blocks(readme: str | None = None) -> list[Block]:
    """Every fenced block of the README, in order."""
    text = README.read_text() if readme is None else readme
    found = list(_FENCE.finditer(text))
    made = []
    for block, after in zip(found, [*found[1:], None], strict=True):
        printed = None
        if (
            after is not None
            and after[1] == "text"
            and not text[block.end() : after.start()].strip()
        ):
            printed = after[2]
        made.append(Block(block[1], block[2], printed))
    return made


def commands() -> list[Block]:
    """What the README tells people to run."""
    return [block for block in blocks() if block.language == "sh"]


def set_up_and_test() -> str:
    """The command that creates an environment, installs the `test` extra and runs the tests."""
    (command,) = [block.text for block in commands() if sets_up(block)]
    return command


def sets_up(block: Block) -> bool:
    return "pytest" in block.text


if __name__ == "__main__":
    print(set_up_and_test(), end="")
