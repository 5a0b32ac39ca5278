"""What is installed is what is in the checkout: an installed wheel answers the sample, anywhere."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from l7proxy import __version__
from tests.processes import PATIENCE, ROOT, run

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
    assert run("--version").out == f"l7proxy {__version__}\n"
