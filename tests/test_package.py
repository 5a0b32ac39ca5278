"""What is installed is what is in the checkout: an installed wheel answers the sample, anywhere.

And each room of the package says what is in it.
"""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from l7proxy import __version__
from l7proxy.commands.version import version_line
from tests.processes import PATIENCE, ROOT, run

PACKAGE = ROOT / "l7proxy"
SAMPLE = (ROOT / "examples" / "sample.json").read_bytes()


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(made)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True, timeout=PATIENCE)
    (file,) = made.glob("*.whl")
    return file


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program, installed in an environment that has nothing else."""
    environment = tmp_path_factory.mktemp("environment")
    subprocess.run(
        [sys.executable, "-m", "venv", "--without-pip", str(environment)], check=True, timeout=120
    )
    install = ["install", "--quiet", "--no-deps", "--no-index", str(wheel)]
    subprocess.run(
        [sys.executable, "-m", "pip", "--python", str(environment / "bin" / "python"), *install],
        check=True,
        timeout=120,
    )
    return environment / "bin" / "l7proxy"


def test_an_installed_wheel_answers_the_sample_from_any_directory(
    installed: Path, tmp_path: Path
) -> None:
    done = subprocess.run(
        [str(installed)], input=SAMPLE, capture_output=True, cwd=tmp_path, timeout=PATIENCE
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.decode() == run(said=SAMPLE).out


def test_an_installed_wheel_has_what_it_makes_the_page_of_a_replay_from(
    installed: Path, tmp_path: Path
) -> None:
    log = ROOT / "examples" / "access.log"
    done = subprocess.run(
        [str(installed), "replay", str(log), "--html", "report.html"],
        capture_output=True,
        cwd=tmp_path,
        timeout=PATIENCE,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert (tmp_path / "report.html").read_text().startswith("<!doctype html>")


def test_the_wheel_carries_the_default_configuration_of_the_checkout(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        packed = archive.read("l7proxy/default_config.json")
        assert "l7proxy/py.typed" in archive.namelist()
        assert "l7proxy/tools/page.html" in archive.namelist()
    assert packed == (ROOT / "config" / "backends.json").read_bytes()


def test_the_version_of_the_wheel_is_the_one_that_is_printed(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        metadata = archive.read(f"l7proxy-{__version__}.dist-info/METADATA").decode()
    assert f"\nVersion: {__version__}\n" in metadata
    assert run("--version").out == f"{version_line()}\n"
    assert version_line().startswith(f"l7proxy {__version__} (")


def unlisted(package: Path) -> list[str]:
    """What is in a room and not in its docstring, or at the head of its list and not in it."""
    found = []
    for sign in sorted(package.rglob("__init__.py")):
        room = sign.parent
        text = ast.get_docstring(ast.parse(sign.read_text())) or ""
        there = {
            entry.stem
            for entry in room.iterdir()
            if entry.suffix == ".py" or (entry / "__init__.py").exists()
        } - {"__init__", "__main__"}
        listed = re.findall(r"^- ((?:`\w+`(?:, (?=`))?)+)", text, re.MULTILINE)
        heads = {name for names in listed for name in re.findall(r"\w+", names)}
        here = room.relative_to(package.parent).as_posix()
        found += [
            f"{here}: {name} is not listed"
            for name in sorted(there - set(re.findall(r"`(\w+)`", text)))
        ]
        found += [f"{here}: {name} is not there" for name in sorted(heads - there)]
    return found


def test_every_file_of_a_room_is_named_in_the_docstring_of_the_room() -> None:
    assert unlisted(PACKAGE) == []


def test_a_copy_in_which_a_room_lists_too_little_or_too_much_is_found_out(tmp_path: Path) -> None:
    copy = tmp_path / "l7proxy"
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    (copy / "core" / "selectors" / "unlisted.py").write_text("")
    (copy / "node" / "message.py").rename(copy / "node" / "letter.py")
    (copy / "http2").mkdir()
    (copy / "http2" / "__init__.py").write_text('"""Frames.\n\n- `hpack`, `frames`: bytes\n"""\n')
    (copy / "http2" / "frames.py").write_text("")
    assert unlisted(copy) == [
        "l7proxy: http2 is not listed",
        "l7proxy/core/selectors: unlisted is not listed",
        "l7proxy/http2: hpack is not there",
        "l7proxy/node: letter is not listed",
        "l7proxy/node: message is not there",
    ]
