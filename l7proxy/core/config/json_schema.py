"""The JSON Schema (draft 2020-12) of specs and records: for editors and other tools.

It is imported only by those who want a schema.
"""

from __future__ import annotations

from functools import singledispatch
from itertools import combinations
from typing import Any

from l7proxy.core.config.algorithms import (
    ALIASES,
    OPTIONS,
    AlgorithmName,
    offered_selectors,
    spellings,
)
from l7proxy.core.config.model import Config, PoolConfig
from l7proxy.core.config.record import REQUIRED, Field, Record, RecordOf
from l7proxy.core.config.spec import (
    Anything,
    Boolean,
    Either,
    ListOf,
    MapOf,
    Mapped,
    Maybe,
    Numeric,
    Spec,
    Text,
    WholeNumber,
)

Schema = dict[str, Any]


@singledispatch
def describe(spec: Spec[Any], definitions: Schema) -> Schema:
    """Returns the schema of a value; records are put into `definitions`, each once.

    A new kind of spec is described by a function of its own, marked `@describe.register(...)`.
    """
    raise NotImplementedError(f"there is no schema of a {type(spec).__name__}")


@describe.register(Text)
def _text(spec: Text, definitions: Schema) -> Schema:
    made: Schema = {"type": "string"}
    if spec.choices:
        made["enum"] = list(spec.choices)
    if spec.pattern is not None:
        made["pattern"] = spec.pattern
    if spec.min_length:
        made["minLength"] = spec.min_length
    return made


@describe.register(AlgorithmName)
def _algorithm(spec: AlgorithmName, definitions: Schema) -> Schema:
    """The names first, and then what else they are called: editors complete both."""
    others = sorted({*ALIASES, *offered_selectors()} - OPTIONS.keys())
    own = {"type": "string", "pattern": ":"}
    return {"anyOf": [{"enum": sorted(OPTIONS)}, {"enum": others}, own]}


@describe.register(Numeric)
def _number(spec: Numeric[float], definitions: Schema) -> Schema:
    made: Schema = {"type": "integer" if isinstance(spec, WholeNumber) else "number"}
    bounds = {"minimum": spec.minimum, "exclusiveMinimum": spec.above, "maximum": spec.maximum}
    made.update((key, bound) for key, bound in bounds.items() if bound is not None)
    return made


@describe.register(Boolean)
def _boolean(spec: Boolean, definitions: Schema) -> Schema:
    return {"type": "boolean"}


@describe.register(Anything)
def _anything(spec: Anything, definitions: Schema) -> Schema:
    return {}


@describe.register(ListOf)
def _list(spec: ListOf[Any], definitions: Schema) -> Schema:
    made: Schema = {"type": "array", "items": describe(spec.item, definitions)}
    if spec.min_items:
        made["minItems"] = spec.min_items
    return made


@describe.register(MapOf)
def _map(spec: MapOf[Any], definitions: Schema) -> Schema:
    return {
        "type": "object",
        "propertyNames": describe(spec.keys, definitions),
        "additionalProperties": describe(spec.item, definitions),
    }


@describe.register(Either)
def _either(spec: Either[Any, Any], definitions: Schema) -> Schema:
    return {"anyOf": [describe(spec.one, definitions), describe(spec.other, definitions)]}


@describe.register(Maybe)
def _maybe(spec: Maybe[Any], definitions: Schema) -> Schema:
    return {"anyOf": [describe(spec.spec, definitions), {"type": "null"}]}


@describe.register(Mapped)
def _mapped(spec: Mapped[Any], definitions: Schema) -> Schema:
    return describe(spec.spec, definitions)


@describe.register(RecordOf)
def _record(spec: RecordOf[Record], definitions: Schema) -> Schema:
    return describe_record(spec.record, definitions)


def describe_record(record: type[Record], definitions: Schema) -> Schema:
    """Returns a reference into `definitions`, where the record's schema is put once."""
    name = record.__name__
    if name not in definitions:
        made: Schema = {"type": "object"}
        definitions[name] = made
        if record.__doc__:
            made["description"] = " ".join(record.__doc__.split("\n\n")[0].split())
        made["properties"] = {
            declared.key: _field(declared, definitions) for declared in record.fields.values()
        }
        required = [f.key for f in record.fields.values() if f.default is REQUIRED]
        if required:
            made["required"] = required
        made["additionalProperties"] = False
        made.update(_between_fields(record, definitions))
    return {"$ref": f"#/$defs/{name}"}


def _field(declared: Field, definitions: Schema) -> Schema:
    made = dict(describe(declared.spec, definitions))
    if declared.doc:
        made["description"] = declared.doc
    if isinstance(declared.default, str | int | float) and declared.default != "":
        made["default"] = declared.default
    return made


def _between_fields(record: type[Record], definitions: Schema) -> Schema:
    """Returns the part of a record's schema that is about several fields together."""
    made: Schema = {}
    if record.exactly_one:
        made["oneOf"] = [{"required": [key]} for key in record.exactly_one]
    if record.at_least_one:
        made["anyOf"] = [{"required": [key]} for key in record.at_least_one]
    if record.at_most_one:
        pairs = combinations(record.at_most_one, 2)
        made["not"] = {"anyOf": [{"required": [*pair]} for pair in pairs]}
    if issubclass(record, PoolConfig):
        made = {"allOf": [_options(it, definitions) for it in dict.fromkeys(OPTIONS.values())]}
    if issubclass(record, Config):
        ways = [
            {"required": ["backend_pools"]},
            {"required": ["routes"], "properties": {"routes": {"minItems": 1}}},
            {"required": ["default"]},
        ]
        made["anyOf"] = ways
    return made


def _options(options: type[Record], definitions: Schema) -> Schema:
    """Returns the schema by which the algorithms with these options are given no others."""
    named: Schema = {"properties": {"algorithm": {"enum": spellings(options)}}}
    if PoolConfig.fields["algorithm"].default not in spellings(options):
        named["required"] = ["algorithm"]
    return {"if": named, "then": {"properties": {"options": describe_record(options, definitions)}}}
