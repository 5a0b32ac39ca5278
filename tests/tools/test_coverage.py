"""Which routes the tests of a configuration reach."""

from __future__ import annotations

import json
from pathlib import Path

from tests.tools.projects import CONFIG, asked, lines, run_tests


def test_routes_that_no_case_reached_are_listed(project: Path) -> None:
    lines(project / "a.cases.jsonl", {"request": {"path": "/b"}, "expect": {"status": 200}},
          {"request": {"path": "/none"}, "expect": {"status": 404}})  # fmt: skip
    done = run_tests(project, project, "--route-coverage", "--fail-under", "50")
    assert done.status == 0
    assert "routes reached: 1 of 2 (50 %)\n" in done.out
    assert f"  {project / 'config.json'}: /a/* was not reached\n" in done.out
    done = run_tests(project, project, "--fail-under", "51")
    assert (done.status, done.err) == (1, "only 50 % of the routes were reached\n")


def test_a_configuration_that_a_conversation_brings_along_is_not_counted(project: Path) -> None:
    init = {"src": "c", "body": {"type": "init", "backends": ["x:80"]}}
    lines(project / "one.in.jsonl", init, asked("/b"))
    done = run_tests(project, project, "--golden-update", "--route-coverage")
    assert "routes reached: 0 of 2 (0 %)\n" in done.out


def test_routes_for_the_same_path_are_told_apart_by_what_else_they_ask_for(project: Path) -> None:
    routes = [
        {"path": "/x", "backend_pool": "b", "methods": ["POST", "PUT"]},
        {"path": "/x", "backend_pool": "b", "headers": {"A": "1"}, "methods": ["GET"]},
        {"path": "/x", "backend_pool": "b"},
        {"path": "/x", "backend_pool": "a"},
        {"path": "/y", "backend_pool": "b", "name": "why"},
    ]
    (project / "config.json").write_text(json.dumps({**CONFIG, "routes": routes}))
    lines(project / "a.cases.jsonl", {"request": {"path": "/x"}, "expect": {"pool": "b"}},
          {"request": {"path": "/x", "method": "PUT"}, "expect": {"pool": "b"}})  # fmt: skip
    done = run_tests(project, project, "--route-coverage")
    assert done.out.splitlines()[1:] == [
        "routes reached: 2 of 5 (40 %)",
        f"  {project / 'config.json'}: /x (the method must be GET; the header \"a\" must be '1')"
        " was not reached",
        f"  {project / 'config.json'}: /x was not reached",
        f"  {project / 'config.json'}: why was not reached",
    ]
