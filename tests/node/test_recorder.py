"""What is recorded, and that a recording that fails is nobody's loss but its own."""

from __future__ import annotations

import json
import os
from contextlib import closing
from pathlib import Path

import pytest

from l7proxy.node.recorder import Recorder

ENVELOPE = {"src": "c", "dest": "p", "at": 0, "body": {"type": "x", "text": "é\ud800"}}


def test_every_envelope_is_in_the_file_as_soon_as_it_is_recorded(tmp_path: Path) -> None:
    file, said = tmp_path / "record.jsonl", list[str]()
    file.write_text("what was there before")
    with closing(Recorder(str(file), said.append)) as recorder:
        for count in (1, 2):
            recorder(ENVELOPE)
            written = [json.loads(line) for line in file.read_text().splitlines()]
            assert written == [ENVELOPE] * count
    assert not recorder.failed and said == []


def test_when_writing_fails_it_says_so_once_and_records_nothing_more() -> None:
    said = list[str]()
    with closing(Recorder("/dev/full", said.append)) as recorder:
        failed = [recorder.failed]
        for _ in range(2):
            recorder(ENVELOPE)
            failed.append(recorder.failed)
    assert failed == [False, True, True]
    assert said == ["l7proxy: /dev/full: No space left on device; nothing more is recorded"]


def test_a_line_that_is_taken_in_pieces_is_written_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, write = tmp_path / "record.jsonl", os.write
    monkeypatch.setattr(os, "write", lambda fd, data: write(fd, data[:7]))
    with closing(Recorder(str(file), print)) as recorder:
        recorder(ENVELOPE)
    assert json.loads(file.read_text()) == ENVELOPE


def test_a_file_that_can_not_be_opened_is_an_error_of_its_own(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError):
        Recorder(str(tmp_path), print)
