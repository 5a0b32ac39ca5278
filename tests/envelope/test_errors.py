"""What is wrong with a message: for its sender, with a code, and for the log."""

from __future__ import annotations

from l7proxy.core.config.problems import Problem
from l7proxy.envelope.errors import MALFORMED, NOT_SUPPORTED, BadMember, UnknownType


def test_every_member_that_is_wrong_is_named() -> None:
    error = BadMember([Problem("/body/a", "is missing"), Problem("", "is odd")])
    assert (error.code, str(error)) == (MALFORMED, "/body/a: is missing; is odd")
    assert error.log_line == "a reply was dropped: /body/a: is missing; is odd"


def test_a_type_that_nobody_handles_is_named() -> None:
    error = UnknownType("gossip_ok")
    assert (error.code, str(error)) == (NOT_SUPPORTED, 'no message type "gossip_ok"')
    assert error.log_line == 'a reply of type "gossip_ok" was dropped'
