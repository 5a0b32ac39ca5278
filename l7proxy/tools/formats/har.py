"""HAR 1.2, what browsers' developer tools export: one JSON document with many requests."""

from __future__ import annotations

import json

from l7proxy.core.config.strict_json import why_not
from l7proxy.tools.formats.line import BadLine, Logged, envelope
from l7proxy.tools.formats.times import any_time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

    from l7proxy.tools.formats.line import Envelope, Reader

CLIENT = "browser"


def entries(lines: Iterable[str]) -> Iterator[str]:
    """The document's entries, each as a line of JSON; raises `BadLine` where it is no HAR."""
    try:
        found = json.loads("".join(lines))["log"]["entries"]
    except KeyError as error:
        raise BadLine(f'not a HAR document: it has no "{error.args[0]}"') from None
    except TypeError:
        raise BadLine("not a HAR document: it is no object with log.entries") from None
    except ValueError as error:
        raise BadLine(f"not a HAR document: not JSON: {why_not(error)}") from None
    if not isinstance(found, list):
        raise BadLine("not a HAR document: log.entries must be an array")
    for entry in found:
        yield json.dumps(entry)


def reader(*, as_logged: bool = False) -> Reader:
    """A reader of single entries."""

    def read(line: str) -> Envelope:
        try:
            entry: Any = json.loads(line)
            request = entry["request"]
            url, method = request["url"], request["method"]
            time = any_time(entry["startedDateTime"])
            headers = [(field["name"], field["value"]) for field in request.get("headers", ())]
            text = (request.get("postData") or {}).get("text")
            logged = (
                Logged(entry["response"]["status"], entry["time"] / 1000) if as_logged else None
            )
        except KeyError as error:
            why = f'it has no "{error.args[0]}"'
            raise BadLine(f"not an entry of a HAR document: {why}") from None
        except (TypeError, AttributeError, ValueError) as error:
            raise BadLine(f"not an entry of a HAR document: {error}") from None
        path, host = split_url(str(url))
        made: dict[str, Any] = {"Host": host}
        for name, value in headers:
            # HTTP/2's pseudo-headers say what method, path and host have said already.
            if not name.startswith(":") and name.lower() != "host":
                made[name] = f"{made[name]}, {value}" if name in made else value
        found = envelope(time, CLIENT, str(method), path, made, logged)
        if text:
            found["body"]["body"] = str(text)
        return found

    return read


def split_url(url: str) -> tuple[str, str]:
    """The path, with its query, and the host of an http(s) URL; raises `BadLine`."""
    scheme, mark, rest = url.partition("://")
    if not mark or scheme.lower() not in ("http", "https"):
        raise BadLine(f'"{url[:60]}" is not an http URL')
    end = min((rest.find(mark) for mark in "/?#" if mark in rest), default=len(rest))
    path = rest[end:].partition("#")[0]
    return (path if path.startswith("/") else f"/{path}"), rest[:end].rpartition("@")[2]
