"""`l7proxy test`: cases, what differs, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.tools.projects import asked, lines, run_tests


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
        f"FAILED {file} (- expected, + answered, ^ where they differ)\n"
        f"{file}:1: GET /b\n- status: 404\n+ status: 200\n          ^ ^\n"
        "  route /b/*\n    /a/*: the path must match /a/*\n"
        f"{file}:3: a name\n+ error 12: /body/path: must be a string, not a number\n"
        "- status: 200\n+ status: null\n          ^^^^\n"
        "0 passed, 1 failed\n"
    )


SAYING = {
    "backend_pools": {"a": {"backends": ["a:80"]}},
    "routes": [{
        "path_pattern": "/*",
        "respond": {"status": 200, "headers": {"X-A": "one", "X-B": ["two", "three"]}},
    }],
}  # fmt: skip


@pytest.mark.parametrize(("headers", "differs"), [
    ({"x-a": "one"}, ""),
    ({"X-a": ["one"], "X-B": ["two", "three"]}, ""),
    ({"X-C": None}, ""),
    ({"X-A": "one, two", "X-B": ["two", "three"]},
     '- headers.X-A: "one, two"\n+ headers.X-A: "one"\n'),
    ({"X-A": None}, '- headers.X-A: null\n+ headers.X-A: "one"\n'),
    ({"X-B": "two"}, '- headers.X-B: "two"\n+ headers.X-B: ["two", "three"]\n'),
    ({"X-C": "c"}, '- headers.X-C: "c"\n+ headers.X-C: null\n'),
])  # fmt: skip
def test_of_the_headers_those_are_compared_that_are_named_in_any_case(
    project: Path, headers: dict[str, Any], differs: str
) -> None:
    (project / "a.config.json").write_text(json.dumps(SAYING))
    lines(project / "a.cases.jsonl", {"request": {"path": "/"}, "expect": {"headers": headers}})
    done = run_tests(project, project)
    assert (done.status, differs in done.out) == (1 if differs else 0, True)


def test_a_request_that_takes_no_route_fails_with_why_none_matched(project: Path) -> None:
    file = project / "a.cases.jsonl"
    lines(file, {"request": {"path": "/c"}, "expect": {"status": 200}})
    lost = "".join(f"    /{name}/*: the path must match /{name}/*\n" for name in "ab")
    assert f"  no route matches\n{lost}" in run_tests(project, file).out


def test_a_request_that_is_refused_has_no_route_to_explain(project: Path) -> None:
    file = project / "a.cases.jsonl"
    bad = {"path": "/a", "headers": {"Host": "a b"}}
    lines(file, {"request": bad, "expect": {"status": 200}},
          {"request": {"path": "/%zz"}, "expect": {"status": 200}})  # fmt: skip
    done = run_tests(project, file)
    assert "route" not in done.out and done.out.count("+ status: 400") == 2


def test_cases_may_send_other_messages_and_compare_what_those_are_answered(project: Path) -> None:
    drain = {"type": "backend", "pool": "a", "backend": "a1", "set": {"state": "drain"}}
    lines(
        project / "drained.cases.jsonl",
        {"request": drain, "expect": {"type": "backend_ok"}},
        {"request": {"path": "/a"}, "expect": {"backend": "a2"}},
    )
    assert run_tests(project, project).out == "1 passed, 0 failed\n"


def test_a_refused_message_fails_whatever_was_expected_of_the_reply(project: Path) -> None:
    file = project / "a.cases.jsonl"
    refused = {"path": "/b", "method": 3}
    lines(file, {"request": refused, "expect": {"pool": None}},
          {"request": refused, "expect": {"code": 12}},
          {"request": {"type": "http_response"}, "expect": {"status": None}})  # fmt: skip
    done = run_tests(project, file)
    assert done.status == 1
    assert done.out == (
        f"FAILED {file} (- expected, + answered, ^ where they differ)\n"
        f"{file}:1: 3 /b\n+ error 12: /body/method: must be a string, not a number\n"
        f"{file}:3: GET \n+ no reply\n"
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
    (
        '{"request": {"path": "/b"}, "expect": {"headers": {}}}',
        'bad.cases.jsonl:1: "headers" in what is expected is empty: nothing would be compared',
    ),
    (
        '{"request": {"path": "/b"}, "expect": {"headers": ["a"]}}',
        'bad.cases.jsonl:1: "headers" in what is expected must be an object, not an array',
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
