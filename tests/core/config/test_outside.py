"""What a configuration names outside itself, which only the operator may."""

from __future__ import annotations

from typing import Any

import pytest

from l7proxy.core.config import ConfigError, amended, config_from
from l7proxy.core.config.model import Config, PoolConfig, SinglePoolConfig
from l7proxy.core.config.outside import Outside, names_outside
from l7proxy.core.config.record import Record, RecordOf
from l7proxy.core.config.spec import Either, ListOf, MapOf, Mapped, Maybe, Spec

POOL = {"backends": ["a:1"]}


def pool(**keys: Any) -> dict[str, Any]:
    return {"backend_pools": {"p": {**POOL, **keys}}}


def server(**keys: Any) -> dict[str, Any]:
    return {**pool(), "server": keys}


NAMED: tuple[tuple[dict[str, Any], str, str], ...] = (
    (pool(algorithm="x:Y"), "/backend_pools/p/algorithm", "selector"),
    ({**POOL, "algorithm": "x:Y"}, "/algorithm", "selector"),
    (
        pool(sticky={"cookie": {"key_file": "x:Y"}}),
        "/backend_pools/p/sticky/cookie/key_file",
        "key file",
    ),
    (
        pool(sticky={"cookie": {"key_env": "x:Y"}}),
        "/backend_pools/p/sticky/cookie/key_env",
        "environment variable",
    ),
    (
        pool(upstream="http", http={"tls": {"ca_file": "x:Y"}}),
        "/backend_pools/p/http/tls/ca_file",
        "certificate file",
    ),
    (server(access_log={"path": "x:Y"}), "/server/access_log/path", "log file"),
    (
        server(tls={"certificates": [{"certificate": "x:Y"}]}),
        "/server/tls/certificates/0/certificate",
        "certificate file",
    ),
    (
        server(tls={"certificates": [{"certificate": "also allowed", "key": "x:Y"}]}),
        "/server/tls/certificates/0/key",
        "key file",
    ),
)
INSIDE: tuple[dict[str, Any], ...] = (
    pool(algorithm="least_connections"),
    server(access_log={"path": "-"}),
    pool(sticky={"learn": {}}),
)
START = config_from({"backends": ["a:1"]})


@pytest.mark.parametrize(("value", "pointer", "noun"), NAMED, ids=[each[1] for each in NAMED])
def test_what_leads_outside_is_refused_unless_it_is_allowed(
    value: dict[str, Any], pointer: str, noun: str
) -> None:
    also = ("certificate file", "also allowed")
    with pytest.raises(ConfigError) as caught:
        amended(START, value, {also, ("other noun", "x:Y")})
    (problem,) = caught.value.problems
    assert (problem.pointer, problem.message) == (
        pointer,
        f'the {noun} "x:Y" can\'t be named here: it has to be in the configuration at the start, '
        "or allowed by --allow",
    )
    for allowed in ({also, (noun, "x:Y")}, {also, ("", "x:Y")}, None):
        config = amended(START, value, allowed)
        assert (noun, "x:Y") in names_outside(config)


@pytest.mark.parametrize("value", INSIDE)
def test_what_does_not_lead_outside_is_always_allowed(value: dict[str, Any]) -> None:
    assert list(names_outside(amended(START, value, ()))) == []


def test_a_name_that_no_selector_can_have_is_refused_as_ever() -> None:
    with pytest.raises(ConfigError, match='no selector named "leastconns"'):
        amended(START, pool(algorithm="leastconns"), ())
    with pytest.raises(ConfigError, match="/algorithm: must be a string, not a number"):
        amended(START, pool(algorithm=3), ())


def test_every_key_that_leads_outside_is_tried_here() -> None:
    found = {f"{record.__name__}.{key}" for record, key in outside_fields()}
    assert found == {
        "AccessLogConfig.path",
        "BackendTlsConfig.ca_file",
        "CertificateConfig.certificate",
        "CertificateConfig.key",
        "PoolConfig.algorithm",
        "StickyCookieConfig.key_env",
        "StickyCookieConfig.key_file",
    }
    assert "algorithm" in SinglePoolConfig.fields and len(NAMED) == len(found) + 1


def test_a_key_whose_name_sounds_like_a_file_leads_outside() -> None:
    for record in records(RecordOf(Config)):
        for key, declared in record.fields.items():
            sounds = (
                key.endswith(("file", "_env")) or "PEM" in declared.doc or "a file" in declared.doc
            )
            assert isinstance(declared.spec, Outside) or not sounds, (record, key)


def outside_fields() -> set[tuple[type[Record], str]]:
    return {
        (record, key)
        for record in records(RecordOf(Config))
        for key, declared in record.fields.items()
        if isinstance(declared.spec, Outside)
    }


def records(spec: Spec[Any]) -> set[type[Record]]:
    """Returns the records that are in what a spec loads."""
    if isinstance(spec, RecordOf):
        found = {spec.record}
        for declared in spec.record.fields.values():
            found |= records(declared.spec)
        return found
    if isinstance(spec, Either):
        return records(spec.one) | records(spec.other)
    if isinstance(spec, Mapped | Maybe):
        return records(spec.spec)
    return records(spec.item) if isinstance(spec, ListOf | MapOf) else set()


def test_the_pools_of_a_configuration_are_among_what_is_looked_at() -> None:
    assert {Config, PoolConfig} < records(RecordOf(Config))
