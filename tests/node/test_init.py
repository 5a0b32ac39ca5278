"""What an `init` may bring along, and what only the operator may."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from tests.node.conversation import Conversation


@pytest.mark.parametrize(
    ("members", "pointer"),
    [
        ({"algorithm": "unittest.__main__:X"}, "/body/algorithm"),
        ({"algorithm": "tests.node.never_imported:X"}, "/body/algorithm"),
        ({"sticky": {"cookie": {"key_file": "/dev/urandom"}}}, "/body/sticky/cookie/key_file"),
        ({"sticky": {"cookie": {"key_env": "HOME"}}}, "/body/sticky/cookie/key_env"),
    ],
)
def test_an_init_names_nothing_outside_that_the_operator_has_not(
    members: dict[str, Any], pointer: str
) -> None:
    asked: list[str] = []

    def secrets(kind: str, name: str) -> bytes:
        asked.append(name)
        return b"0123456789abcdef"

    talk = Conversation({"backends": ["b:1"]}, secrets=secrets)
    reply = talk.body(type="init", msg_id=1, backends=["a:1"], **members)
    assert (reply["type"], reply["code"]) == ("error", 12)
    assert reply["text"].startswith(f"{pointer}: the ") and "--allow" in reply["text"]
    assert asked == [] and not {"unittest.__main__", "tests.node.never_imported"} & {*sys.modules}
    assert talk.get("/")["backend"] == "b"


def test_an_init_may_name_what_the_node_was_started_with() -> None:
    third_party = "tests.core.selectors.third_party:Newest"
    start = {"backends": ["a:1", "b:1"], "algorithm": third_party}
    talk = Conversation(start)
    brought = {"backends": ["c:1", "d:1"], "algorithm": third_party}
    assert talk.body(type="init", msg_id=1, **brought)["type"] == "init_ok"
    assert talk.body(type="init", msg_id=1, backends=["e:1"])["type"] == "init_ok"
    # What an init leaves out is still the operator's.
    assert talk.body(type="init", msg_id=1, **brought)["type"] == "init_ok"
    assert talk.get("/")["backend"] == "d"
    allowing = Conversation({"backends": ["a:1"]}, allowed=[third_party])
    assert allowing.body(type="init", msg_id=1, **brought)["type"] == "init_ok"


def test_the_files_of_an_init_are_the_operators_too_where_backends_are_real() -> None:
    http = {"upstream": "http", "http": {"tls": {"ca_file": "/dev/zero"}}}
    talk = Conversation({"backends": ["b:1"]})
    reply = talk.body(type="init", msg_id=1, backends=["a:1"], **http)
    assert reply["text"].startswith("/body/http/tls/ca_file: the certificate file")
