"""The standard logs of AWS CloudFront: W3C's extended format, with tabs and percent-encoding."""

from __future__ import annotations

from urllib.parse import unquote

from l7proxy.tools.formats.columns import column_reader
from l7proxy.tools.formats.format import Details, Format
from l7proxy.tools.formats.line import LogReader

COLUMNS = """
    date time x-edge-location sc-bytes c-ip cs-method cs(Host) cs-uri-stem sc-status cs(Referer)
    cs(User-Agent) cs-uri-query cs(Cookie) x-edge-result-type x-edge-request-id x-host-header
    cs-protocol cs-bytes time-taken x-forwarded-for ssl-protocol ssl-cipher
    x-edge-response-result-type cs-protocol-version fle-status fle-encrypted-fields c-port
    time-to-first-byte x-edge-detailed-result-type sc-content-type sc-content-len sc-range-start
    sc-range-end
"""
"""Those of a log whose first lines are missing."""


def _reader(details: Details) -> LogReader:
    return column_reader(
        COLUMNS,
        separator="\t",
        duration="s",
        meant=unquote,
        is_ours=lambda names: "x-edge-location" in names,
        as_logged=details.as_logged,
    )


FORMAT = Format(
    "cloudfront",
    what="AWS CloudFront, as standard logs",
    sign="a line `#Fields: ...` with `x-edge-location`, or its columns with tabs between them",
    reader=_reader,
)
