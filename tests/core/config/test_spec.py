"""What a record may say: loaded, refused with every problem, and described as JSON Schema."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from l7proxy.core.config import Config, PoolConfig
from l7proxy.core.config.spec import (
    BAD,
    REQUIRED,
    Anything,
    Boolean,
    ConfigError,
    Either,
    Field,
    ListOf,
    MapOf,
    Mapped,
    Maybe,
    Number,
    Of,
    Problem,
    Problems,
    Record,
    Reference,
    Text,
    child,
    count,
    field,
    kind_of,
    seconds,
    share,
)
from tests.processes import ROOT


def even(number: int) -> int:
    if number % 2:
        raise ValueError(f"{number} is odd")
    return number


class Wheel(Record):
    """A wheel.

    Of which a cart has some.
    """

    size: float = field(Number(above=0, maximum=9), "how large")
    spokes: int = field(Mapped(count(2, 40), even), "how many, evenly", default=8)
    axle: str | None = field(Reference("axle"), "where it turns", default=None)


class Cart(Record):
    """A cart."""

    name: str = field(
        Text(min_length=1, pattern="^[a-z]*$", meaning="in small letters"), "its name"
    )
    kind: str = field(Text(choices=("hand", "horse")), "what moves it", default="hand")
    wheels: tuple[Wheel, ...] = field(ListOf(Of(Wheel), min_items=1), "they turn", default=())
    parts: Mapping[str, Any] = field(MapOf(Of(Wheel), keys=Text(pattern="^p")), "", default={})
    axles: Mapping[str, Any] = field(MapOf(Anything(), defines="axle"), "by name", default={})
    load: str | float = field(Either(Text(), share()), "what is on it", default=0)
    wait: float = field(seconds(), "a while", default=0, key="while")
    late: bool = field(Boolean(), "is it?", default=False)
    pause: float = field(seconds(zero=False), "a rest", default=1)
    mixed: Any = field(
        Either(Boolean(), ListOf(Text()), Mapped(Number(), float), Maybe(MapOf(Text())), Of(Wheel)),
        "anything goes",
        default=None,
    )
    note: str | None = field(Maybe(Text()), "", default=None)
    rest: Any = field(Either(Anything()), "", default=None)

    def check(self, at: str, problems: Problems) -> None:
        if self.late and self.wait:
            problems.conflict(at, "late and waiting")


def load(value: Any) -> tuple[Any, list[str]]:
    problems = Problems()
    loaded = Of(Cart).load(value, "", problems)
    problems.resolve()
    return loaded, [str(problem) for problem in problems.found]


def test_what_is_given_is_loaded_and_what_is_not_has_its_default() -> None:
    loaded, problems = load(
        {
            "name": "a",
            "wheels": [{"size": 2, "axle": "x"}],
            "axles": {"x": 1},
            "while": 3,
            "load": 1,
        }
    )
    assert problems == []
    assert loaded == Cart(
        name="a", wheels=(Wheel(size=2, axle="x"),), axles={"x": 1}, wait=3, load=1
    )
    assert (loaded.wheels[0].spokes, loaded.kind, loaded.late) == (8, "hand", False)


@pytest.mark.parametrize(("value", "problems"), [
    (5, ["must be an object, not a number"]),
    ({}, ['"name" is missing']),
    ({"name": None}, ["/name: must be a string, not null"]),
    ({"name": ""}, ["/name: must not be empty"]),
    ({"name": "A"}, ['/name: "A" must be in small letters']),
    ({"name": "a", "kinf": 1}, ['/kinf: unknown key; did you mean "kind"?']),
    ({"name": "a", "wait": 1}, ["/wait: unknown key"]),
    ({"name": "a", "kind": "horze"},
     ['/kind: "horze" is not one of "hand", "horse"; did you mean "horse"?']),
    ({"name": "a", "wheels": {}}, ["/wheels: must be an array, not an object"]),
    ({"name": "a", "wheels": []}, ["/wheels: needs at least 1 element(s)"]),
    ({"name": "a", "wheels": [1, {"size": 0}, {"size": 10}, {"size": "x"}]},
     ["/wheels/0: must be an object, not a number",
      "/wheels/1/size: must be greater than 0, not 0",
      "/wheels/2/size: must be at most 9, not 10",
      "/wheels/3/size: must be a number, not a string"]),
    ({"name": "a", "wheels": [{"size": 1, "spokes": 2.5}, {"size": 1, "spokes": 1},
                              {"size": 1, "spokes": 3}, {"size": 1, "spokes": 4.0}]},
     ["/wheels/0/spokes: must be a whole number, not 2.5",
      "/wheels/1/spokes: must be at least 2, not 1",
      "/wheels/2/spokes: 3 is odd"]),
    ({"name": "a", "parts": []}, ["/parts: must be an object, not an array"]),
    ({"name": "a", "parts": {"a/b~": {}}},
     ['/parts/a~1b~0: "a/b~" must be ^p', '/parts/a~1b~0: "size" is missing']),
    ({"name": "a", "load": True}, ["/load: must be a string or a number, not a boolean"]),
    ({"name": "a", "load": 2}, ["/load: must be at most 1, not 2"]),
    ({"name": "a", "while": float("inf")}, ["/while: must be a finite number"]),
    ({"name": "a", "while": True}, ["/while: must be a number, not a boolean"]),
    ({"name": "a", "late": 1}, ["/late: must be true or false, not a number"]),
    ({"name": "a", "late": True, "while": 1}, ["late and waiting"]),
    ({"name": "a", "note": 1}, ["/note: must be a string or null, not a number"]),
    ({"name": "a", "mixed": "x"},
     ["/mixed: must be true or false or an array or a number or an object or null or an object, "
      "not a string"]),
    ({"name": "a", "mixed": [1]}, ["/mixed/0: must be a string, not a number"]),
])  # fmt: skip
def test_every_problem_has_its_place_and_says_what_to_write(
    value: Any, problems: list[str]
) -> None:
    assert load(value) == (BAD, problems)


def test_a_reference_leads_to_something_that_is_there_even_if_that_is_wrong() -> None:
    _, problems = load({"name": "a", "wheels": [{"size": 1, "axle": "rear"}], "axles": {"rare": 1}})
    assert problems == ['/wheels/0/axle: no axle named "rear"; did you mean "rare"?']
    _, problems = load({"name": "a", "wheels": [{"size": 1, "axle": 1}, {"size": 1, "axle": "x"}]})
    assert problems == [
        "/wheels/0/axle: must be a string, not a number",
        '/wheels/1/axle: no axle named "x"',
    ]


def test_a_record_with_a_wrong_field_is_still_checked_as_far_as_the_others_go() -> None:
    wrong = {"name": 1, "late": True, "while": 1}
    assert load(wrong)[1] == ["/name: must be a string, not a number", "late and waiting"]
    assert load({"name": "a", "late": 1, "while": 1})[1] == [
        "/late: must be true or false, not a number"
    ]


def test_a_record_is_frozen_compared_and_printed_by_its_fields() -> None:
    wheel = Wheel(size=1)
    assert repr(wheel) == "Wheel(size=1, spokes=8, axle=None)"
    assert wheel == Wheel(size=1, spokes=8)
    assert wheel != Wheel(size=2)
    assert wheel.replace(size=2) == Wheel(size=2)
    assert len({wheel, wheel}) == 1
    with pytest.raises(AttributeError, match="Wheel is frozen: size can't be set"):
        wheel.size = 2  # type: ignore[misc]
    with pytest.raises(AttributeError, match="Wheel has no colour"):
        wheel.colour  # type: ignore[attr-defined]  # noqa: B018
    with pytest.raises(TypeError, match="Wheel has no colour, tint"):
        Wheel(size=1, tint=1, colour=2)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="Wheel needs size"):
        Wheel()  # type: ignore[call-arg]


def test_a_problem_and_an_error_read_as_lines() -> None:
    error = ConfigError([Problem("", "x"), Problem("/a", "y")])
    assert str(error) == "x\n/a: y"
    assert repr(error.problems[1]) == "/a: y"
    below = [
        problem.under("/body")
        for problem in (*error.problems, Problem("/b", "z", structural=False))
    ]
    assert list(map(str, below)) == ["/body: x", "/body/a: y", "/body/b: z"]
    assert [problem.structural for problem in below] == [True, True, False]
    assert child(child("", "a/b~c"), 3) == "/a~1b~0c/3"
    kinds = [kind_of(value) for value in (None, False, "", 1, 1.5, [], {})]
    assert kinds == [
        "null", "a boolean", "a string", "a number", "a number", "an array", "an object",
    ]  # fmt: skip


def cart_schema() -> dict[str, Any]:
    definitions: dict[str, Any] = {}
    return {**Of(Cart).schema(definitions), "$defs": definitions}


def test_the_schema_is_a_schema_and_describes_each_field_once() -> None:
    schema = cart_schema()
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
    Of(Cart).load(value, "", problems)
    shapely = not any(problem.structural for problem in problems.found)
    assert jsonschema.Draft202012Validator(cart_schema()).is_valid(value) is shapely


def test_a_field_is_required_unless_it_has_a_default() -> None:
    declared: Field = Cart.fields["name"]
    assert declared.default is REQUIRED
    assert Cart.keys[6] == "while"


def test_the_whole_configurations_schema_takes_the_default_configuration() -> None:
    definitions: dict[str, Any] = {}
    schema = {**Of(Config).schema(definitions), "$defs": definitions}
    jsonschema.Draft202012Validator.check_schema(schema)
    default = json.loads((ROOT / "config" / "backends.json").read_text())
    validator = jsonschema.Draft202012Validator(schema)
    validator.validate(default)
    default["backend_pools"]["api"]["colour"] = "blue"
    assert not validator.is_valid(default)


def test_a_choice_within_a_choice_is_found() -> None:
    spec = ListOf(Either(Either(Text(), Boolean()), ListOf(Text())))
    assert spec.item.accepts(True) and not spec.item.accepts(5)


def test_a_record_without_words_has_a_schema_all_the_same() -> None:
    class Silent(Record):
        name: str = field(Text(), "its name", default="")

    definitions: dict[str, Any] = {}
    Silent.schema(definitions)
    assert "description" not in definitions["Silent"] and "required" not in definitions["Silent"]
    assert PoolConfig.schema(definitions) == PoolConfig.schema(definitions)
    with pytest.raises(AttributeError, match="has no colour"):
        _ = Silent().colour  # type: ignore[attr-defined]
