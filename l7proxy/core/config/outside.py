"""What a configuration names outside itself: files, environment variables, modules.

Only the operator may name them, for what is named is read, written or run: in the configuration
that a program starts with, or on its command line. What a message brings is held to that.
"""

from __future__ import annotations

from collections.abc import Mapping

from l7proxy.core.config.fields import END
from l7proxy.core.config.record import Record
from l7proxy.core.config.spec import BAD, Text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from l7proxy.core.config.problems import Problems
    from l7proxy.core.config.spec import Bad

KEY_FILE = "key file"
CERTIFICATE = "certificate file"
LOG_FILE = "log file"
VARIABLE = "environment variable"
SELECTOR = "selector"
ANYTHING = ""
"""Stands for all of these where a name is allowed on the command line."""


class Outside(Text):
    """The name of something outside; `noun` is the word for such things."""

    def __init__(self, noun: str, pattern: str | None = None, meaning: str = "") -> None:
        super().__init__(min_length=1, pattern=pattern, meaning=meaning)
        self.noun = noun

    def is_outside(self, name: str) -> bool:
        """Returns whether the name leads outside; `-` is a stream that is open already."""
        return name != "-"

    def load(self, value: object, at: str, problems: Problems) -> str | Bad:
        loaded = super().load(value, at, problems)
        if isinstance(loaded, str) and self.is_outside(loaded):
            return loaded if problems.may_name(at, self.noun, loaded) else BAD
        return loaded


def file_of(noun: str) -> Outside:
    """Returns the spec of a file's name."""
    return Outside(noun, rf"^[^\x00\ud800-\udfff]+{END}", "a file's name")


def names_outside(value: object) -> Iterator[tuple[str, str]]:
    """Yields what leads outside in a record, and in those below it: each noun and name."""
    if isinstance(value, Record):
        for attribute, declared in value.fields.items():
            spec, own = declared.spec, getattr(value, attribute)
            if isinstance(spec, Outside):
                if own is not None and spec.is_outside(own):
                    yield spec.noun, own
            else:
                yield from names_outside(own)
    elif isinstance(value, Mapping | tuple):
        for item in value.values() if isinstance(value, Mapping) else value:
            yield from names_outside(item)
