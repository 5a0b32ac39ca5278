"""`l7proxy diff`: what may be allowed to change."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from l7proxy.commands import main
from l7proxy.tools.outcome import FIELDS
from tests.commands.support import LOG


@pytest.mark.parametrize(
    "word", ["--allow=x%", "--allow=\u00b2", "--allow=-1", "--allow=nan%", "--allow=101%"]
)
def test_what_may_change_is_a_number_a_share_or_a_field(
    capsys: pytest.CaptureFixture[str], word: str
) -> None:
    with pytest.raises(SystemExit):
        main(["diff", str(LOG), "--against", "b.json", word])
    what = word.partition("=")[2]
    assert capsys.readouterr().err.endswith(
        f'argument --allow: "{what}" is not a number, a share or one of {", ".join(FIELDS)}\n'
    )


def test_what_is_compared_is_a_field(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["diff", str(LOG), "--against", "b.json", "--only", "status", "--only", "colour"])
    wanted = f'argument --only: "colour" is not one of {", ".join(FIELDS)}\n'
    assert capsys.readouterr().err.endswith(wanted)


@pytest.mark.parametrize(("options", "status", "said"), [
    ((), 1, "300 of 300 requests change"),
    (("--only", "backend", "--only", "status"), 0, "0 of 300 requests change"),
    (("--allow", "path"), 0, "300 of 300 requests change"),
    (("--allow", "host"), 1, "300 of 300 requests change"),
])  # fmt: skip
def test_what_is_compared_and_what_may_change_can_be_narrowed(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    options: tuple[str, ...],
    status: int,
    said: str,
) -> None:
    route: dict[str, Any] = {"path_pattern": "/*", "backend_pool": "p"}
    files = []
    for name, actions in (("a", {}), ("b", {"rewrite": {"replace_prefix": {"/": "/v2"}}})):
        files.append(tmp_path / f"{name}.json")
        config = {"backend_pools": {"p": {"backends": ["p"]}}, "routes": [{**route, **actions}]}
        files[-1].write_text(json.dumps(config))
    words = ["diff", str(LOG), "--config", str(files[0]), "--against", str(files[1]), *options]
    assert main(words) == status
    assert said in capsys.readouterr().out


def test_what_only_a_connection_shows_is_said_not_to_be_compared(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one, other = tmp_path / "a.json", tmp_path / "b.json"
    one.write_text(json.dumps({"backends": ["a"]}))
    other.write_text(json.dumps({"backends": ["a"], "server": {"via": "edge"}}))
    assert main(["diff", str(LOG), "--config", str(one), "--against", str(other)]) == 0
    said = "l7proxy: /server/via differs: what backends are sent for it is not compared\n"
    assert capsys.readouterr().err == said
