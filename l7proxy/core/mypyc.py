"""What the compiled build must be told: which classes may be derived from in plain Python.

`@mypyc_attr(allow_interpreted_subclasses=True)` stands before such a class. mypyc, which reads it
and never calls it, knows it by where it comes from; there is no such package at run time. This
file is never compiled.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mypy_extensions import mypyc_attr
else:

    def mypyc_attr(**_):
        """Returns a decorator that leaves a class as it is."""
        return lambda decorated: decorated


__all__ = ["mypyc_attr"]
