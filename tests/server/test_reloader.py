"""When a configuration is read anew, and what becomes of one that is wrong; nothing waits here."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from l7proxy.core.config import Config, ConfigError, Problem, config_from
from l7proxy.server.reloader import FileWatch, Reloader, files_of

GOOD = config_from({"backends": ["a:1"]})


@pytest.fixture
def file(tmp_path: Path) -> Path:
    made = tmp_path / "config.json"
    made.write_text("old")
    return made


def write(file: Path, text: str = "new", *, at: int = 1) -> None:
    """Writes to the file itself; the clock of its file system need not have ticked since."""
    file.write_text(text)
    os.utime(file, ns=(at, at))


def found(watch: FileWatch) -> list[str]:
    """The names of what has changed; the look before saw the same."""
    assert watch.changed() == []
    return [Path(name).name for name in watch.changed()]


def test_a_file_that_is_written_to_has_changed_until_it_is_read(file: Path) -> None:
    watch = FileWatch(str(file))
    assert found(watch) == []
    write(file)
    assert found(watch) == ["config.json"]
    assert watch.changed() == [str(file)]
    watch.note()
    assert found(watch) == []


def test_a_file_of_the_same_size_and_age_that_takes_its_place_is_another(file: Path) -> None:
    watch = FileWatch(str(file))
    was = file.stat()
    new = file.with_name("new")
    new.write_text("OLD")
    os.utime(new, ns=(was.st_atime_ns, was.st_mtime_ns))
    new.replace(file)
    assert found(watch) == ["config.json"]


def test_links_are_followed_to_where_they_lead_now(tmp_path: Path) -> None:
    """A directory is replaced as a whole, as Kubernetes does it with what it mounts."""
    for name in ("1", "2"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text("same")
    data, file = tmp_path / "..data", tmp_path / "config.json"
    data.symlink_to("1")
    file.symlink_to("..data/config.json")
    watch = FileWatch(str(file))
    new = tmp_path / "..new"
    new.symlink_to("2")
    new.replace(data)
    assert found(watch) == ["config.json"]


def test_a_file_that_goes_and_comes_back_has_changed_twice(file: Path) -> None:
    watch = FileWatch(str(file))
    file.unlink()
    assert found(watch) == ["config.json"]
    watch.note()
    assert found(watch) == []
    write(file)
    assert found(watch) == ["config.json"]


def test_what_is_still_being_written_is_left_alone(file: Path) -> None:
    watch = FileWatch(str(file))
    for size in range(3):
        write(file, "x" * size, at=size)
        assert watch.changed() == []
    assert watch.changed() == [str(file)]


def test_what_changes_while_it_is_read_is_found_afterwards(file: Path) -> None:
    watch = FileWatch(str(file))
    write(file, at=1)
    assert found(watch) == ["config.json"]
    watch.note()
    write(file, at=2)
    watch.follow([])
    assert found(watch) == ["config.json"]


def test_a_pipe_is_no_file_to_come_back_to(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    watch = FileWatch(str(pipe))
    os.utime(pipe, ns=(1, 1))
    assert found(watch) == []


def test_the_files_that_others_name_are_looked_at_as_long_as_they_are_named(file: Path) -> None:
    other = file.with_name("key")
    watch = FileWatch(str(file))
    watch.follow([str(other), "\0"])
    other.touch()
    assert found(watch) == ["key"]
    write(file)
    assert found(watch) == ["config.json", "key"]
    watch.follow([])
    assert [Path(name).name for name in (watch.changed(), watch.changed())[1]] == ["config.json"]


def test_a_configuration_names_files_that_are_read_with_it() -> None:
    pool = {
        "backends": ["a:1"],
        "upstream": "http",
        "http": {"tls": {"ca_file": "ca"}},
        "sticky": {"cookie": {"key_file": "secret"}},
    }
    learns = {"backends": ["a:1"], "sticky": {"learn": {}}}
    by_env = {"backends": ["a:1"], "sticky": {"cookie": {"key_env": "SECRET"}}}
    certificates = [{"certificate": "both"}, {"certificate": "a", "key": "b"}]
    config = config_from(
        {
            "backend_pools": {"p": pool, "q": learns, "r": by_env},
            "server": {"tls": {"certificates": certificates}},
        }
    )
    assert sorted(files_of(config)) == ["a", "b", "both", "ca", "secret"]
    assert list(files_of(GOOD)) == []


class Told:
    """A reloader of a file, whose readings are those that a test says."""

    def __init__(self, file: Path, *readings: Config | None) -> None:
        self.log: list[str] = []
        self.taken: list[Config] = []
        self.fails: Exception | None = None
        self._readings: Iterator[Config | None] = iter(readings)
        watch = FileWatch(str(file))
        self.reloader = Reloader(lambda: next(self._readings), self._take, self.log.append, watch)

    def _take(self, config: Config) -> None:
        if self.fails is not None:
            raise self.fails
        self.taken.append(config)

    def look(self, times: int = 3) -> None:
        for _ in range(times):
            self.reloader.look()


def test_a_changed_file_is_read_once_whether_it_is_good_or_not(file: Path) -> None:
    told = Told(file, None, GOOD)
    told.look()
    assert told.log == []
    write(file, at=1)
    told.look()
    assert told.log == [f"{file}: changed", "not reloaded: what was at work stays at work"]
    write(file, at=2)
    told.look()
    assert (told.log[2:], told.taken) == ([f"{file}: changed"], [GOOD])


def test_what_was_read_because_somebody_asked_is_not_read_again(file: Path) -> None:
    told = Told(file, GOOD)
    write(file)
    told.reloader.reload()
    told.look()
    assert (told.log, told.taken) == ([], [GOOD])


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ConfigError([Problem("/a", "no"), Problem("/b", "no")]), ["/a: no", "/b: no"]),
        (RuntimeError("a bug"), ["it can't be put to work: RuntimeError('a bug')"]),
    ],
)
def test_what_can_not_be_put_to_work_is_said(file: Path, error: Exception, said: list[str]) -> None:
    told = Told(file, GOOD, GOOD)
    told.fails = error
    told.reloader.reload()
    assert told.log == [*said, "not reloaded: what was at work stays at work"]


def test_a_file_that_a_refused_configuration_waits_for_brings_it_to_work(file: Path) -> None:
    key = file.with_name("key.pem")
    pem = {"certificate": str(key)}
    wants_key = config_from({"backends": ["a:1"], "server": {"tls": {"certificates": [pem]}}})
    told = Told(file, wants_key, wants_key)
    told.fails = ConfigError([Problem("/server", "no key")])
    told.reloader.reload()
    told.fails = None
    key.touch()
    told.look()
    assert told.taken == [wants_key]


def test_who_watches_nothing_finds_nothing() -> None:
    Reloader(lambda: None, print, print).look()
