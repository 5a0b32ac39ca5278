"""The pytest plugin, as somebody uses it in a project of their own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from pkgutil import walk_packages

import pytest

import l7proxy
from tests.processes import unmeasured
from tests.readme import blocks

pytest_plugins = ["pytester"]

Runs = Callable[..., tuple[int, str]]

ROOT = Path(__file__).resolve().parents[2]

IS_INSTALLED = any(entry.name == "l7proxy" for entry in entry_points(group="pytest11"))
PLUGIN = () if IS_INSTALLED else ("-p", "l7proxy.testing.pytest_plugin")
"""An installed plugin is found by pytest itself, and must not be named again."""

CONFIG = """{
  "backend_pools": {"users": {"backends": ["u1:80", "u2:80"]}, "web": {"backends": ["w:80"]}},
  "routes": [
    {"path_pattern": "/users/*", "backend_pool": "users"},
    {"path_pattern": "/*", "backend_pool": "web"}
  ]
}
"""
SAID = '{{"src": "c", "dest": "n", "body": {{"type": "http_request", "path": "{}"}}}}\n'
GOT = (
    '{{"src": "n", "dest": "c", "body": {{"type": "http_response", "status": 200, '
    '"backend": "{}"}}}}\n'
)
PROPERTY = """
from hypothesis import given
from hypothesis import strategies as st


@given(name=st.text("abc/", max_size=8))
def test_users_have_backends_of_their_own(l7proxy_node, name):
    l7proxy_node.reset()
    assert l7proxy_node.send(path="/users/" + name)["backend"] == "u1"


def test_every_test_finds_the_node_fresh(l7proxy_node):
    assert l7proxy_node.send(path="/users/x")["backend"] == "u1"
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A directory with a configuration, three golden conversations and a property test."""
    (tmp_path / "pytest.ini").write_text("[pytest]\nl7proxy_config = lb.json\n")
    (tmp_path / "lb.json").write_text(CONFIG)
    (tmp_path / "test_routing.py").write_text(PROPERTY)
    for name, path, backend in (
        ("users", "/users/7", "u1"),
        ("root", "/", "w"),
        ("other", "/usersx", "w"),
    ):
        (tmp_path / f"{name}.in.jsonl").write_text(SAID.format(path))
        (tmp_path / f"{name}.out.jsonl").write_text(GOT.format(backend))
    return tmp_path


@pytest.fixture(scope="module")
def imported() -> None:
    """Imports all that the plugin may import.

    After a run in this process pytest forgets the modules that were imported in it, but the
    packages they are in do not: `from package import module` would give other tests a second one.
    """
    for module in walk_packages(l7proxy.__path__, "l7proxy."):
        if not module.name.startswith(("l7proxy.__main__", "l7proxy.testing")):
            import_module(module.name)


@pytest.fixture
def run_pytest(pytester: pytest.Pytester, imported: None) -> Runs:
    """Runs pytest in a project; returns its exit status, and what it prints."""

    def run(project: Path, *words: str) -> tuple[int, str]:
        os.chdir(project)
        done = pytester.runpytest_inprocess("-p", "no:cacheprovider", *PLUGIN, *words)
        return int(done.ret), f"{done.stdout}\n{done.stderr}"

    return run


def run_apart(python: str, project: Path, *words: str) -> tuple[int, str]:
    """The same in a process of its own, with the plugins that are installed there."""
    done = subprocess.run(
        [python, "-m", "pytest", "-p", "no:cacheprovider", *words],
        cwd=project,
        env={k: v for k, v in unmeasured().items() if not k.startswith("PYTEST")},
        capture_output=True,
        text=True,
        timeout=120,
    )
    return done.returncode, done.stdout + done.stderr


def test_a_project_with_golden_conversations_and_a_property_passes(
    project: Path, run_pytest: Runs
) -> None:
    status, out = run_pytest(project, "--l7proxy-route-coverage", "--l7proxy-fail-under", "100")
    assert (status, "5 passed" in out) == (0, True), out
    assert "routes reached: 2 of 2 (100 %)" in out


def test_a_broken_route_fails_with_a_diff_that_names_the_line(
    project: Path, run_pytest: Runs
) -> None:
    config = (project / "lb.json").read_text()
    (project / "lb.json").write_text(config.replace('"/users/*"', '"/user/*"'))
    status, out = run_pytest(project, "--l7proxy-route-coverage")
    assert status == 1
    assert "users.out.jsonl:1:\n- " + GOT.format("u1") + "+ " + GOT.format("w") in out
    assert "2 passed" in out and "3 failed" in out
    assert "/user/* was not reached" in out


def test_golden_update_writes_what_is_answered_now(project: Path, run_pytest: Runs) -> None:
    (project / "new.in.jsonl").write_text(SAID.format("/new"))
    status, out = run_pytest(project)
    assert (status, "1 failed, 5 passed" in out) == (1, True)
    missing = project / "new.out.jsonl"
    assert f"{missing}: there is no such file; --l7proxy-golden-update writes it\n" in out
    (project / "root.out.jsonl").write_text("")
    status, out = run_pytest(project, "--l7proxy-golden-update")
    assert (status, "6 passed" in out) == (0, True)
    assert (project / "new.out.jsonl").read_text() == GOT.format("w")
    assert (project / "root.out.jsonl").read_text() == GOT.format("w")


def test_too_few_routes_fail_the_run(project: Path, run_pytest: Runs) -> None:
    status, out = run_pytest(project, "root.in.jsonl", "--l7proxy-fail-under", "51")
    assert (status, "only 50 % of the routes were reached" in out) == (1, True)
    status, out = run_pytest(project, "root.in.jsonl", "--l7proxy-fail-under", "150")
    assert (status, "150 is not a percentage from 0 to 100" in out) == (4, True)


def test_cases_are_collected_and_a_configuration_that_is_wrong_is_said_so(
    project: Path, run_pytest: Runs
) -> None:
    case = {"request": {"path": "/users"}, "expect": {"pool": "web"}}
    (project / "some.cases.jsonl").write_text(json.dumps(case) + "\n")
    status, out = run_pytest(project, "some.cases.jsonl")
    assert (status, 'some.cases.jsonl:1: GET /users\n- pool: "web"\n+ pool: "users"' in out) == (
        1,
        True,
    )
    (project / "some.config.json").write_text('{"backends": 1}')
    out = run_pytest(project, "some.cases.jsonl")[1]
    assert f"\n{project / 'some.config.json'}: /backends" in out
    (project / "some.config.json").write_text('{"backends": ["a"], "\\u001b[2J": 1, "tier": 1}')
    out = run_pytest(project, "some.cases.jsonl")[1]
    for key in ("\\x1b[2J", "tier"):
        assert f"\n{project / 'some.config.json'}: /{key}: unknown key" in out
    (project / "some.config.json").unlink()
    (project / "some.cases.jsonl").write_text("[]\n")
    out = run_pytest(project, "some.cases.jsonl")[1]
    assert f"\n{project / 'some.cases.jsonl'}:1: a case needs an object" in out


CASES = [
    {"request": {"path": "/users"}, "expect": {"pool": "users", "backend": "u1"}},
    {"name": "in turn", "request": {"path": "/users"}, "expect": {"backend": "u2"}},
    {"request": {"path": "/users"}, "expect": {"pool": "web"}},
]


def test_each_line_of_cases_is_a_test_of_its_own(project: Path, run_pytest: Runs) -> None:
    file = project / "some.cases.jsonl"
    file.write_text("".join(json.dumps(case) + "\n\n" for case in CASES))
    status, out = run_pytest(project, "-v", "some.cases.jsonl", "--l7proxy-route-coverage")
    assert (status, "1 failed, 2 passed" in out) == (1, True), out
    assert "some.cases.jsonl::line 1: GET /users PASSED" in out
    assert "some.cases.jsonl::line 3: in turn PASSED" in out
    assert (
        f'\n{file}:5: GET /users\n- pool: "web"\n+ pool: "users"\n         ^^ ^^\n'
        "  route /users/*\n    /*: less specific than /users/*: its literal prefix is longer\n"
        "(- expected, + answered, ^ where they differ)\n" in out
    )
    assert "routes reached: 1 of 2 (50 %)" in out
    # One alone finds the node as the lines before it left it.
    status, out = run_pytest(project, f"{file}::line 3: in turn")
    assert (status, "1 passed" in out) == (0, True), out


WRONG = """
import pytest


@pytest.mark.l7proxy(config="nowhere.json")
def test_one(l7proxy_node):
    pass


@pytest.mark.l7proxy(config={"backends": []})
def test_two(l7proxy_node):
    pass


@pytest.mark.l7proxy(config={"backends": ["a"]}, seed=[])
def test_three(l7proxy_node):
    pass
"""


def test_a_marker_whose_configuration_can_not_be_used_gets_a_sentence(
    project: Path, run_pytest: Runs
) -> None:
    (project / "test_routing.py").write_text(WRONG)
    status, out = run_pytest(project, "test_routing.py")
    assert (status, "3 errors" in out) == (1, True), out
    one, _, rest = out.partition("setup of test_two")
    assert f"\n{project / 'nowhere.json'}: No such file or directory\n" in one
    assert "Traceback" not in one and "exception" not in one
    assert "\na test's own configuration: /backends: " in rest


MISTAKEN = """
import pytest


@pytest.mark.parametrize(("said", "text"), [
    ({"pth": "/"}, 'no member "pth" of an http_request; did you mean "path"?'),
    ({"path": "/", "header": {}}, 'no member "header" of an http_request; did you mean "headers"?'),
    ({"path": "/", "metod": "GET"}, 'no member "metod" .* did you mean "method"'),
    ({"path": "/", "at": 3}, 'no member "at" of an http_request'),
    ({"type": "http_request", "zebra": 3}, 'no member "zebra" of an http_request$'),
])
def test_what_is_sent_by_mistake_is_refused(l7proxy_node, said, text):
    with pytest.raises(TypeError, match=text):
        l7proxy_node.send(**said)


def test_an_envelope_has_its_own_body(l7proxy_node):
    with pytest.raises(TypeError, match="not both"):
        l7proxy_node.send({"src": "a", "body": {}}, path="/")
    assert l7proxy_node.send(type="status", anything=1)["type"] == "status_ok"
"""


def test_members_that_mean_nothing_are_refused_by_the_fixture(
    project: Path, run_pytest: Runs
) -> None:
    (project / "test_routing.py").write_text(MISTAKEN)
    status, out = run_pytest(project, "test_routing.py")
    assert (status, "6 passed" in out) == (0, True), out


def test_files_are_collected_only_where_they_are_asked_for(project: Path, run_pytest: Runs) -> None:
    (project / "some.cases.jsonl").write_text("this is somebody else's\n")
    assert "1 failed, 5 passed" in run_pytest(project)[1]
    (project / "pytest.ini").write_text("[pytest]\n")
    (project / "test_routing.py").write_text("def test_one(): pass\n")
    status, out = run_pytest(project)
    assert (status, "1 passed" in out) == (0, True), out
    status, out = run_pytest(project, "some.cases.jsonl")
    assert (status, "some.cases.jsonl:1: not JSON" in out) == (1, True)


@pytest.mark.parametrize("option", ["--golden-update", "--route-coverage", "--fail-under"])
def test_other_plugins_may_have_options_like_those_of_the_command(
    project: Path, run_pytest: Runs, option: str
) -> None:
    (project / "conftest.py").write_text(
        f"def pytest_addoption(parser):\n    parser.addoption({option!r}, action='store_true')\n"
    )
    status, out = run_pytest(project, option)
    assert (status, "5 passed" in out) == (0, True), out


TALK = """
import pytest

SLOW = {"backends": [{"address": "a:80", "simulate": {"latency": 2}}]}


@pytest.mark.l7proxy(config=SLOW)
def test_time_is_the_test_s(l7proxy_node):
    assert l7proxy_node.send(path="/") is None
    assert l7proxy_node.at(1.5) == []
    (reply,) = l7proxy_node.at(3.0)
    assert (reply["backend"], l7proxy_node.replies[0]["at"]) == ("a", 2)
    with pytest.raises(ValueError, match="backwards"):
        l7proxy_node.at(1)
    assert l7proxy_node.send(path="/") is None
    assert [reply["backend"] for reply in l7proxy_node.finish()] == ["a"]


@pytest.mark.l7proxy(config=SLOW)
def test_a_message_is_not_answered_by_the_reply_to_another(l7proxy_node):
    ask = {"type": "http_request", "path": "/"}
    assert l7proxy_node.send({"src": "c", "at": 0, "body": {**ask, "msg_id": 1}}) is None
    assert l7proxy_node.send({"src": "c", "at": 3, "body": {**ask, "msg_id": 2}}) is None
    assert [reply["body"]["in_reply_to"] for reply in l7proxy_node.replies] == [1]


@pytest.mark.l7proxy(config="lb.json", seed=3)
def test_an_envelope_is_answered_with_one(l7proxy_node):
    sent = {"src": "me", "at": 5, "body": {"type": "http_request", "msg_id": 9, "path": "/"}}
    assert l7proxy_node.send(sent)["dest"] == "me"
    assert l7proxy_node.send(type="status")["type"] == "status_ok"
"""


MARKED = """
import pytest


@pytest.mark.l7proxy({})
def test_one(l7proxy_node):
    pass
"""


@pytest.mark.parametrize("said", ["confg='lb.json'", "'lb.json'", "'lb.json', seed=3"])
def test_a_marker_that_says_something_unknown_is_refused(
    project: Path, run_pytest: Runs, said: str
) -> None:
    (project / "test_routing.py").write_text(MARKED.format(said))
    status, out = run_pytest(project, "test_routing.py")
    assert (status, "1 error" in out) == (1, True), out
    assert f"l7proxy(config=FILE or object, seed=N), and nothing else: not l7proxy({said})\n" in out


def test_the_fixture_is_a_node_to_talk_to(project: Path, run_pytest: Runs) -> None:
    (project / "test_routing.py").write_text(TALK)
    status, out = run_pytest(project, "test_routing.py")
    assert (status, "3 passed" in out) == (0, True), out


def test_the_readme_s_example_of_a_test_passes(tmp_path: Path, run_pytest: Runs) -> None:
    (example,) = [b.text for b in blocks() if b.text.startswith("# test_shop.py")]
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    (tmp_path / "test_shop.py").write_text(example)
    (tmp_path / "pytest.ini").write_text("[pytest]\nl7proxy_config = examples/shop/config.json\n")
    status, out = run_pytest(tmp_path)
    assert (status, "5 passed" in out) == (0, True), out


def test_the_configuration_can_be_an_option_or_the_default_one(
    project: Path, run_pytest: Runs
) -> None:
    (project / "pytest.ini").write_text("[pytest]\n")
    assert "5 passed" in run_pytest(project, "--l7proxy-config", "lb.json")[1]
    (project / "api.in.jsonl").write_text(SAID.format("/api"))
    (project / "api.out.jsonl").write_text(GOT.format("api-1"))
    assert run_pytest(project, "api.in.jsonl")[0] == 0


def test_pytest_starts_without_the_proxy_being_imported(project: Path) -> None:
    check = (
        "import sys, l7proxy.testing.pytest_plugin as p; "
        "loaded = [m for m in sys.modules if m.startswith('l7proxy.')]; "
        "print([m for m in loaded if not p.__name__.startswith(m)])"
    )
    done = subprocess.run(
        [sys.executable, "-c", check], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_an_installed_wheel_brings_the_plugin_along(project: Path, tmp_path: Path) -> None:
    made, environment = tmp_path / "dist", tmp_path / "environment"
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(made)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True, timeout=60)
    (wheel,) = made.glob("*.whl")
    subprocess.run(
        [sys.executable, "-m", "venv", "--without-pip", str(environment)], check=True, timeout=120
    )
    python = str(environment / "bin" / "python")
    subprocess.run(
        [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-deps",
         "--no-index", str(wheel)],
        check=True,
        timeout=120,
    )  # fmt: skip
    # pytest and Hypothesis are the ones that are here: the new environment looks for them behind
    # its own packages.
    (own,) = (environment / "lib").glob("python*/site-packages")
    (own / "outer.pth").write_text(f"{Path(pytest.__file__).parents[1]}\n")
    for folder in (made, environment):
        assert folder.is_dir()
    words = ("--ignore", "dist", "--ignore", "environment", "--l7proxy-route-coverage")
    status, out = run_apart(python, project, *words)
    assert (status, "5 passed" in out) == (0, True), out
    config = (project / "lb.json").read_text()
    (project / "lb.json").write_text(config.replace('"/users/*"', '"/user/*"'))
    status, out = run_apart(python, project, *words)
    assert (status, "users.out.jsonl:1:\n- " in out) == (1, True)
