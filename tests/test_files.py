"""Where a configuration's secrets come from."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from l7proxy.files import LONGEST_SECRET, MOST_CERTIFICATES, read_secret, refuse_special


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


def test_a_key_is_read_from_regular_files_only(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("key")
    (tmp_path / "key").write_bytes(b"k" * LONGEST_SECRET)
    assert read_secret("file", str(tmp_path / "link")) == b"k" * LONGEST_SECRET
    for name in (tmp_path / "pipe", "/dev/zero", "/dev/urandom", tmp_path):
        with pytest.raises(ValueError, match=r"can't read it: (it is a|Is a directory)"):
            read_secret("file", str(name))


def test_a_key_is_not_read_from_a_file_that_is_too_large(tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(b"k" * (LONGEST_SECRET + 1))
    with pytest.raises(ValueError, match="can't read it: it is larger than 65536 bytes"):
        read_secret("file", str(tmp_path / "key"))


def test_a_file_that_a_configuration_names_has_a_largest_size(tmp_path: Path) -> None:
    (tmp_path / "certificate").write_bytes(b"")
    os.truncate(tmp_path / "certificate", MOST_CERTIFICATES + 1)
    with pytest.raises(OSError, match="it is larger than 16777216 bytes"):
        refuse_special(str(tmp_path / "certificate"), MOST_CERTIFICATES)
    refuse_special(str(tmp_path / "certificate"))
