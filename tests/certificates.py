"""Certificates that sign themselves, made on the spot."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

NEEDS_OPENSSL = pytest.mark.skipif(
    shutil.which("openssl") is None, reason="openssl is not installed"
)
DAYS = 2
"""For how long one is valid."""


def make_certificates(made: Path, *names: str) -> None:
    """Makes `NAME.pem` and `NAME.key` in a directory, each for `NAME` and `x.NAME`."""
    for name in names:
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
             "-nodes", "-days", str(DAYS), "-subj", f"/CN={name}",
             "-addext", f"subjectAltName=DNS:{name},DNS:x.{name}",
             "-keyout", made / f"{name}.key", "-out", made / f"{name}.pem"],
            check=True, capture_output=True,
        )  # fmt: skip


def encrypt_key(key: Path, made: Path) -> None:
    """Writes a key with a passphrase to another file."""
    words: list[str | Path] = [
        "openssl",
        "pkey",
        "-in",
        key,
        "-aes128",
        "-passout",
        "pass:secret",
        "-out",
        made,
    ]
    subprocess.run(words, check=True, capture_output=True)
