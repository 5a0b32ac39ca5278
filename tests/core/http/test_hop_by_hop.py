"""Which fields stop at this hop, and which of them a client may choose."""

from __future__ import annotations

import pytest

from l7proxy.core.http.hop_by_hop import CLAIMS, HOP_BY_HOP, may_be_listed


@pytest.mark.parametrize("name", ["x-private", "keep", "content-language", "x-forwarded"])
def test_a_client_may_list_fields_of_its_own(name: str) -> None:
    assert may_be_listed(name)


@pytest.mark.parametrize(
    "name",
    [*sorted(HOP_BY_HOP), *sorted(CLAIMS - {"forwarded", "via"}), "close", "host", "cookie",
     "content-length", "authorization", "x-request-id", "x-forwarded-port"],
)  # fmt: skip
def test_it_may_not_list_what_the_backend_relies_on_nor_need_it_list_what_stops_anyway(
    name: str,
) -> None:
    assert not may_be_listed(name)
