"""The command line: `l7proxy COMMAND [OPTIONS]`, and the node where no command is named.

A command is an entry in `COMMANDS` and the module of its name, which has the command's options and
`run(words)`: it parses the words after the name, does the work and returns the exit status.

- `node`: the conversation on stdin and stdout
- `serve`, `check`, `explain`, `replay`, `diff`, `test`, `schema`: the commands
- `traffic`: what `replay` and `diff` share
- `console`: prints results and complaints, reads files, and has the exit statuses
- `parser`: argparse, and the types of the options
- `version`: what runs here, in a line

Only what is about to run is imported, because a conversation of one message should be over in the
time that argparse takes to load.
"""

from __future__ import annotations

import gc
import sys

from l7proxy.commands.console import (
    INTERRUPTED,
    IO_ERROR,
    complain_of_error,
    discard_stdout,
    flush_stdout,
    hold_closed_descriptors,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

COMMANDS = {
    "serve": "an HTTP proxy in front of HTTP backends",
    "check": "every problem at once",
    "explain": "where one request goes, and why",
    "replay": "recorded traffic in virtual time, and a report",
    "diff": "what another configuration would change",
    "test": "golden conversations and cases, and which routes they reach",
    "schema": "the JSON Schema of a configuration, for editors",
}
"""The name of each command, which is its module's, and what `l7proxy --help` says of it."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command line, by default the process's own, and returns the exit status.

    0 means success, 1 that input or output failed, 2 a mistake in the usage or the configuration,
    130 an interrupt from the keyboard (128 and the signal's number, as shells have it). Raises
    SystemExit for `--help`, and with status 2 for arguments that can't be parsed.
    """
    hold_closed_descriptors()
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        try:
            return _run(words)
        finally:
            gc.enable()
            flush_stdout()
    except BrokenPipeError:
        discard_stdout()
        return 0
    except OSError as error:
        complain_of_error(error)
        discard_stdout()
        return IO_ERROR
    except KeyboardInterrupt:
        discard_stdout()
        return INTERRUPTED


def _run(words: list[str]) -> int:
    """Runs the command that the first word names, or the node."""
    if words and words[0] in COMMANDS:
        from importlib import import_module

        status: int = import_module(f"l7proxy.commands.{words[0]}").run(words[1:])
        return status
    # Nothing that is made from here to the first message is ever garbage.
    gc.disable()
    from l7proxy.commands import node

    return node.run(words, COMMANDS)
