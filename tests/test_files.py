"""Where a configuration's secrets come from."""

from __future__ import annotations

from pathlib import Path

import pytest

from l7proxy.files import read_secret


def test_a_key_may_be_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("L7PROXY_TEST_KEY", "0123456789abcdef")
    assert read_secret("env", "L7PROXY_TEST_KEY") == b"0123456789abcdef"


def test_a_key_may_be_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(b"0123456789abcdef\n")
    assert read_secret("file", str(tmp_path / "key")) == b"0123456789abcdef\n"


@pytest.mark.parametrize(("kind", "complaint"), [
    ("env", 'the environment variable "/no such/key" is not set'),
    ("file", "can't read it: No such file or directory"),
])  # fmt: skip
def test_a_key_that_is_not_there_is_told_of_in_words(kind: str, complaint: str) -> None:
    with pytest.raises(ValueError) as caught:
        read_secret(kind, "/no such/key")
    assert str(caught.value) == complaint
