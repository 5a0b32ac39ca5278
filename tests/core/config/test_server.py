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
