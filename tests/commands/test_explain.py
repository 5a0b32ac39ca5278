"""`l7proxy explain`: how it is used."""

from __future__ import annotations

import pytest

from l7proxy.commands import main


def test_how_explain_is_used(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["explain", "--help"])
    assert capsys.readouterr().out.startswith("usage: l7proxy explain [OPTIONS] [METHOD] URL\n")
