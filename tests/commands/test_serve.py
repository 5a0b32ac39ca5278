"""`l7proxy serve`: which configuration it serves, as far as no process is needed."""

from __future__ import annotations

from pathlib import Path

import pytest

from l7proxy import files
from l7proxy.commands import main


def test_the_default_configuration_is_named_by_the_file_that_is_there(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], config: Path
) -> None:
    monkeypatch.setattr(files, "DEFAULT_CONFIGS", (str(config.parent / "none.json"), str(config)))
    assert main(["serve", "--listen", "tls:127.0.0.1:0"]) == 2
    assert capsys.readouterr().err == (
        f"{config}: /server/tls: an address that begins with tls: needs certificates\n"
    )
