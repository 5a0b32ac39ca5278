"""What is wrong with a message, with Maelstrom's code for it."""

from __future__ import annotations

from l7proxy.core.config.problems import Problem

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

NOT_SUPPORTED = 10
TEMPORARILY_UNAVAILABLE = 11
"""The request was not carried out and may be later."""
MALFORMED = 12
CRASH = 13


class MessageError(ValueError):
    """A message can't be handled; the text, for people, and the `code` go to its sender.

    Where the message is itself an answer, it gets none, and only the log has the `log_line`.
    """

    def __init__(self, code: int, text: str, log_line: str) -> None:
        super().__init__(text)
        self.code = code
        self.log_line = log_line


class BadMember(MessageError):
    """Members of a message are missing or of the wrong type; the text has their pointers."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        text = "; ".join(map(str, problems))
        super().__init__(MALFORMED, text, f"a reply was dropped: {text}")

    @classmethod
    def at(cls, pointer: str, message: str) -> BadMember:
        """Returns the error where only the member at `pointer` is wrong."""
        return cls([Problem(pointer, message)])


class UnknownType(MessageError):
    """There is no handler for messages of this type."""

    def __init__(self, name: str) -> None:
        log_line = f'a reply of type "{name}" was dropped'
        super().__init__(NOT_SUPPORTED, f'no message type "{name}"', log_line)
