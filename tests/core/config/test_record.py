"""Records: loaded, refused with every problem, frozen, compared and printed."""

from __future__ import annotations

from typing import Any

import pytest

from l7proxy.core.config.problems import Problems
from l7proxy.core.config.record import REQUIRED, Field
from l7proxy.core.config.spec import BAD
from tests.core.config.cart import Cart, Wheel, load


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
        name="a", wheels=(Wheel(size=2, axle="x"),), axles={"x": 1}, wait=3, cargo=1
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
    with pytest.raises(AttributeError, match="no attribute 'colour'"):
        wheel.colour  # type: ignore[attr-defined]  # noqa: B018
    with pytest.raises(TypeError, match="Wheel has no colour, tint"):
        Wheel(size=1, tint=1, colour=2)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="Wheel needs size"):
        Wheel()  # type: ignore[call-arg]


def test_a_field_is_required_unless_it_has_a_default() -> None:
    declared: Field = Cart.fields["name"]
    assert declared.default is REQUIRED
    assert Cart.keys[6] == "while"


def test_a_check_that_is_wrong_itself_is_not_taken_for_a_wrong_field() -> None:
    class Clumsy(Wheel):
        def check(self, at: str, problems: Problems) -> None:
            self.brakes  # type: ignore[attr-defined] # noqa: B018

    with pytest.raises(AttributeError, match="brakes"):
        Clumsy.load({"size": 2, "axle": "x"}, "", Problems())
