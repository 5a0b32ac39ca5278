"""The JSON Schema says what the loader takes, neither more nor less."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from l7proxy.commands import main
from l7proxy.core import ConfigError, config_from
from l7proxy.core.config.algorithms import ALIASES, OPTIONS
from l7proxy.tools.schema import config_schema
from tests.tools.generated import some_configuration

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = config_schema()
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)


def structural_problems(value: Any) -> list[str]:
    """What the loader says is wrong with the shape; contradictions are beyond a schema."""
    try:
        config_from(value)
    except ConfigError as error:
        return [str(problem) for problem in error.problems if problem.structural]
    return []


def check_they_agree(seed: int, faults: float) -> None:
    value = some_configuration(Random(seed), faults)
    by_loader = structural_problems(value)
    by_schema = [f"{e.json_path}: {e.message}" for e in VALIDATOR.iter_errors(value)]
    assert bool(by_loader) is bool(by_schema), (value, by_loader, by_schema)


@settings(max_examples=400)
@given(st.integers(0, 2**64))
def test_schema_and_loader_agree_on_configurations_that_are_mostly_right(seed: int) -> None:
    check_they_agree(seed, 0.0)


@settings(max_examples=400)
@given(st.integers(0, 2**64))
def test_they_agree_on_configurations_with_a_fault(seed: int) -> None:
    check_they_agree(seed, 0.02)


def test_it_is_a_schema_and_takes_every_configuration_of_the_repository() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    files = [ROOT / "config" / "backends.json", *ROOT.glob("tests/golden/**/*.config.json")]
    assert len(files) > 5
    for file in files:
        VALIDATOR.validate(json.loads(file.read_bytes()))


def test_every_key_is_described() -> None:
    for name, definition in SCHEMA["$defs"].items():
        assert definition["description"], name
        for key, schema in definition["properties"].items():
            assert schema["description"], (name, key)


@pytest.mark.parametrize("value", [[], "x", None, {}, {"backends": []}, {"routes": []}])
def test_what_is_no_configuration_is_refused_by_both(value: Any) -> None:
    assert structural_problems(value)
    assert not VALIDATOR.is_valid(value)


@pytest.mark.parametrize("value", [
    {"default": {"respond": {}}}, {"routes": [{"respond": {}}]},
    {"$schema": "s", "backends": ["a"]}, {"$schema": "s", "backend_pools": {}},
])  # fmt: skip
def test_what_needs_no_pool_and_what_names_its_schema_is_taken_by_both(value: Any) -> None:
    assert structural_problems(value) == []
    assert VALIDATOR.is_valid(value)


@pytest.mark.parametrize("value", [
    {"default": {}}, {"default": {"backend_pool": "default", "respond": {}}},
    {"sticky": {}}, {"sticky": {"learn": {}, "cookie": {"key_file": "k"}}},
    {"sticky": {"cookie": {}}}, {"sticky": {"cookie": {"key_file": "k", "key_env": "K"}}},
    {"simulate": {"latency": {}}}, {"simulate": {"latency": {"fixed": 1, "exponential": 1}}},
    {"algorithm": "ring-hash", "options": {"hash_key": {}}},
    {"algorithm": "ring-hash", "options": {"hash_key": {"query": "a", "cookie": "a"}}},
    {"algorithm": "colour"},
    {"routes": [{"respond": {}, "path": "/a", "path_regex": "/a"}]},
    {"routes": [{"respond": {}, "headers": {"A": {"prefix": "a", "present": True}}}]},
    {"routes": [{"respond": {}, "rewrite": {"strip_prefix": "/a", "substitution": "/b"}}]},
])  # fmt: skip
def test_keys_of_which_there_is_to_be_one_are_counted_by_both(value: Any) -> None:
    if "routes" not in value:
        value = {"backends": ["a"], **value}
    assert structural_problems(value)
    assert not VALIDATOR.is_valid(value)


def test_an_editor_can_complete_the_name_of_an_algorithm() -> None:
    algorithm = SCHEMA["$defs"]["PoolConfig"]["properties"]["algorithm"]
    names, others, _ = algorithm["anyOf"]
    assert names["enum"] == sorted(OPTIONS)
    assert set(ALIASES) <= set(others["enum"]) and not set(names["enum"]) & set(others["enum"])
    for name in ("first", "wlc", "module:Class"):
        assert VALIDATOR.is_valid({"backends": ["a"], "algorithm": name})


def test_the_command_prints_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema"]) == 0
    assert json.loads(capsys.readouterr().out) == SCHEMA
