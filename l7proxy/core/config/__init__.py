"""Configuration: JSON in, frozen and validated records out.

`spec` says what kinds of values there are, `model` declares the configuration with them, and
`load` turns JSON text into a `Config`, or into every problem found in it.
"""

from l7proxy.core.config.load import KEYS, amended, config_from, parse_config
from l7proxy.core.config.model import (
    BackendConfig,
    Config,
    PoolConfig,
)
from l7proxy.core.config.problems import ConfigError, Problem
from l7proxy.core.config.routes import ActionsConfig, RouteConfig
from l7proxy.core.config.simulate import CannedResponse, SimulateConfig

__all__ = [
    "KEYS",
    "ActionsConfig",
    "BackendConfig",
    "CannedResponse",
    "Config",
    "ConfigError",
    "PoolConfig",
    "Problem",
    "RouteConfig",
    "SimulateConfig",
    "amended",
    "config_from",
    "parse_config",
]
