"""`l7proxy schema`: the JSON Schema of a configuration, for editors and other tools."""

from __future__ import annotations

from l7proxy.core.config.load import SINGLE_POOL
from l7proxy.core.config.model import Config, PoolConfig

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def config_schema() -> dict[str, Any]:
    """The schema (draft 2020-12): every shape that the loader takes.

    What a schema can't say, such as that a pool that is named must be there, is for
    `l7proxy check`.
    """
    definitions: dict[str, Any] = {}
    whole = Config.schema(definitions)
    definitions["SinglePool"] = _single_pool(definitions)
    return {
        "$schema": DIALECT,
        "title": "l7proxy configuration",
        "type": "object",
        "if": {
            "required": ["backends"],
            "not": {"anyOf": [{"required": ["backend_pools"]}, {"required": ["routes"]}]},
        },
        "then": {"$ref": "#/$defs/SinglePool"},
        "else": whole,
        "$defs": definitions,
    }


def _single_pool(definitions: dict[str, Any]) -> dict[str, Any]:
    """The short form, where the members of the only pool stand at the top."""
    whole, pool = definitions[Config.__name__], definitions[PoolConfig.__name__]
    kept = {
        key: schema
        for key, schema in whole["properties"].items()
        if key not in ("backend_pools", "routes")
    }
    return {
        **pool,
        "description": "A single pool that takes every request.",
        "properties": {**{key: pool["properties"][key] for key in SINGLE_POOL}, **kept},
    }
