"""Credentials under pseudonyms: what is one, and what can still be told of it."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import pytest

from l7proxy.core.config import config_from
from l7proxy.node.replay_node import ReplayNode
from l7proxy.server.redaction import Redaction, pseudonym

SECRET = pseudonym("secret")


def shown(name: str, value: str, **config: Any) -> str:
    """What is written down of a field."""
    made = config_from({"backend_pools": {"p": {"backends": ["a:1"]}}, **config})
    ((same, what),) = Redaction(made).applied([(name, value)])
    assert same == name
    return what


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("Authorization", "Bearer secret", f"Bearer {SECRET}"),
        ("AUTHORIZATION", "secret", SECRET),
        ("Proxy-Authorization", "Basic secret", f"Basic {SECRET}"),
        ("Cookie", "a=secret", f"a={SECRET}"),
        ("cookie", "a=secret; b = secret;c", f"a={SECRET}; b ={SECRET};{pseudonym('c')}"),
        ("Cookie", "secret", SECRET),
        ("Set-Cookie", "a=secret", f"a={SECRET}"),
        ("X-API-Key", "secret", SECRET),
        ("x_api_key", "secret", SECRET),
        ("X.Api.Key", "secret", SECRET),
        ("User-Agent", "secret", "secret"),
        ("X-Tenant", "secret", "secret"),
    ],
)
def test_credentials_are_redacted_and_the_rest_is_not(name: str, value: str, expected: str) -> None:
    assert shown(name, value) == expected
    assert Redaction().applied([(name, value)]) == [(name, expected)]


@pytest.mark.parametrize(
    "config",
    [
        {"rate_limits": {"api_key_header": "X-Tenant"}},
        {
            "backend_pools": {
                "p": {
                    "backends": ["a:1"],
                    "rate_limit": {"requests_per_second": 1, "per": "header:X-Tenant"},
                }
            }
        },
        *(
            {where: value}
            for limited in [
                {
                    "backend_pool": "p",
                    "rate_limit": {"requests_per_second": 1, "per": "header:x-tenant"},
                }
            ]
            for where, value in (("routes", [limited]), ("default", limited))
        ),
    ],
)
def test_what_limits_tell_clients_apart_by_is_a_credential(config: dict[str, Any]) -> None:
    for name in ("X-Tenant", "x_tenant"):
        assert shown(name, "secret", **config) == SECRET


def test_cookies_stay_that_are_no_secret() -> None:
    pool = {"backends": ["a:1"], "sticky": {"cookie": {"name": "at", "key_env": "K"}}}
    cookies = {
        "canary": "1",
        "beta": {"prefix": "b"},
        "user": {"regex": "a+"},
        "session": {"present": True},
    }
    route = {"backend_pool": "p", "cookies": cookies}
    said = "at=A; canary=1; beta=b; user=a; session=secret"
    assert (
        shown("Cookie", said, backend_pools={"p": pool}, routes=[route])
        == f"at=A; canary=1; beta=b; user=a; session={SECRET}"
    )


def test_equal_credentials_have_equal_pseudonyms_and_others_have_others() -> None:
    assert pseudonym("a") == pseudonym("a") != pseudonym("b")
    assert "secret" not in SECRET and len(SECRET) == len("redacted-") + 16


def test_sessions_and_the_limits_of_keys_are_told_apart_in_a_replay() -> None:
    config = {
        "backends": ["a:1", "b:1", "c:1"],
        "sticky": {"learn": {"cookie": "sid"}},
        "rate_limits": {"per_api_key": {"all": {"requests_per_second": 0.001, "burst": 2}}},
    }
    requests = [("1", "k"), ("2", "k"), ("1", "k"), ("2", "l"), ("3", "m"), ("1", "l"), ("2", "l")]
    clear = [[("Cookie", f"sid={sid}"), ("X-API-Key", key)] for sid, key in requests]
    redaction = Redaction(config_from(config))
    assert played(config, clear) == played(config, list(map(redaction.applied, clear)))


def played(config: dict[str, Any], requests: list[list[tuple[str, str]]]) -> list[str]:
    """What becomes of requests with these fields."""
    found: list[str] = []

    def on_ended(number: int, exchange: Any, now: float) -> None:
        backend = None if exchange.backend is None else exchange.backend.name
        found.append(json.dumps([number, exchange.response.status, backend]))

    node = ReplayNode(config_from(config), Random(0), on_ended)
    for number, fields in enumerate(requests):
        body = {"type": "http_request", "path": "/", "headers": dict(fields)}
        node.play({"src": "c", "at": float(number), "body": body}, number)
    node.end()
    assert len({json.loads(line)[1] for line in found}) == 2
    return found
