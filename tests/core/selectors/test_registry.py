"""From a name in the configuration to a selector: built in, somebody else's, or a clear no."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from random import Random

import pytest

from l7proxy.core import Proxy
from l7proxy.core.config import ConfigError, config_from
from l7proxy.core.config.algorithms import BUILT_IN
from l7proxy.core.selectors import UnknownSelector, find_selector
from tests.core.selectors.support import bring_back, picks, pool_of, take_out
from tests.core.selectors.third_party import Newest
from tests.node.conversation import Conversation

OURS = "tests.core.selectors.third_party:Newest"


def test_a_selector_outside_the_package_is_used_by_naming_it() -> None:
    pool = pool_of(OURS, 1, 1, 1)
    assert picks(pool, 2) == "cc"
    assert picks(pool, 1, avoid="c") == "b"
    take_out(pool, "c")
    assert picks(pool, 1) == "b"
    bring_back(pool, "c")
    assert picks(pool, 1) == "c"
    assert pool.selector.explain() == {}


def test_it_gets_the_options_that_it_declares_and_no_others() -> None:
    assert picks(pool_of(OURS, 1, 1, 1, options={"skip": 2}), 1) == "a"
    with pytest.raises(ConfigError, match="/options/skap: unknown key; did you mean"):
        pool_of(OURS, 1, options={"skap": 2})
    with pytest.raises(ConfigError, match="/options/skip: must be at least 0"):
        pool_of(OURS, 1, options={"skip": -1})


def test_every_algorithm_that_a_configuration_may_name_has_a_selector() -> None:
    for name, algorithm in BUILT_IN.items():
        assert find_selector(name).options is algorithm.options


def test_loading_a_configuration_imports_nobody_s_selector(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "late_selector.py").write_text("from l7proxy.core import Selector as Late\n")
    monkeypatch.syspath_prepend(tmp_path)
    pools = {"a/b": {"backends": ["x:1"], "algorithm": "late_selector:Late", "options": {"n": 1}}}
    config = config_from({"backend_pools": pools})
    assert "late_selector" not in sys.modules
    with pytest.raises(ConfigError) as refused:
        Proxy(config, Random(0))
    assert list(map(str, refused.value.problems)) == [
        '/backend_pools/a~1b/algorithm: "late_selector:Late" has no method "pick" of its own'
    ]


def test_it_is_used_by_a_whole_node_that_is_told_its_name() -> None:
    node = Conversation({"backends": ["a:1", "b:1"], "algorithm": OURS})
    assert [node.get("/")["backend"] for _ in range(3)] == ["b", "b", "b"]


def test_an_entry_point_gives_a_selector_a_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = tmp_path / "their_package-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: their-package\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[l7proxy.selectors]\nnewest = {OURS}\n")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    importlib.invalidate_caches()
    assert find_selector("newest") is Newest


@pytest.mark.parametrize(("name", "complaint"), [
    ("rund-robin", 'no selector named "rund-robin"; did you mean "round-robin"?'),
    (
        "no_such_module:X",
        "can't import selector \"no_such_module:X\": there is no module \"no_such_module\""
        " beside main.py, in a directory of PYTHONPATH, or among what is installed",
    ),
    (
        "needing_selector:X",
        "can't import selector \"needing_selector:X\": there is no module \"no_such_module\","
        " which it needs, beside main.py,",
    ),
    (":X", "can't import selector \":X\": ValueError: Empty module name"),
    ("..x:z", "can't import selector \"..x:z\": TypeError: "),
    ("broken_selector:X", "can't import selector \"broken_selector:X\": RuntimeError: not today"),
    ("unreadable_selector:X", "can't import selector \"unreadable_selector:X\": SyntaxError: "),
    ("ending_selector:X", "can't import selector \"ending_selector:X\": SystemExit: 5"),
    ("tests.core.selectors.third_party:Oldest", 'third_party has no "Oldest"'),
    (
        "tests.core.selectors.third_party:Newst",
        'third_party has no "Newst"; did you mean "Newest"?',
    ),
    ("idle_selector:Idle", '"idle_selector:Idle" has no method "pick" of its own'),
    ("l7proxy.core:Selector", '"l7proxy.core:Selector" has no method "pick" of its own'),
    ("tests.core.selectors.third_party:NotASelector", "is not a subclass of l7proxy.core.Selector"),
    ("tests.core.selectors.third_party:OURS.x", "has no"),
])  # fmt: skip
def test_a_name_that_leads_to_no_selector_is_refused(
    name: str, complaint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken_selector.py").write_text('raise RuntimeError("not today")\n')
    (tmp_path / "unreadable_selector.py").write_text("def\n")
    (tmp_path / "needing_selector.py").write_text("import no_such_module\n")
    (tmp_path / "idle_selector.py").write_text(
        "from l7proxy.core import Selector\nclass Idle(Selector):\n    turn = None\n"
    )
    (tmp_path / "ending_selector.py").write_text("import sys\nsys.exit(5)\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(UnknownSelector) as caught:
        find_selector(name)
    assert complaint in str(caught.value)
    with pytest.raises(ConfigError) as refused:
        pool_of(name, 1)
    (problem,) = refused.value.problems
    assert problem.pointer == "/algorithm"
