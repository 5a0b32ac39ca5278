"""The parts of `page.html`, and what is put into them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from html import escape
from importlib.resources import files
from string import Template


@dataclass(frozen=True, slots=True)
class Html:
    """Text that is HTML already, and so is not escaped."""

    text: str


def fill(part: str, **values: object) -> Html:
    """Returns a part of `page.html` with the values in it, escaped unless they are `Html`."""
    texts = {
        name: value.text if isinstance(value, Html) else escape(str(value))
        for name, value in values.items()
    }
    return Html(_parts()[part].substitute(texts))


@lru_cache(1)
def _parts() -> dict[str, Template]:
    text = files("l7proxy.tools").joinpath("page.html").read_text("utf-8")
    _, *rest = re.split(r"^<!-- part: (\w+) -->\n", text, flags=re.MULTILINE)
    return {name: Template(part.strip()) for name, part in zip(rest[::2], rest[1::2], strict=True)}


def joined(parts: Iterable[Html], between: str = "") -> Html:
    """Returns the parts as one, with the HTML `between` any two of them."""
    return Html(between.join(part.text for part in parts))


EMPTY = Html("")
