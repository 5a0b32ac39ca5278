"""From the name in a configuration to a selector class."""

from __future__ import annotations

from importlib import import_module

from l7proxy.core.config.spec import suggestion
from l7proxy.core.selectors.base import Selector

ENTRY_POINTS = "l7proxy.selectors"
"""The entry-point group in which an installed package offers selectors by name."""

BUILT_IN = {
    "least-connections": "l7proxy.core.selectors.least_connections:LeastConnections",
    "round-robin": "l7proxy.core.selectors.round_robin:RoundRobin",
}


class UnknownSelector(ValueError):
    """No selector has that name; the text says what to write instead."""


def find_selector(name: str) -> type[Selector]:
    """The class for a built-in name, a `module:Class`, or the name of an entry point.

    Raises `UnknownSelector` where there is none, or where what is named is not a `Selector`.
    """
    if name in BUILT_IN:
        return _load(BUILT_IN[name])
    if ":" in name:
        return _load(name)
    from importlib.metadata import entry_points

    offered = entry_points(group=ENTRY_POINTS)
    if name in offered.names:
        return _load(offered[name].value)
    known = sorted({*BUILT_IN, *offered.names})
    raise UnknownSelector(
        f'no selector named "{name}"{suggestion(name, known)} (known: {", ".join(known)})'
    )


def _load(reference: str) -> type[Selector]:
    module_name, _, class_name = reference.partition(":")
    try:
        found = getattr(import_module(module_name), class_name)
    except (ImportError, ValueError) as error:
        raise UnknownSelector(f'can\'t import selector "{reference}": {error}') from None
    except AttributeError:
        raise UnknownSelector(f'module {module_name} has no "{class_name}"') from None
    if not (isinstance(found, type) and issubclass(found, Selector)):
        raise UnknownSelector(f'"{reference}" is not a subclass of l7proxy.core.Selector')
    return found
