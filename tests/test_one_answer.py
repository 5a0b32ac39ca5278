"""Whatever the configuration, node, explain, replay and serve answer a request alike.

Configurations are made up of conditions and actions of routes, and requests of what these ask for.
The node is asked in envelopes and serve in bytes; explain and replay, for whom every backend is
simulated, are shown the same request.
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

from hypothesis import event, given, settings
from hypothesis import strategies as st

from l7proxy.core import ConfigError, Headers, HttpRequest
from l7proxy.node.replay_node import ReplayNode
from l7proxy.tools import explain
from tests.server.in_memory import CLIENT
from tests.test_one_grammar import (
    Asked,
    NodeDoor,
    Outcome,
    WireDoor,
    configured,
    fields,
    lines_of,
    methods,
    names,
    on_the_wire,
    public_text,
    targets,
    telling,
    values,
)

if TYPE_CHECKING:
    from l7proxy.core.exchange import Exchange

conditions = st.fixed_dictionaries(
    {},
    optional={
        "host": st.sampled_from(["shop.example", "*.shop.example", "[0:0::1]"]),
        "methods": st.sampled_from([["GET"], ["POST", "get"], ["HEAD", "GET"]]),
        "headers": st.sampled_from(
            [{"X-A": {"present": True}}, {"X-A": {"regex": ".*a.*"}}, {"x-a": {"present": False}}]
        ),
        "query": st.sampled_from([{"q": "\u00e9"}, {"q": {"prefix": "a"}}]),
        "cookies": st.just({"id": "1"}),
        "client_ip": st.sampled_from(["192.0.2.0/24", "10.0.0.0/8"]),
    },
)
places: st.SearchStrategy[dict[str, Any]] = st.one_of(
    st.fixed_dictionaries({"path_pattern": st.sampled_from(["/*", "/api/*", "/a*", "/old/*"])}),
    st.fixed_dictionaries({"path": st.sampled_from(["/", "/a", "/moved", "/here"])}),
    st.fixed_dictionaries({"path_regex": st.sampled_from(["/(.*)", "/(api|old)/.*", "/[^/]"])}),
    st.just({}),
)
rewrites = st.one_of(
    st.fixed_dictionaries({"strip_prefix": st.sampled_from(["/old", "/api"])}),
    st.fixed_dictionaries({"replace_prefix": st.just({"/": "/v2"})}),
    st.fixed_dictionaries(
        {
            "regex": st.sampled_from(["^/(.)", "a", "^"]),
            "substitution": st.sampled_from(["/x?y={0}", "", "/{0}", "b"]),
        }
    ),
    st.fixed_dictionaries({"host": st.sampled_from(["other.example", "x.{host}", "{authority}"])}),
    st.fixed_dictionaries({"substitution": st.sampled_from(["/{1}?again={1}", "/{0}"])}),
)
actions: st.SearchStrategy[dict[str, Any]] = st.one_of(
    st.just({}),
    st.fixed_dictionaries({"rewrite": rewrites}),
    st.fixed_dictionaries(
        {
            "redirect": st.fixed_dictionaries(
                {
                    "location": st.sampled_from(
                        ["https://{host}{target}", "{path}?{query}", "//{authority}/", "/x"]
                    ),
                    "status": st.sampled_from([301, 308]),
                }
            )
        },
        optional={"rewrite": rewrites},
    ),
    st.fixed_dictionaries(
        {"respond": st.sampled_from([{"body": "here"}, {"status": 404, "headers": {"X-B": "c"}}])}
    ),
)
edits = st.fixed_dictionaries(
    {},
    optional={
        "response_headers": st.sampled_from(
            [{"set": {"X-C": "d"}}, {"add": {"X-B": ["e", "f"]}}, {"remove": ["x-b", "location"]}]
        )
    },
)


def route_of(*parts: dict[str, Any]) -> dict[str, Any]:
    return {key: value for part in parts for key, value in part.items()}


def named(made: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{"name": f"r{index}", **route} for index, route in enumerate(made)]


one_route = st.builds(route_of, places, conditions, actions, edits)
routes = st.lists(one_route, min_size=1, max_size=4).map(named)

requests = st.fixed_dictionaries(
    {
        "method": methods,
        "path": targets,
        "headers": st.builds(
            lambda some, host: some | ({} if host is None else {"Host": host}),
            fields(names, values),
            st.sampled_from([None, "shop.example", "a.shop.example:80", "[::1]", "other.example"]),
        ),
    }
)


def of_exchange(exchange: Exchange) -> Outcome:
    """The outcome of an exchange whose backend is simulated."""
    response, reply = exchange.response, exchange.local_reply
    assert response is not None
    asked = None
    said = None if response.body is None else response.body.decode()
    if reply is not None:
        said = public_text(reply.text)
    if exchange.backend is not None:
        headers = exchange.forward_headers
        route = headers.get("x-route")
        assert route is not None
        # What its simulated stand-in leaves out.
        asked, said = Asked(route, exchange.forward_target, headers.get("host") or ""), "ok"
    return Outcome(response.status, said, asked, telling(response.headers or ()))


def by_explain(made: list[dict[str, Any]], request: HttpRequest) -> Outcome:
    return of_exchange(explain.explain(configured(made, "simulated"), request, 0))


def by_replay(made: list[dict[str, Any]], body: dict[str, Any]) -> Outcome:
    found: list[Exchange] = []
    player = ReplayNode(
        configured(made, "simulated"), Random(0), lambda line, exchange, now: found.append(exchange)
    )
    player.play({"src": CLIENT, "at": 0, "body": body}, 1)
    player.end()
    (exchange,) = found
    return of_exchange(exchange)


def comparable(outcome: Outcome, method: str) -> Outcome:
    """The outcome without what clients of serve are not shown, and a HEAD has no room for."""
    if method == "HEAD" or outcome.status >= 500:
        return outcome._replace(said=None)
    return outcome


@settings(max_examples=400, deadline=None)
@given(made=routes, request=requests)
def test_node_explain_replay_and_serve_give_the_same_answer(
    made: list[dict[str, Any]], request: dict[str, Any]
) -> None:
    try:
        configured(made, "simulated")
    except ConfigError:
        event("refused")
        return
    method: str = request["method"]
    node = comparable(NodeDoor(made).ask(**request), method)
    event(f"{node.status // 100}xx")
    body = {"type": "http_request", "client_ip": CLIENT, **request}
    assert comparable(by_replay(made, body), method) == node
    fields = Headers(lines_of(request))
    asked = HttpRequest(method, request["path"], fields, client_ip=CLIENT)
    assert comparable(by_explain(made, asked), method) == node
    data = on_the_wire(request)
    if data is not None:
        assert comparable(WireDoor(made).ask(data), method) == node, data
