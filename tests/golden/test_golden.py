"""Every golden conversation, in this process and in a plain interpreter of its own."""

from __future__ import annotations

import sys

import pytest

from tests.golden.replay import ISOLATED, Conversation, conversations

ALL = conversations()
every = pytest.mark.parametrize("conversation", ALL, ids=lambda c: c.name)


@every
def test_the_node_says_what_is_written_down(conversation: Conversation) -> None:
    found = conversation.differences(*conversation.in_process())
    assert not found, found


@every
@pytest.mark.parametrize("chunk", [1, 7])
def test_it_says_the_same_however_the_input_is_cut(conversation: Conversation, chunk: int) -> None:
    found = conversation.differences(*conversation.in_process(chunk))
    assert not found, found


@every
def test_so_does_a_plain_interpreter_with_nothing_installed(conversation: Conversation) -> None:
    found = conversation.differences(*conversation.in_a_process(sys.executable, *ISOLATED))
    assert not found, found
