"""Which build of the package the tests run on, and what only one of them can be asked."""

from __future__ import annotations

import pytest

from l7proxy.commands.version import is_compiled

needs_compiled = pytest.mark.skipif(not is_compiled(), reason="this is the pure build")
needs_pure = pytest.mark.skipif(
    is_compiled(), reason="nothing can be put in the place of compiled code"
)
