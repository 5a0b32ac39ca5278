"""From the name in a configuration to a selector class.

A pool looks its selector up when it is made. Loading a configuration imports no selector: it only
checks the name (`config.algorithms`).
"""

from __future__ import annotations

from l7proxy.core.config.algorithms import (
    BUILT_IN,
    UnknownSelector,
    algorithm_name,
    check_algorithm,
    offered_selectors,
)
from l7proxy.core.config.problems import suggestion
from l7proxy.core.selectors.base import Selector

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from random import Random
    from typing import Any

    from l7proxy.core.pool.backend import Backend

_HERE = "l7proxy.core.selectors."


def find_selector(name: str) -> type[Selector]:
    """Returns the class of a built-in name or alias, a `module:Class`, or an entry point's name.

    Raises `UnknownSelector` where there is none, or where what is named is not a `Selector` that
    picks.
    """
    check_algorithm(name)
    built_in = BUILT_IN.get(algorithm_name(name))
    if built_in is not None:
        return _load(_HERE + built_in.selector)
    return _load(name if ":" in name else offered_selectors()[name])


def is_built_in(selector: type[Selector]) -> bool:
    """Returns whether a class is one of the package's own."""
    return selector.__module__.startswith(_HERE)


def make_selector(
    selector: type[Selector],
    backends: Sequence[Backend],
    options: Mapping[str, Any],
    random: Random,
) -> Selector:
    """Returns a selector of that class; raises ValueError where it refuses the arguments.

    Raises `UnknownSelector` where making one fails otherwise.
    """
    try:
        return selector(backends, options, random)
    except ValueError:
        raise
    except (Exception, SystemExit) as error:
        # It is anybody's, and may raise anything or end the program.
        name = f"{selector.__module__}:{selector.__qualname__}"
        why = f"{type(error).__name__}: {error}"
        raise UnknownSelector(f'can\'t make selector "{name}": {why}') from error


def _load(reference: str) -> type[Selector]:
    module_name, _, class_name = reference.partition(":")
    try:
        from importlib import import_module

        module = import_module(module_name)
    except ModuleNotFoundError as error:
        missing = f'there is no module "{error.name}"'
        if error.name != module_name:
            missing += ", which it needs,"
        raise UnknownSelector(
            f'can\'t import selector "{reference}": {missing} beside main.py, '
            "in a directory of PYTHONPATH, or among what is installed"
        ) from None
    except (Exception, SystemExit) as error:
        # Importing runs the module, which is anybody's, and may raise anything or end the program.
        why = f"{type(error).__name__}: {error}"
        raise UnknownSelector(f'can\'t import selector "{reference}": {why}') from None
    found = getattr(module, class_name, None)
    if found is None:
        selectors = [name for name, value in vars(module).items() if _is_selector(value)]
        near = suggestion(class_name, selectors)
        raise UnknownSelector(f'module {module_name} has no "{class_name}"{near}')
    if not _is_selector(found):
        raise UnknownSelector(f'"{reference}" is not a subclass of l7proxy.core.Selector')
    if found.pick is Selector.pick:
        raise UnknownSelector(f'"{reference}" has no method "pick" of its own')
    selector: type[Selector] = found
    return selector


def _is_selector(value: object) -> bool:
    return isinstance(value, type) and issubclass(value, Selector)
