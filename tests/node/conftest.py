"""Nodes to talk to."""

from __future__ import annotations

import pytest

from tests.node.conversation import Conversation, one_pool
from tests.node.misbehaving import Late


@pytest.fixture
def talk() -> Conversation:
    """A node with the default configuration."""
    return Conversation()


@pytest.fixture
def late() -> Conversation:
    """A node whose only backend takes requests and never answers."""
    return Conversation(one_pool(), upstreams={"simulated": Late})
