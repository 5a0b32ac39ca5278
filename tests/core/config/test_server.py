"""The part of the configuration that only the listener reads."""

from __future__ import annotations

import pytest

from l7proxy.core import ConfigError, config_from


def test_a_listener_is_kept_as_written() -> None:
    config = config_from({"backends": ["a:1"], "server": {"listen": ["127.0.0.1:80"]}})
    assert config.server.listen == ("127.0.0.1:80",)


def test_a_listener_without_a_port_is_refused() -> None:
    with pytest.raises(ConfigError, match=r'/server/listen/0: "nowhere" must be host:port'):
        config_from({"backends": ["a:1"], "server": {"listen": ["nowhere"]}})


@pytest.mark.parametrize(("server", "problem"), [
    ({"listen": ["127.0.0.1:0", "tls:[::1]:443"]},
     "/server/tls: an address that begins with tls: needs certificates"),
    ({"listen": ["a:80", "[::1]:80", "a:80"]}, "/server/listen/2: a:80 is listened on already"),
    ({"listen": ["unix:/a", "unix:/a"]}, "/server/listen/1: unix:/a is listened on already"),
    ({"access_log": {"path": "a\0b"}}, '/server/access_log/path: "a\0b" must be a file\'s name'),
])  # fmt: skip
def test_what_can_not_be_listened_on_or_opened_is_refused(
    server: dict[str, object], problem: str
) -> None:
    with pytest.raises(ConfigError) as refused:
        config_from({"backends": ["a:1"], "server": server})
    assert str(refused.value) == problem


@pytest.mark.parametrize(
    ("name", "is_taken"),
    [
        *[(name, True) for name in ("b.example", "b.example.", "b:8443", "::1", "é.example")],
        *[(name, False) for name in (".example", "b..example", "b example", "b\n", "b" * 64)],
    ],
)
def test_a_name_that_no_backend_can_be_asked_for_is_refused(name: str, is_taken: bool) -> None:
    config = {"backends": ["https://a"], "upstream": "http", "http": {"tls": {"server_name": name}}}
    if is_taken:
        config_from(config)
        return
    with pytest.raises(ConfigError, match=r"/http/tls/server_name: .* is not the name of a host"):
        config_from(config)


def test_several_ports_that_the_system_chooses_are_no_two_of_a_kind() -> None:
    listen = ["127.0.0.1:0", "127.0.0.1:0"]
    config = config_from({"backends": ["a:1"], "server": {"listen": listen}})
    assert config.server.listen == tuple(listen)
