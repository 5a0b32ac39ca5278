"""Configuration: JSON in, frozen and validated records out.

- `load`: JSON text to a `Config`, or to every problem found in it
- `model`: the whole configuration and its pools, declared
- `routes`, `limits`, `policies`, `affinity`, `http`, `server`, `simulate`: its parts, declared
- `algorithms`: the names and options of the selectors that are built in
- `expressions`: regular expressions, none of which may take long
- `fields`, `address`: texts that end up in HTTP messages, and addresses
- `outside`: the names of files, environment variables and modules
- `spec`: kinds of JSON values and how they are loaded
- `record`: classes whose attributes are declared with specs
- `problems`: problems and their places
- `json_schema`: the JSON Schema of specs and records
- `strict_json`: the reference decoder of JSON
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
