"""From JSON text to a `Config`, or to every problem found in it."""

from __future__ import annotations

from l7proxy.core.config.model import Config
from l7proxy.core.config.spec import BAD, ConfigError, Problem, Problems, child, refuse_repeated
from l7proxy.core.strict_json import NotJson, decode_json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


SINGLE_POOL = ("backends", "algorithm", "options", "sticky")
"""The keys of a pool that may stand at the top, where there is only one."""


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
    problems = Problems()
    if not isinstance(value, dict):
        raise ConfigError([Problem("", "the configuration must be a JSON object")])
    whole = _spelled_out(value)
    if whole is not value:
        refuse_repeated(value, "", problems)
    config = Config.load(whole, "", problems)
    problems.resolve()
    if problems.found or config is BAD:
        raise ConfigError(problems.found)
    loaded: Config = config
    return loaded


def amended(config: Config, value: Mapping[str, Any]) -> Config:
    """The configuration with the members of a decoded JSON object in place of its own.

    Raises `ConfigError` with every problem.
    """
    if "backend_pools" in value or "backends" in value:
        return config_from(value)
    problems = Problems()
    for name in config.backend_pools:
        problems.define("pool", name)
    loaded = {}
    for key, item in value.items():
        declared = Config.fields.get(key)
        if declared is None:
            problems.add(child("", key), "needs backends beside it")
        else:
            loaded[key] = declared.spec.load(item, child("", key), problems)
    problems.resolve()
    if not problems.found:
        made = config.but(**loaded)
        made.check("", problems)
    if problems.found:
        raise ConfigError(problems.found)
    return made


def _spelled_out(value: Mapping[str, Any]) -> Mapping[str, Any]:
    """`backends` and `algorithm` at the top stand for a single pool that takes every request."""
    if "backends" not in value or "backend_pools" in value or "routes" in value:
        return value
    pool = {key: value[key] for key in SINGLE_POOL if key in value}
    rest = {key: item for key, item in value.items() if key not in pool}
    route = {"path_pattern": "/*", "backend_pool": "default"}
    return {**rest, "backend_pools": {"default": pool}, "routes": [route]}
