"""Golden conversations: written down, held, and what differs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from l7proxy.tools.golden import difference, marks
from tests.tools.projects import CONFIG, asked, lines, run_tests


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


def test_lines_that_differ_are_marked_where_they_do() -> None:
    assert difference(
        "a", ["same", "status: 200, x", "end"], ["same", "status: 404, x", "end"]
    ) == ("a:2:\n- status: 200, x\n+ status: 404, x\n          ^ ^\n")


@pytest.mark.parametrize(("expected", "got", "marked"), [
    ("abcdef", "abef", "    ^\n"),
    ("abef", "abcdef", "    ^^\n"),
    ("abc", "ab", "    ^\n"),
    ("abc", "xyz", ""),
    ("", "x", ""),
    ("a" * 3000 + "b", "a" * 3000 + "c", f"{' ' * 3002}^\n"),
    ("a" * 3000, "a" * 2000, f"{' ' * 2002}^\n"),
])  # fmt: skip
def test_marks_are_below_the_characters_that_are_not_as_expected(
    expected: str, got: str, marked: str
) -> None:
    assert marks(expected, got) == marked
