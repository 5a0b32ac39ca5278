"""From JSON text to a `Config`, or to every problem found in it."""

from __future__ import annotations

from l7proxy.core.config.model import SINGLE_POOL, Config, SinglePoolConfig
from l7proxy.core.config.spec import BAD, ConfigError, Problem, Problems, child, suggestion
from l7proxy.core.config.strict_json import NotJson, decode_json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


KEYS = tuple(
    key for key in dict.fromkeys((*Config.keys, *SinglePoolConfig.keys)) if key != "$schema"
)
"""Everything at the top of a configuration that means something."""

NEARLY = 0.8
"""How like a key of ours another's must be to be taken for one that is misspelt."""


def parse_config(text: str | bytes) -> Config:
    """The configuration written in `text`.

    Raises `ConfigError` with every problem: JSON that can't be read (with line and column),
    unknown keys, wrong types, keys written twice, references to what is not there.
    """
    try:
        value, _ = decode_json(text)
    except NotJson as error:
        raise ConfigError([Problem("", str(error))]) from None
    return config_from(value)


def config_from(value: Any) -> Config:
    """The configuration in a decoded JSON value; raises `ConfigError` with every problem."""
    if not isinstance(value, dict):
        raise ConfigError([Problem("", "the configuration must be a JSON object")])
    problems = Problems()
    config: Config = _load(value, problems)
    if problems:
        raise ConfigError(problems.found)
    return config


def amended(config: Config, value: Mapping[str, Any]) -> Config:
    """The configuration with the members of a decoded JSON object in place of its own.

    Other members of the object are nobody's business here, unless they look like a key that is
    misspelt. Raises `ConfigError` with every problem.
    """
    problems = Problems()
    given = {}
    for key, item in value.items():
        if key in KEYS:
            given[key] = item
        elif near := suggestion(key, KEYS, NEARLY):
            problems.add(child("", key), f"unknown key{near}")
    if "backend_pools" in given or "backends" in given:
        config = _load(given, problems)
    elif given:
        config = _changed(config, given, problems)
    if problems:
        raise ConfigError(problems.found)
    return config


def _load(value: Mapping[str, Any], problems: Problems) -> Any:
    """The configuration in a JSON object, or anything else after adding to `problems`."""
    if "backends" in value and "backend_pools" not in value:
        problems.define("pool", SINGLE_POOL)
        single = SinglePoolConfig.load(value, "", problems)
        config = BAD
        if single is not BAD:
            config = single.spelled_out()
            config.check("", problems)
    else:
        config = Config.load(value, "", problems)
    problems.resolve()
    return config


def _changed(config: Config, given: Mapping[str, Any], problems: Problems) -> Config:
    for name in config.backend_pools:
        problems.define("pool", name)
    loaded = {}
    for key, item in given.items():
        declared = Config.fields.get(key)
        if declared is None:
            problems.add(child("", key), "needs backends beside it")
        else:
            loaded[key] = declared.spec.load(item, child("", key), problems)
    problems.resolve()
    if not problems:
        config = config.replace(**loaded)
        config.check("", problems)
    return config
