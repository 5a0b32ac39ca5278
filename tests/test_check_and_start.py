"""Whatever `check` accepts starts, and whatever it refuses does not.

The configurations are made up of parts that are right, and of such as go wrong only when they are
put to work: files that are missing, empty, of another kind, or don't fit each other.
"""

from __future__ import annotations

import gc
import json
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import get_ident
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.certificates import NEEDS_OPENSSL, encrypt_key, make_certificates
from tests.processes import Outcome
from tests.tools.here import run

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("start")
    make_certificates(made, "a", "b")
    encrypt_key(made / "a.key", made / "locked")
    (made / "key").write_text("a key of sixteen bytes")
    (made / "short").write_text("short")
    (made / "empty").touch()
    (made / "folder").mkdir()
    (made / "away").symlink_to(made / "none" / "x")
    (made / "back").symlink_to(made / "new")
    return made


PATHS = ("new", "key", "folder", "empty", "none/x", "empty/x", "away", "back", "new/", "x" * 300)
FILES = ("a.pem", "b.pem", "a.key", "b.key", "locked", "key", "short", "empty", "folder", "none")
LISTENS = ("127.0.0.1:0", "tls:127.0.0.1:0", "localhost:0")


def mostly(right: str, *others: str) -> st.SearchStrategy[str]:
    return st.one_of(st.just(right), st.just(right), st.sampled_from(others))


certificates = st.fixed_dictionaries(
    {"certificate": mostly("a.pem", *FILES), "key": mostly("a.key", *FILES)},
    optional={"names": st.lists(st.sampled_from(["a", "b"]), max_size=2)},
)
servers = st.fixed_dictionaries(
    {
        "listen": st.lists(
            st.sampled_from(LISTENS)
            | st.sampled_from(PATHS).map(lambda path: f"unix:~/{path}")
            | st.just("unix:~/socket"),
            min_size=1,
            max_size=2,
        )
    },
    optional={
        "tls": st.fixed_dictionaries(
            {"certificates": st.lists(certificates, min_size=1, max_size=2)}
        ),
        "access_log": st.fixed_dictionaries(
            {"path": st.just("-") | st.sampled_from(PATHS)},
            optional={"format": st.sampled_from(["envelope", "combined"])},
        ),
    },
)
sticky = st.fixed_dictionaries({}, optional={"key_file": mostly("key", *FILES)}).map(
    lambda cookie: {"cookie": cookie or {"key_env": "PATH"}}
)
pools = st.fixed_dictionaries(
    {
        "backends": st.sampled_from([["http://127.0.0.1:1"], ["https://localhost:1", "a"], ["a"]]),
        "upstream": st.sampled_from(["simulated", "http", "http", "http", "envelope"]),
    },
    optional={
        "http": st.fixed_dictionaries(
            {"tls": st.fixed_dictionaries({"ca_file": mostly("a.pem", *FILES)})}
        ),
        "sticky": sticky,
        "algorithm": st.sampled_from(["random", "l7proxy.core:Selector", "none_such:Class"]),
    },
)

NAMES_FILES = ("certificate", "key", "path", "ca_file", "key_file")


def settled(value: Any, home: Path) -> Any:
    """The configuration with its files in the directory."""
    if isinstance(value, list):
        return [settled(item, home) for item in value]
    if isinstance(value, str):
        return value.replace("~", str(home))
    if not isinstance(value, dict):
        return value
    return {
        key: f"{home}/{item}" if key in NAMES_FILES and item != "-" else settled(item, home)
        for key, item in value.items()
    }


@contextmanager
def stopping_at_once() -> Iterator[None]:
    """Has a server that starts meanwhile stop as soon as it has; leaves the process as it was."""
    handlers = {number: signal.getsignal(number) for number in SIGNALS}
    threshold = gc.get_threshold()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    # To this thread: it would be the end of the process where another one has it unblocked.
    signal.pthread_kill(get_ident(), signal.SIGTERM)
    try:
        yield
    finally:
        if signal.SIGTERM in signal.sigpending():
            signal.sigwait((signal.SIGTERM,))
        for number, handler in handlers.items():
            signal.signal(number, handler)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        gc.set_threshold(*threshold)
        gc.unfreeze()


def started(file: Path) -> Outcome:
    with stopping_at_once():
        return run("serve", "--config", file)


@NEEDS_OPENSSL
@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(server=servers, pool=pools)
def test_whatever_check_accepts_starts_and_whatever_it_refuses_does_not(
    home: Path, server: dict[str, Any], pool: dict[str, Any]
) -> None:
    for path in ("new", "socket"):
        (home / path).unlink(missing_ok=True)
    file = home / "config.json"
    file.write_text(json.dumps(settled({**pool, "server": server}, home)))
    checked, start = run("check", file), started(file)
    assert checked.status == start.status, (file.read_text(), checked, start)
    assert checked.status in (0, 2)


@NEEDS_OPENSSL
def test_both_happen(home: Path) -> None:
    file = home / "config.json"
    for log, status in (("log", 0), ("none/log", 2)):
        server = {"listen": ["127.0.0.1:0"], "access_log": {"path": f"{home}/{log}"}}
        file.write_text(json.dumps({"backends": ["a"], "server": server}))
        assert (run("check", file).status, started(file).status) == (status, status)


def test_a_variable_that_is_not_set_is_a_note_to_those_who_only_ask(tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    cookie = {"key_env": "L7PROXY_NO_SUCH_VARIABLE"}
    config = {"backends": ["a"], "sticky": {"cookie": cookie}}
    file.write_text(json.dumps({**config, "server": {"listen": ["127.0.0.1:0"]}}))
    at = f"{file}: /sticky/cookie/key_env"
    assert run("check", "--strict", file) == (
        0,
        f"{file}: fine (1 pool, 1 route)\n",
        f"{at}: note: the environment variable is not set; a start needs it\n",
    )
    explained = run("explain", "/", "--config", file)
    assert (explained.status, explained.err) == (
        0,
        'l7proxy: the environment variable "L7PROXY_NO_SUCH_VARIABLE" is not set: no cookie is'
        " valid\n",
    )
    assert started(file)[::2] == (
        2,
        f'{at}: the environment variable "L7PROXY_NO_SUCH_VARIABLE" is not set\n',
    )
