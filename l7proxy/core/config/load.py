"""From JSON text to a `Config`, or to every problem found in it."""

from __future__ import annotations

from l7proxy.core.config.model import SINGLE_POOL, Config, SinglePoolConfig
from l7proxy.core.config.problems import ConfigError, Problem, Problems, pointer_to, suggestion
from l7proxy.core.config.spec import BAD, Bad
from l7proxy.core.config.strict_json import NotJson, decode_json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

KEYS = tuple(
    key for key in dict.fromkeys((*Config.keys, *SinglePoolConfig.keys)) if key != "$schema"
)
"""The keys that mean something at the top of a configuration."""

NEARLY = 0.8
"""The likeness to one of `KEYS`, 0 to 1, from which on a key is taken for one that is misspelt."""


def parse_config(text: str | bytes) -> Config:
    """Returns the configuration written in `text`.

    Raises `ConfigError` with every problem: JSON that can't be read (with line and column),
    unknown keys, wrong types, keys written twice, references to what is not there.
    """
    try:
        value, _ = decode_json(text)
    except NotJson as error:
        raise ConfigError([Problem("", str(error))]) from None
    return config_from(value)


def config_from(value: object) -> Config:
    """Returns the configuration in a decoded JSON value.

    Raises `ConfigError` with every problem.
    """
    if not isinstance(value, dict):
        raise ConfigError([Problem("", "the configuration must be a JSON object")])
    problems = Problems()
    return _accepted(_load(value, problems), problems)


def amended(
    config: Config, value: Mapping[str, object], allowed: Collection[tuple[str, str]] | None = None
) -> Config:
    """Returns the configuration with the members of a decoded JSON object in place of its own.

    Members that are not in `KEYS` are left alone, except those that look like a misspelt key.
    Of files and the like (`outside`) only those that are `allowed` may be named, each behind its
    noun; None allows all. Raises `ConfigError` with every problem.
    """
    problems = Problems(allowed)
    given = {}
    for key, item in value.items():
        if key in KEYS:
            given[key] = item
        elif near := suggestion(key, KEYS, NEARLY):
            problems.add(pointer_to("", key), f"unknown key{near}")
    changed: Config | Bad = config
    if "backend_pools" in given or "backends" in given:
        changed = _load(given, problems)
    elif given:
        changed = _changed(config, given, problems)
    return _accepted(changed, problems)


def _accepted(config: Config | Bad, problems: Problems) -> Config:
    """Returns the configuration; raises `ConfigError` where there are problems."""
    if problems or isinstance(config, Bad):
        raise ConfigError(problems.found)
    return config


def _load(value: Mapping[str, object], problems: Problems) -> Config | Bad:
    """Returns the configuration in a JSON object, or `BAD` after adding to `problems`."""
    if "backends" in value and "backend_pools" not in value:
        problems.define("pool", SINGLE_POOL)
        single = SinglePoolConfig.load(value, "", problems)
        config: Config | Bad = BAD
        if not isinstance(single, Bad):
            config = single.spelled_out()
            config.check("", problems)
    else:
        config = Config.load(value, "", problems)
    problems.resolve()
    return config


def _changed(config: Config, given: Mapping[str, object], problems: Problems) -> Config:
    """Returns the configuration with new values of single keys, or adds to `problems`."""
    for name in config.backend_pools:
        problems.define("pool", name)
    loaded = {}
    for key, item in given.items():
        declared = Config.fields.get(key)
        if declared is None:
            problems.add(pointer_to("", key), "needs backends beside it")
        else:
            loaded[key] = declared.spec.load(item, pointer_to("", key), problems)
    problems.resolve()
    if not problems:
        config = config.replace(**loaded)
        config.check("", problems)
    return config
