"""`l7proxy test`: golden conversations and cases, what differs, and which routes were reached."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.tools.here import run

CONFIG: dict[str, Any] = {
    "backend_pools": {
        "a": {"backends": ["a1:80", "a2:80"], "simulate": {"latency": 2}},
        "b": {"backends": ["b:80"]},
    }
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    return tmp_path


def lines(file: Path, *values: Any) -> None:
    file.write_text("".join(json.dumps(value) + "\n" for value in values))


def asked(path: str, at: float | None = None) -> dict[str, Any]:
    made: dict[str, Any] = {"src": "c", "dest": "n", "body": {"type": "http_request", "path": path}}
    return made if at is None else {**made, "at": at}


def run_tests(project: Path, *words: str | Path) -> Any:
    return run("test", "--config", project / "config.json", *words)


def test_a_golden_conversation_is_written_then_held_and_its_diff_names_the_line(
    project: Path,
) -> None:
    lines(project / "one.in.jsonl", asked("/a", 0), asked("/b", 0.5), asked("/b", 9))
    done = run_tests(project, project)
    assert done.status == 1
    assert "one.out.jsonl:1:\n+ {" in done.out
    done = run_tests(project, project, "--golden-update")
    assert (done.status, done.out.endswith("1 passed, 0 failed, 1 written\n")) == (0, True)
    answers = (project / "one.out.jsonl").read_text().splitlines()
    assert [json.loads(answer)["at"] for answer in answers] == [0.5, 2, 9]
    assert run_tests(project, project / "one.in.jsonl").out == "1 passed, 0 failed\n"
    assert run_tests(project, project, "--golden-update").out == "1 passed, 0 failed\n"
    broken = json.loads(json.dumps(CONFIG))
    broken["backend_pools"]["b"]["backends"] = ["c:80"]
    (project / "config.json").write_text(json.dumps(broken))
    done = run_tests(project, project)
    assert done.status == 1
    assert "one.out.jsonl:1:\n- " in done.out
    assert '"backend": "b"' in done.out and '"backend": "c"' in done.out


def test_without_at_a_conversation_takes_no_time_but_that_of_its_backends(project: Path) -> None:
    lines(project / "one.in.jsonl", asked("/a"))
    lines(project / "one.out.jsonl", {"src": "n", "dest": "c", "body": {
        "type": "http_response", "status": 200, "backend": "a1"}})  # fmt: skip
    assert run_tests(project, project).status == 0


def test_a_conversation_may_have_a_configuration_of_its_own(project: Path) -> None:
    lines(project / "one.in.jsonl", asked("/x"))
    (project / "one.config.json").write_text('{"backends": ["x:80"]}')
    run_tests(project, project, "--golden-update")
    assert '"backend": "x"' in (project / "one.out.jsonl").read_text()


def test_cases_compare_what_they_name_and_nothing_else(project: Path) -> None:
    lines(
        project / "a.cases.jsonl",
        {"request": {"path": "/b"}, "expect": {"status": 200, "pool": "b", "route": "/b/*"}},
        {"at": 3, "request": {"path": "/a"}, "expect": {"backend": "a1"}},
        {"request": {"path": "/a"}, "expect": {"backend": "a2", "error": None}},
        {"request": {"path": "/x"}, "expect": {"status": 404, "route": None, "pool": None}},
    )
    assert run_tests(project, project).out == "1 passed, 0 failed\n"


def test_a_case_that_fails_is_named_with_its_line_and_what_differs(project: Path) -> None:
    file = project / "any.jsonl"
    lines(file, {"request": {"path": "/b"}, "expect": {"status": 404, "backend": "b"}})
    wrong = {"name": "a name", "request": {"path": 3}, "expect": {"status": 200}}
    with file.open("a") as more:
        more.write("\n" + json.dumps(wrong) + "\n")
    done = run_tests(project, file)
    assert done.status == 1
    assert done.out == (
        f"FAILED {file}\n"
        "any.jsonl:1: GET /b\n- status: 404\n+ status: 200\n"
        "any.jsonl:3: a name\n+ error 12: /body/path: must be a string, not a number\n"
        "- status: 200\n+ status: null\n"
        "0 passed, 1 failed\n"
    )


def test_cases_may_send_other_messages_and_compare_what_those_are_answered(project: Path) -> None:
    drain = {"type": "backend", "pool": "a", "backend": "a1", "set": {"state": "drain"}}
    lines(
        project / "drained.cases.jsonl",
        {"request": drain, "expect": {"type": "backend_ok"}},
        {"request": {"path": "/a"}, "expect": {"backend": "a2"}},
    )
    assert run_tests(project, project).out == "1 passed, 0 failed\n"


def test_a_conversation_without_answers_fails_and_says_how_to_have_them_written(
    project: Path,
) -> None:
    lines(project / "one.in.jsonl", asked("/b"))
    (project / "two.in.jsonl").write_text("garbage\n")
    done = run_tests(project, project)
    assert (done.status, done.out[-19:]) == (1, "0 passed, 2 failed\n")
    for name in ("one", "two"):
        missing = project / f"{name}.out.jsonl"
        assert f"\n{missing}: there is no such file; --golden-update writes it\n" in done.out
    done = run_tests(project, project, "--golden-update")
    assert done.status == 2
    assert done.err.endswith(f"{project / 'two.in.jsonl'}: nothing in it is answered\n")
    assert not (project / "two.out.jsonl").exists()


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


def test_a_refused_message_fails_whatever_was_expected_of_the_reply(project: Path) -> None:
    file = project / "a.cases.jsonl"
    refused = {"path": "/b", "method": 3}
    lines(file, {"request": refused, "expect": {"pool": None}},
          {"request": refused, "expect": {"code": 12}},
          {"request": {"type": "http_response"}, "expect": {"status": None}})  # fmt: skip
    done = run_tests(project, file)
    assert done.status == 1
    assert done.out == (
        f"FAILED {file}\n"
        "a.cases.jsonl:1: 3 /b\n+ error 12: /body/method: must be a string, not a number\n"
        "a.cases.jsonl:3: GET \n+ no reply\n"
        "0 passed, 1 failed\n"
    )


def test_where_there_is_no_test_is_a_mistake(project: Path) -> None:
    empty = project / "empty"
    empty.mkdir()
    lines(project / "a.cases.jsonl", {"request": {"path": "/b"}, "expect": {"status": 200}})
    done = run_tests(project, project, empty)
    assert (done.status, done.out) == (2, "")
    assert done.err == f"l7proxy: {empty}: no *.in.jsonl and no *.cases.jsonl in it\n"
    (empty / "b.cases.jsonl").write_text("\n \n")
    done = run_tests(project, empty)
    assert (done.status, done.err) == (2, f"l7proxy: {empty / 'b.cases.jsonl'}: no case in it\n")


@pytest.mark.parametrize(("text", "complaint"), [
    ("{", "bad.cases.jsonl:1: not JSON"),
    ("[]", 'bad.cases.jsonl:1: a case needs an object "request"'),
    ('{"request": {}}', 'bad.cases.jsonl:1: a case needs an object "expect"'),
    (
        '\n{"request": {}, "expect": {}, "expct": {}}',
        'bad.cases.jsonl:2: unknown key "expct"; did you mean "expect"?',
    ),
    (
        '{"request": {"path": "/b", "metod": "PUT"}, "expect": {"status": 200}}',
        'bad.cases.jsonl:1: unknown key "metod" in the request; did you mean "method"?',
    ),
    (
        '{"request": {"path": "/b"}, "expect": {"statsu": null}}',
        'bad.cases.jsonl:1: unknown key "statsu" in what is expected; did you mean "status"?',
    ),
    (
        '{"request": {"path": "/b"}, "expect": {}}',
        'bad.cases.jsonl:1: "expect" is empty: nothing would be compared',
    ),
    (b'{"request": {"path": "/\xff"}, "expect": {}}', "bad.cases.jsonl:1: not UTF-8"),
])  # fmt: skip
def test_cases_that_make_no_sense_are_refused_with_exit_status_2(
    project: Path, text: str | bytes, complaint: str
) -> None:
    data = text if isinstance(text, bytes) else text.encode()
    (project / "bad.cases.jsonl").write_bytes(data)
    done = run_tests(project, project)
    assert done.status == 2
    assert complaint in done.err


def test_so_are_configurations_and_files_that_are_not_there(project: Path) -> None:
    for name in ("none.in.jsonl", "none.cases.jsonl"):
        done = run_tests(project, project / name)
        assert (done.status, done.err) == (
            2,
            f"l7proxy: {project / name}: No such file or directory\n",
        )
    lines(project / "one.in.jsonl", asked("/a"))
    (project / "one.config.json").write_text('{"backends": 1}')
    done = run_tests(project, project)
    assert done.status == 2
    assert f"{project / 'one.config.json'}: /backends" in done.err or "backends" in done.err
