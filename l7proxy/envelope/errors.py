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
    """A message can't be handled; the text, for people, and the `code` are its sender's answer."""

    code = MALFORMED

    @property
    def log_line(self) -> str:
        """What the log says where the message is itself an answer, and so gets none."""
        return f"a reply was dropped: {self}"


class BadMember(MessageError):
    """Members of a message are missing or of the wrong type; the text has their pointers."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        super().__init__("; ".join(map(str, problems)))

    @classmethod
    def at(cls, pointer: str, message: str) -> BadMember:
        """The error where only the member at `pointer` is wrong."""
        return cls([Problem(pointer, message)])


class UnknownType(MessageError):
    """Nothing handles messages of this type."""

    code = NOT_SUPPORTED

    def __init__(self, name: str) -> None:
        super().__init__(f'no message type "{name}"')
        self._name = name

    @property
    def log_line(self) -> str:
        return f'a reply of type "{self._name}" was dropped'
