"""Specs by themselves; in records they are tried by `test_record`."""

from __future__ import annotations

from l7proxy.core.config.spec import Boolean, Either, ListOf, Text


def test_a_choice_within_a_choice_is_found() -> None:
    spec = ListOf(Either(Either(Text(), Boolean()), ListOf(Text())))
    assert spec.item.accepts(True) and not spec.item.accepts(5)
