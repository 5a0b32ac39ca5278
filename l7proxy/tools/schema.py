"""`l7proxy schema`: the JSON Schema of a configuration, for editors and other tools."""

from __future__ import annotations

from typing import TYPE_CHECKING

from l7proxy.core.config.json_schema import describe_record
from l7proxy.core.config.model import Config, SinglePoolConfig

if TYPE_CHECKING:
    from l7proxy.core.config.json_schema import Schema

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def config_schema() -> Schema:
    """Returns the schema (draft 2020-12): every shape that the loader accepts.

    What a schema can't say, such as that a pool that is named must be there, is for
    `l7proxy check`.
    """
    definitions: Schema = {}
    several = describe_record(Config, definitions)
    single = describe_record(SinglePoolConfig, definitions)
    return {
        "$schema": DIALECT,
        "title": "l7proxy configuration",
        "type": "object",
        "if": {"required": ["backends"], "not": {"required": ["backend_pools"]}},
        "then": single,
        "else": several,
        "$defs": definitions,
    }
