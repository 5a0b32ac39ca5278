"""A field that a route edits is the route's, however a client spells it, in the node and in serve.

To backends that read fields as CGI variables (WSGI, Rack, PHP) an underscore is a hyphen.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from tests.server.in_memory import InMemory, RecordingNode
from tests.test_one_grammar import CATCH_ALL, Doors, configured

if TYPE_CHECKING:
    from tests.http1.peers import Message

EDITS = {
    "remove": ["X-Admin", "x_old"],
    "set": {"X-User": "nobody", "x_key": "k"},
    "add": {"X-Tag": ["proxy"], "x_mark": "m"},
}
ROUTES: list[dict[str, Any]] = [{**CATCH_ALL[0], "request_headers": EDITS}]
OURS = [
    ("x-tag", "proxy"), ("x-user", "nobody"), ("x_key", "k"), ("x_mark", "m"),
]  # fmt: skip


def passed_on(doors: Doors, **headers: Any) -> list[tuple[str, str]]:
    """The fields called X-... or x_..., as a backend gets them from both."""
    doors.ask(path="/", headers=headers)
    node, wire = (
        [(name, value) for name, value in door.fields if re.match("x[-_](?!route|forwarded)", name)]
        for door in (doors.node, doors.wire)
    )
    assert node == wire
    return node


@pytest.mark.parametrize("name", [
    "X-Admin", "X_Admin", "x_admin", "X-Old", "x_old", "X-User", "X_USER", "x-key", "X_Key",
    "X_Tag", "x-mark", "X-Mark", "X.User", "x~user", "X|Admin", "X.Tag", "x.mark",
])  # fmt: skip
def test_no_spelling_of_what_is_edited_comes_from_a_client(name: str) -> None:
    assert passed_on(Doors(ROUTES), **{name: "evil"}) == OURS
    assert passed_on(Doors(ROUTES), **{name: ["evil", "worse"], "X-User": "me"}) == OURS


@pytest.mark.parametrize("name", ["X-Tag", "x_mark"])
def test_what_is_added_to_stays_in_the_spelling_of_the_route(name: str) -> None:
    assert passed_on(Doors(ROUTES), **{name: "a"}) == sorted([*OURS, (name.lower(), "a")])


def test_other_names_with_underscores_are_a_clients_own() -> None:
    assert passed_on(Doors(ROUTES), X_Mine="a") == sorted([*OURS, ("x_mine", "a")])
    assert passed_on(Doors(CATCH_ALL), **{"X_User": "a", "X-Tag": "b"}) == [
        ("x-tag", "b"),
        ("x_user", "a"),
    ]


TRAILERS = b"x_user: evil\r\nX-User: evil\r\nX_Admin: 1\r\nX-Tag: a\r\nX-Sum: 1\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n" + TRAILERS + b"\r\n"


@pytest.mark.parametrize(("routes", "trailers"), [
    (ROUTES, b"X-Sum: 1\r\n"),
    (CATCH_ALL, TRAILERS),
])  # fmt: skip
@pytest.mark.parametrize("cut", [0, 60, len(CHUNKED)])
def test_trailers_say_nothing_about_what_is_edited(
    routes: list[dict[str, Any]], trailers: bytes, cut: int
) -> None:
    seen: list[Message] = []
    data = b"POST / HTTP/1.1\r\nHost: a\r\n" + CHUNKED
    proxy = InMemory(lambda: RecordingNode(seen), configured(routes, "http"))
    heard = proxy.converse([data[: len(data) - cut], data[len(data) - cut :]])
    assert heard.startswith(b"HTTP/1.1 200")
    (message,) = seen
    passed = b"".join(b"%b: %b\r\n" % pair for pair in message.trailers)
    assert passed.lower() == trailers.lower()


def test_trailers_of_responses_neither() -> None:
    """What the route removes from responses does not come behind their body either."""
    routes = [{**CATCH_ALL[0], "response_headers": {"remove": ["X-Powered-By"]}}]
    answer = (
        b"HTTP/1.1 200 OK\r\nX_Powered_By: a\r\nX-Powered-By: b\r\nX-C: c\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n"
        b"1\r\na\r\n0\r\nX-Powered-By: d\r\nX_Powered_By: e\r\nX-F: f\r\n\r\n"
    )
    proxy = InMemory(lambda: lambda data: [answer], configured(routes, "http"))
    heard = proxy.converse([b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"])
    assert b"Powered" not in heard
    assert b"\r\nX-C: c\r\n" in heard
    assert heard.endswith(b"0\r\nX-F: f\r\n\r\n")
