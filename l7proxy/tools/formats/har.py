"""HAR 1.2, what browsers' developer tools export: one JSON document with many requests."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

from l7proxy.core.config.strict_json import why_not
from l7proxy.core.http.messages import HttpRequest
from l7proxy.tools.formats.format import Details, Format
from l7proxy.tools.formats.line import (
    BadLine,
    LoggedRequest,
    LogReader,
    as_served,
    headers_from,
    status_from,
)
from l7proxy.tools.formats.times import any_time

CLIENT = "browser"
"""The name of the client, which is the same for all entries."""


def entries(lines: Iterable[str]) -> Iterator[str]:
    """Yields the document's entries, each as a line of JSON; raises `BadLine` if it is no HAR."""
    try:
        found = json.loads("".join(lines))["log"]["entries"]
    except KeyError as error:
        raise BadLine(f'not a HAR document: it has no "{error.args[0]}"') from None
    except TypeError:
        raise BadLine("not a HAR document: it is no object with log.entries") from None
    except (ValueError, RecursionError) as error:
        raise BadLine(f"not a HAR document: not JSON: {why_not(error)}") from None
    if not isinstance(found, list):
        raise BadLine("not a HAR document: log.entries must be an array")
    for entry in found:
        yield json.dumps(entry)


def is_document(text: str) -> bool:
    """Returns whether a text begins as a HAR document does."""
    return _BEGINNING(text) is not None


_BEGINNING = re.compile(r'\s*+\{\s*+"log"\s*+:\s*+\{').match


def _reader(details: Details) -> LogReader:
    """Returns a reader of single entries."""

    def read(line: str) -> LoggedRequest:
        try:
            return _read(json.loads(line), as_logged=details.as_logged)
        except KeyError as error:
            why = f'it has no "{error.args[0]}"'
        except BadLine:
            raise
        except (TypeError, AttributeError):
            why = "something in it is of another type than it should be"
        except (ValueError, RecursionError) as error:
            why = f"not JSON: {why_not(error)}"
        raise BadLine(f"not an entry of a HAR document: {why}")

    return read


def _read(entry: Any, *, as_logged: bool) -> LoggedRequest:
    """Raises `BadLine`, KeyError, TypeError and AttributeError where something is wrong."""
    request = entry["request"]
    url, method = request["url"], request["method"]
    at = any_time(entry["startedDateTime"])
    headers = _headers(request.get("headers") or ())
    text = (request.get("postData") or {}).get("text")
    served = None
    if as_logged:
        took = entry.get("time")
        seconds = took / 1000 if type(took) in (int, float) else None
        served = as_served(status_from((entry.get("response") or {}).get("status")), seconds)
    path, host = split_url(str(url))
    return at, HttpRequest(
        str(method),
        path,
        headers_from({"Host": host, **headers}),
        client_ip=CLIENT,
        body=str(text).encode("utf-8", "surrogatepass") if text else b"",
        simulate=served,
    )


def _headers(fields: Iterable[Any]) -> dict[str, str]:
    """Returns the headers but Host and HTTP/2's pseudo-headers, which say what the URL says."""
    made: dict[str, str] = {}
    for field in fields:
        name, value = field["name"], str(field["value"])
        if not name.startswith(":") and name.lower() != "host":
            made[name] = f"{made[name]}, {value}" if name in made else value
    return made


def split_url(url: str) -> tuple[str, str]:
    """Returns the path, with its query, and the host of an http(s) URL; raises `BadLine`."""
    scheme, mark, rest = url.partition("://")
    if not mark or scheme.lower() not in ("http", "https"):
        raise BadLine(f'"{url[:60]}" is not an http URL')
    end = min((rest.find(mark) for mark in "/?#" if mark in rest), default=len(rest))
    path = rest[end:].partition("#")[0]
    return (path if path.startswith("/") else f"/{path}"), rest[:end].rpartition("@")[2]


FORMAT = Format(
    "har",
    what="browsers, and other tools that export HAR",
    sign='a document that begins with `{"log": {`',
    reader=_reader,
)
