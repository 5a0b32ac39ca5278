"""The two builds of the package: what makes the compiled one, and that both say the same.

Which of them runs the other tests is the environment's to say; those that hold one beside the other
need the compiled one.
"""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import hatch_build
from benchmarks import traffic
from l7proxy.commands.version import is_compiled
from tests.builds import needs_compiled
from tests.processes import MAIN, ROOT, run


def backends(pool: str, *more: dict[str, object]) -> list[dict[str, object]]:
    return [
        {"name": f"{pool}-{n}", "address": f"{pool}:{n + 1}"} | extra
        for n, extra in enumerate(more)
    ]


CONFIG = {
    "backend_pools": {
        "api": {
            "backends": backends("api", {"weight": 5}, {"max_connections": 2}, {"tier": 1}),
            "slow_start": 4,
            "breaker": {"failures": 2, "open_time": 3},
            "queue": {"size": 5, "timeout": 1},
            "retries": {"attempts": 2},
            "simulate": {
                "latency": {"exponential": 0.2},
                "faults": [{"fault": "status", "probability": 0.2}],
            },
        },
        "web": {
            "backends": backends("web", {}, {"weight": 3}),
            "algorithm": "ring-hash",
            "options": {"hash_key": {"header": "X-Request-ID"}},
        },
        "spread": {"backends": backends("s", *[{}] * 5), "algorithm": "random"},
    },
    "routes": [
        {
            "path_pattern": "/api/*",
            "backend_pool": "api",
            "rewrite": {"strip_prefix": "/api"},
        },
        {"path_pattern": "/static/*", "backend_pool": "web"},
        {"path_pattern": "/*", "backend_pool": "spread", "response_headers": {"set": {"X": "y"}}},
    ],
}


@pytest.fixture(scope="module")
def pure(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the program that has the source alone."""
    root = tmp_path_factory.mktemp("pure")
    no_modules = shutil.ignore_patterns("*.so", "*.pyd", "__pycache__")
    shutil.copytree(ROOT / "l7proxy", root / "l7proxy", ignore=no_modules)
    shutil.copytree(ROOT / "config", root / "config")
    shutil.copy(MAIN, root)
    assert "(pure, " in said(root / "main.py", "--version")
    return root / "main.py"


def said(main: Path, *words: str, to: bytes = b"") -> str:
    """Everything that a run prints; the two streams one after the other."""
    command = [sys.executable, str(main), *words]
    done = subprocess.run(command, input=to, capture_output=True, timeout=60, cwd=main.parent)
    return done.stdout.decode() + done.stderr.decode()


def conversation(seed: int, length: int, spoilt: float) -> bytes:
    """Traffic as people send it, with times, some of it explained and some of it no longer JSON."""
    rng = random.Random(seed)
    lines = []
    at = 0.0
    for line in traffic.lines("honest", length, seed):
        envelope = json.loads(line)
        at += rng.random() / 10
        envelope["at"] = round(at, 3)
        if rng.random() < 0.1:
            envelope["body"]["explain"] = True
        line = json.dumps(envelope).encode()
        if rng.random() < spoilt:
            cut = rng.randrange(len(line))
            line = line[:cut] + bytes((rng.randrange(256),)) + line[cut + 1 :]
        lines.append(line)
    lines.append(b'{"src": "c", "dest": "lb", "body": {"type": "status", "msg_id": 1}}')
    return b"\n".join(lines) + b"\n"


@needs_compiled
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    seed=st.integers(0, 2**32),
    algorithm=st.sampled_from(
        ("least-connections", "round-robin", "maglev", "least-time", "power-of-two")
    ),
    spoilt=st.sampled_from((0.0, 0.1, 0.5)),
)
def test_both_builds_answer_a_conversation_with_the_same_bytes(
    pure: Path, seed: int, algorithm: str, spoilt: float
) -> None:
    config = json.loads(json.dumps(CONFIG))
    config["backend_pools"]["api"]["algorithm"] = algorithm
    file = pure.parent / "config.json"
    file.write_text(json.dumps(config))
    words = ("--config", str(file), "--virtual-time", "--seed", str(seed % 7))
    to = conversation(seed, 120, spoilt)
    assert said(MAIN, *words, to=to) == said(pure, *words, to=to)


SELECTOR = '''
from l7proxy.core import Selector


class Last(Selector):
    """Picks the last one, and has a bug."""

    def pick(self, request=None, avoid=()):
        if request is not None and request.target == "/bug":
            raise ZeroDivisionError("of the selector")
        return self.eligible[-1]
'''


def test_a_selector_in_plain_python_works_on_either_build_and_its_bugs_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "last_one.py").write_text(SELECTOR)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    pool = {"backends": backends("p", {}, {}), "algorithm": "last_one:Last"}
    routes = [{"path_pattern": "/*", "backend_pool": "p"}]
    config = {"backend_pools": {"p": pool}, "routes": routes}
    (tmp_path / "c.json").write_text(json.dumps(config))
    body = {"type": "http_request", "msg_id": 1, "path": "/"}
    good = json.dumps({"src": "c", "dest": "lb", "body": body})
    bad = json.dumps({"src": "c", "dest": "lb", "body": {**body, "path": "/bug"}})
    done = run("--config", tmp_path / "c.json", said=f"{good}\n{bad}\n{good}\n")
    replies = [json.loads(line)["body"] for line in done.out.splitlines()]
    assert [reply.get("backend", reply.get("code")) for reply in replies] == ["p-1", 13, "p-1"]
    assert 'last_one.py", line 10, in pick' in done.err
    assert "ZeroDivisionError: of the selector" in done.err
    # The way there is told, too, with the lines of the source.
    assert 'core/pool/pool.py", line ' in done.err


def test_the_version_tells_the_build() -> None:
    build = "compiled" if is_compiled() else "pure"
    assert f"({build}, CPython 3." in run("--version").out


def test_nothing_is_needed_for_a_build_that_is_not_compiled(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for value in ("", "0"):
        monkeypatch.setenv("L7PROXY_COMPILE", value)
        assert not hatch_build.is_wanted()
    monkeypatch.setenv("L7PROXY_COMPILE", "1")
    assert hatch_build.is_wanted()


def test_without_a_compiler_a_sentence_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CC", "no-such-compiler -O2")
    with pytest.raises(SystemExit, match=r"a C compiler \(no-such-compiler\) is missing here"):
        hatch_build.compile_package(ROOT, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_every_room_that_a_request_passes_through_is_compiled() -> None:
    compiled = {path.relative_to(ROOT).as_posix() for path in hatch_build.compiled_files(ROOT)}
    for path in (
        "l7proxy/core/exchange.py",
        "l7proxy/core/pool/pool.py",
        "l7proxy/envelope/decode.py",
        "l7proxy/http1/request.py",
        "l7proxy/node/node.py",
        "l7proxy/server/connection.py",
        "l7proxy/upstreams/http/connection.py",
    ):
        assert path in compiled
    assert not any(path.startswith(("l7proxy/core/config/", "l7proxy/tools/")) for path in compiled)
