"""The JSON Schema of specs and records: it takes what the loader takes."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from l7proxy.core.config import Config, PoolConfig
from l7proxy.core.config.json_schema import Schema, describe, describe_record
from l7proxy.core.config.problems import Problems
from l7proxy.core.config.record import Record, RecordOf, field
from l7proxy.core.config.spec import Spec, Text
from tests.core.config.cart import Cart
from tests.processes import ROOT


def schema_of(record: type[Record]) -> Schema:
    """The schema of the record, with the definitions that it refers to."""
    definitions: Schema = {}
    return {**describe(RecordOf(record), definitions), "$defs": definitions}


def test_the_schema_is_a_schema_and_describes_each_field_once() -> None:
    schema = schema_of(Cart)
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["$defs"]["Wheel"] == {
        "type": "object",
        "description": "A wheel.",
        "properties": {
            "size": {
                "type": "number", "exclusiveMinimum": 0, "maximum": 9, "description": "how large",
            },
            "spokes": {
                "type": "integer", "minimum": 2, "maximum": 40,
                "description": "how many, evenly", "default": 8,
            },
            "axle": {"type": "string", "minLength": 1, "description": "where it turns"},
        },
        "required": ["size"],
        "additionalProperties": False,
    }  # fmt: skip
    assert schema["$defs"]["Cart"]["properties"]["while"]["description"] == "a while"


values = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 45) | st.sampled_from([0.5, 2.0, "", "a", "Z"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("pqx"), inner),
    max_leaves=3,
)
wheels = st.fixed_dictionaries(
    {}, optional={"size": st.integers(-1, 10) | values, "spokes": values, "axle": values}
)
carts = st.fixed_dictionaries(
    {"name": st.just("a") | values},
    optional={
        "kind": st.just("horse") | values,
        "wheels": st.lists(wheels, max_size=2) | values,
        "parts": st.dictionaries(st.sampled_from(["p", "q"]), wheels, max_size=2) | values,
        "axles": values,
        "load": values,
        "while": values,
        "late": values,
        "mixed": values,
        "note": values,
        "rest": values,
        "pause": values,
        "x": values,
    },
)


@given(carts | values)
def test_the_loader_and_the_schema_agree_on_what_has_the_right_shape(value: Any) -> None:
    problems = Problems()
    RecordOf(Cart).load(value, "", problems)
    shapely = not any(problem.structural for problem in problems.found)
    assert jsonschema.Draft202012Validator(schema_of(Cart)).is_valid(value) is shapely


def test_the_whole_configurations_schema_takes_the_default_configuration() -> None:
    schema = schema_of(Config)
    jsonschema.Draft202012Validator.check_schema(schema)
    default = json.loads((ROOT / "config" / "backends.json").read_text())
    validator = jsonschema.Draft202012Validator(schema)
    validator.validate(default)
    default["backend_pools"]["api"]["colour"] = "blue"
    assert not validator.is_valid(default)


def test_a_record_without_words_has_a_schema_all_the_same() -> None:
    class Silent(Record):
        name: str = field(Text(), "its name", default="")

    definitions: Schema = {}
    describe_record(Silent, definitions)
    assert "description" not in definitions["Silent"] and "required" not in definitions["Silent"]


def test_a_record_is_described_once_however_often_it_is_asked_for() -> None:
    definitions: Schema = {}
    reference = describe_record(PoolConfig, definitions)
    described = dict(definitions)
    assert describe_record(PoolConfig, definitions) == reference == {"$ref": "#/$defs/PoolConfig"}
    assert definitions == described


def test_a_spec_of_somebody_elses_has_a_schema_when_it_is_registered() -> None:
    class Colour(Spec["str"]):
        pass

    with pytest.raises(NotImplementedError, match="no schema of a Colour"):
        describe(Colour(), {})

    @describe.register(Colour)
    def _colour(spec: Colour, definitions: Schema) -> Schema:
        return {"enum": ["red"]}

    assert describe(Colour(), {}) == {"enum": ["red"]}
