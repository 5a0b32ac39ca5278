"""Texts with values filled in: `https://{host}{target}`."""

from __future__ import annotations

from l7proxy.core.config.routes import template_parts

TYPE_CHECKING = False
if TYPE_CHECKING:
    import re
    from collections.abc import Callable


class Template:
    """A text in which `{name}` stands for a value, and `{{` and `}}` for braces."""

    __slots__ = ("_parts",)

    def __init__(self, text: str) -> None:
        self._parts = template_parts(text)

    def fill(self, value_of: Callable[[str], str | None]) -> str:
        """Returns the text with the values of its names filled in; None is an empty value."""
        return "".join(
            literal if name is None else literal + (value_of(name) or "")
            for literal, name in self._parts
        )


def group(match: re.Match[str], name: str) -> str | None:
    """Returns a group of a match, by its name or number."""
    return match[int(name)] if name.isdecimal() else match[name]
