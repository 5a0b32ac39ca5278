"""`l7proxy schema`: the JSON Schema of a configuration, for editors."""

from __future__ import annotations

import json

from l7proxy.commands.console import say
from l7proxy.commands.parser import command_parser
from l7proxy.tools.schema import config_schema

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


def run(words: Sequence[str]) -> int:
    """Prints the schema and returns the exit status."""
    description = "Print the JSON Schema (draft 2020-12) of a configuration."
    command_parser("schema", description).parse_args(words)
    say(json.dumps(config_schema(), indent=2) + "\n")
    return 0
