"""`l7proxy diff`: what may be allowed to change."""

from __future__ import annotations

import pytest

from l7proxy.commands import main
from tests.commands.support import LOG


@pytest.mark.parametrize(
    "word", ["--allow=x%", "--allow=\u00b2", "--allow=-1", "--allow=nan%", "--allow=101%"]
)
def test_what_may_change_is_a_number_a_share_or_a_field(
    capsys: pytest.CaptureFixture[str], word: str
) -> None:
    with pytest.raises(SystemExit):
        main(["diff", str(LOG), "--against", "b.json", word])
    what = word.partition("=")[2]
    assert capsys.readouterr().err.endswith(
        f'argument --allow: "{what}" is not a number, a share or one of'
        " route, pool, backend, status\n"
    )
