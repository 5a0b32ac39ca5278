"""What the tests of the tools share."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.tools.projects import CONFIG


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    return tmp_path
