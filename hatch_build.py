"""Compiles the package with mypyc where `L7PROXY_COMPILE=1` asks for it; else does nothing.

`L7PROXY_COMPILE=1 pip install .` makes a wheel with an extension module beside each source file
that is compiled, and `L7PROXY_COMPILE=1 pip install -e .` leaves them in the checkout. Both builds
are the same source: what is not compiled (see `INTERPRETED`) is only ever slower, never different.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sysconfig
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

VARIABLE = "L7PROXY_COMPILE"

REQUIREMENTS = ["mypy[mypyc]>=1.18", "setuptools>=65"]
"""What compiling needs, and nothing else here does."""

ROOMS = ["core", "envelope", "http1", "node", "server", "upstreams"]
"""The folders of the package through which an envelope or a request passes."""

INTERPRETED = [
    "core/config/*.py",
    "core/mypyc.py",
    "core/regex/*.py",
    "core/selectors/registry.py",
    "server/tls.py",
    "**/__init__.py",
]
"""Patterns of files in them that stay interpreted.

The records of a configuration are made by a decorator from their annotations, which mypyc does not
follow; regular expressions are taken apart by Python's own parser, which has no types; the registry
of selectors looks at classes as classes; contexts of TLS derive from one that is made by `__new__`;
and an `__init__.py` only says what its room is.
"""


class CompiledBuildHook(BuildHookInterface[Any]):
    """Adds the extension modules to a wheel, or leaves them in the checkout if it is editable."""

    PLUGIN_NAME = "custom"

    _built: Path | None = None
    """The folder of the modules until the wheel is made."""

    def dependencies(self) -> list[str]:
        """Returns what must be installed before the build, as requirements."""
        return REQUIREMENTS if is_wanted() else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compiles, and tells the wheel to be one of this platform and Python."""
        if self.target_name != "wheel" or not is_wanted():
            return
        root = Path(self.root)
        if version == "editable":
            compile_package(root, root)
        else:
            built = Path(tempfile.mkdtemp(prefix="l7proxy-"))
            for made in compile_package(root, built):
                build_data["force_include"][str(made)] = str(made.relative_to(built))
            self._built = built
        build_data["pure_python"] = False
        build_data["infer_tag"] = True

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Removes what the wheel has taken in."""
        if self._built is not None:
            shutil.rmtree(self._built)


def is_wanted() -> bool:
    """Returns whether the environment asks for a compiled build."""
    return os.environ.get(VARIABLE, "0") not in ("", "0")


def compiled_files(root: Path) -> list[Path]:
    """Returns the files of the package under `root` that are compiled, in a fixed order."""
    package = root / "l7proxy"
    interpreted = {path for pattern in INTERPRETED for path in package.glob(pattern)}
    files = (path for room in ROOMS for path in sorted((package / room).rglob("*.py")))
    return [path for path in files if path not in interpreted]


def compile_package(root: Path, into: Path) -> list[Path]:
    """Compiles the package under `root` and returns the modules made, which are under `into`.

    Exits with a sentence where there is no C compiler or no header of Python's.
    """
    _require_compiler()
    # They are not there unless a compiled build was asked for.
    from mypyc.build import mypycify
    from setuptools import Distribution
    from setuptools.command.build_ext import build_ext

    with tempfile.TemporaryDirectory(prefix="l7proxy-") as work, contextlib.chdir(root):
        files = [str(path.relative_to(root)) for path in compiled_files(root)]
        # At -O3 the C compiler takes twice as long, for code that needs as many instructions.
        # Whether the types hold is for the checks of the project: a build needs no stubs.
        flags = ["--config-file=", "--ignore-missing-imports", f"--cache-dir={work}/cache"]
        modules = mypycify(
            [*flags, *files], opt_level="1", debug_level="0", group_name="l7proxy", target_dir=work
        )
        command = build_ext(Distribution({"name": "l7proxy", "ext_modules": modules}))
        command.build_lib = str(into)
        command.build_temp = work
        command.parallel = os.cpu_count()
        command.ensure_finalized()
        command.run()
        return [into / Path(output).relative_to(into) for output in command.get_outputs()]


def _require_compiler() -> None:
    compiler = (os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc").split()[0]
    header = Path(sysconfig.get_path("include"), "Python.h")
    for is_there, missing in (
        (shutil.which(compiler) is not None, f"a C compiler ({compiler})"),
        (header.exists(), f"Python's headers ({header})"),
    ):
        if not is_there:
            raise SystemExit(
                f"l7proxy: {VARIABLE} is set, but {missing} is missing here. Install it"
                " (Debian: apt install gcc python3-dev), or build without the variable:"
                " the pure build needs neither, and decides the same."
            )
