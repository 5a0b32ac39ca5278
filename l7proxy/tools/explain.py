"""`l7proxy explain`: one request, asked as with curl, and why it goes where it goes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from random import Random
from typing import TYPE_CHECKING, Any

from l7proxy.core.http.addresses import client_address
from l7proxy.core.http.messages import Headers, HttpRequest
from l7proxy.core.http.target import STANDARD_METHODS
from l7proxy.core.proxy import Proxy
from l7proxy.core.trace import Traced
from l7proxy.tools.formats.har import split_url
from l7proxy.tools.formats.line import BadLine
from l7proxy.tools.printable import printable, printable_value
from l7proxy.upstreams.dispatcher import Dispatcher
from l7proxy.upstreams.simulated import Simulated

if TYPE_CHECKING:
    from l7proxy.core.affinity import Secrets
    from l7proxy.core.config import Config
    from l7proxy.core.exchange import Exchange

Branch = tuple[str, list[str]]
"""A line of the tree, and the lines below it."""


def request_from(
    words: Sequence[str],
    *,
    method: str | None = None,
    headers: Sequence[str] = (),
    data: Sequence[str] = (),
    cookies: Sequence[str] = (),
    client_ip: str = "127.0.0.1",
) -> HttpRequest:
    """Returns the request that `[METHOD] URL` and curl's options ask for.

    `headers` are `Name: value`, `data` are joined with `&` and make it a POST, as curl does it. A
    URL without a host is a path. Raises ValueError, with a text for people.
    """
    *before, url = words
    if len(before) > 1:
        raise ValueError(f"one URL, and a method before it, not {' '.join(words)}")
    if client_address(client_ip) is None:
        raise ValueError(f'"{client_ip}" is not an IP address')
    fields = [_field(line) for line in headers]
    path, host = _path_and_host(url, is_alone=not before)
    if host is not None and not any(name.lower() == "host" for name, _ in fields):
        fields.insert(0, ("Host", host))
    if cookies:
        fields.append(("Cookie", "; ".join(cookies)))
    body = "&".join(data).encode()
    asked = method or (before[0] if before else "POST" if data else "GET")
    return HttpRequest(asked, path, Headers(fields), client_ip=client_ip, body=body)


def _field(line: str) -> tuple[str, str]:
    name, colon, value = line.partition(":")
    if not colon or not name.strip():
        raise ValueError(f'"{line}" must be a header, as in "Name: value"')
    return name, value.strip(" \t")


def _path_and_host(url: str, *, is_alone: bool) -> tuple[str, str | None]:
    """Returns the path, and the host where there is one; a word `is_alone` may be a method."""
    if "://" in url:
        try:
            return split_url(url)
        except BadLine as error:
            raise ValueError(str(error)) from None
    if url.startswith("/") or url == "*":
        return url, None
    if is_alone and url in STANDARD_METHODS:
        raise ValueError(f"{url} what? give a path, as in {url} /, or a URL")
    raise ValueError(
        f'"{url}" is neither a path, which begins with /, nor a URL; '
        f'did you mean "http://{url}" or "/{url}"?'
    )


def explain(
    config: Config, request: HttpRequest, seed: int, secrets: Secrets | None = None
) -> Exchange:
    """Returns how the request goes if it is the first and only one, in virtual time.

    Raises `ConfigError` where the configuration can't be put to work.
    """
    proxy = Proxy(config, Random(seed), secrets=secrets)
    upstreams = {name: Simulated(pool, proxy.streams) for name, pool in proxy.pools.items()}
    ended: list[Exchange] = []
    dispatcher = Dispatcher(
        proxy, upstreams, lambda exchange, now: ended.append(exchange), _reraise
    )
    exchange = dispatcher.open(request, None, 0.0, kind=Traced)
    while not ended and (due := proxy.next_deadline()) is not None:
        dispatcher.run_until(due)
    return exchange


def _reraise(exchange: Exchange, error: Exception, now: float) -> None:
    raise error


class Paint:
    """Puts text in colours, by their codes, where they are wanted."""

    def __init__(self, *, wanted: bool) -> None:
        self._wanted = wanted

    def __call__(self, text: str, code: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self._wanted else text


GOOD, BAD, DIM, BOLD = "32", "31", "2", "1"


NOT_ASKED = "not asked"
"""What came of an attempt on a backend that nothing is known of."""


def is_imagined(exchange: Exchange) -> bool:
    """Returns whether its backend is a real one, or another node, which was not asked."""
    pool = exchange.pool
    return pool is not None and pool.config.upstream != "simulated"


def is_unknown(exchange: Exchange) -> bool:
    """Returns whether nothing says what its backend, which was not asked, would answer."""
    pool = exchange.pool
    if pool is None or not is_imagined(exchange) or pool.config.simulate is not None:
        return False
    return all(backend.simulate is None for backend in pool.config.backends)


def decision_of(exchange: Exchange) -> dict[str, Any]:
    """Returns the decision, without what nobody knows; values are JSON."""
    decision = dict(exchange.decision or {})
    if is_unknown(exchange):
        left_out = ("outcome", "seconds")
        decision["attempts"] = [
            {key: value for key, value in attempt.items() if key not in left_out}
            | {"outcome": NOT_ASKED}
            for attempt in decision["attempts"]
        ]
    return decision


def as_json(exchange: Exchange) -> str:
    """Returns answer and decision as JSON, for machines.

    Of a backend that was not asked, `asked` is false; its `status` is there where the configuration
    says how to simulate it.
    """
    assert exchange.response is not None
    made: dict[str, Any] = {}
    if exchange.local_reply is not None or not is_unknown(exchange):
        made["status"] = exchange.response.status
    if exchange.backend is not None:
        made["backend"] = exchange.backend.name
        if is_imagined(exchange):
            made["asked"] = False
    if exchange.local_reply is not None:
        made["error"] = exchange.local_reply.text
    return json.dumps({**made, "decision": decision_of(exchange)}, indent=2) + "\n"


LINES = "├─└│"
"""What the lines of a tree are made of."""


def in_ascii(tree: str) -> str:
    """Returns a tree whose lines are made of ASCII characters."""
    return tree.translate(str.maketrans(LINES, "|-`|"))


def as_tree(exchange: Exchange, paint: Paint) -> str:
    """Returns answer and decision as a tree, for people."""
    assert exchange.response is not None
    request, status = exchange.request, exchange.response.status
    colour = BAD if status >= 400 else GOOD
    lines = [
        paint(printable(f"{request.method} {request.target}"), BOLD),
        paint(printable(_answer(exchange, status)), colour),
    ]
    branches = list(_branches(printable_value(decision_of(exchange)), paint))
    for place, (title, leaves) in enumerate(branches):
        last = place == len(branches) - 1
        lines.append(f"{'└─' if last else '├─'} {title}")
        for at, leaf in enumerate(leaves):
            twig = "└─" if at == len(leaves) - 1 else "├─"
            lines.append(f"{'   ' if last else '│  '}{twig} {leaf}")
    return "\n".join(lines) + "\n"


def _answer(exchange: Exchange, status: int) -> str:
    backend, refusal = exchange.backend, exchange.local_reply
    if backend is not None and refusal is None and is_imagined(exchange):
        simulated = "" if is_unknown(exchange) else f"; simulated, it answers {status}"
        return f"would go to {backend.name}{simulated}"
    named = "" if backend is None else f" from {backend.name}"
    return f"{status}{named}" if refusal is None else f"{status}{named}: {refusal.text}"


def _branches(decision: Mapping[str, Any], paint: Paint) -> list[Branch]:
    branches = [_route(decision["route"], paint)] if decision.get("route") else []
    branches += map(_limit, decision.get("limits", ()))
    if "pool" in decision:
        rule = f": {decision['rule']}" if "rule" in decision else ""
        title = f"pool     {paint(decision['pool'], BOLD)}, {decision['algorithm']}{rule}"
        branches.append((title, []))
    branches += [_wait(wait, paint) for wait in decision.get("waits", ())]
    for number, attempt in enumerate(decision.get("attempts", ()), 1):
        branches.append(_attempt(number, attempt, paint))
    return branches


def _route(route: Mapping[str, Any], paint: Paint) -> Branch:
    if "refused" in route:
        return f"route    {paint(route['refused'], BAD)}", []
    others = route.get("others", ())
    width = max((len(other["name"]) for other in others), default=0)
    lost = [f"{other['name']:<{width}}  {paint(other['lost'], DIM)}" for other in others]
    if "pattern" not in route:
        return f"route    {paint('none matches', BAD)}", lost
    name = route["name"]
    shown = name if name == route["pattern"] else f"{name} ({route['pattern']})"
    if "rewritten_path" in route:
        shown += f", asked for as {route['rewritten_path']}"
    return f"route    {paint(shown, BOLD)}", lost


def _limit(limit: Mapping[str, Any]) -> Branch:
    left = f"{limit['remaining']} of {limit['burst']} left"
    return f'limit    {limit["limit"]}: {left} for "{limit["key"]}"', []


def _wait(wait: Mapping[str, Any], paint: Paint) -> Branch:
    seconds = f", {wait['seconds']:g} s" if "seconds" in wait else ""
    return f"wait     {wait['for']}{seconds}", _backends(wait, paint)


def _attempt(number: int, attempt: Mapping[str, Any], paint: Paint) -> Branch:
    outcome = attempt.get("outcome", "no answer")
    good = outcome == NOT_ASKED or (outcome.startswith("status ") and outcome < "status 5")
    title = f"attempt  {number}: {paint(attempt['picked'], BOLD)}, "
    title += paint(outcome, GOOD if good else BAD)
    if attempt.get("seconds"):
        title += f" after {attempt['seconds']:g} s"
    if "because" in attempt:
        title += f"; {attempt['because']}"
    if "no_retry" in attempt:
        title += f"; not tried again: {attempt['no_retry']}"
    return title, [*_selector(attempt), *_backends(attempt, paint)]


def _selector(attempt: Mapping[str, Any]) -> list[str]:
    return [
        f"{name.replace('_', ' ')}: {_one_line(value)}"
        for name, value in attempt.get("selector", {}).items()
    ]


def _one_line(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {item:g}" for key, item in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _backends(facts: Mapping[str, Any], paint: Paint) -> list[str]:
    backends = facts.get("backends", {})
    width = max(map(len, backends), default=0)
    return [
        f"{name:<{width}}  "
        + paint(*(("eligible", GOOD) if looks["eligible"] else ("left out", BAD)))
        + f"  {looks['state']}, weight {looks['weight']:g}, {looks['in_flight']} in flight"
        + (paint(f"; {looks['because']}", DIM) if "because" in looks else "")
        for name, looks in backends.items()
    ]
