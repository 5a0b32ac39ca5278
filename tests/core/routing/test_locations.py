"""Where redirects lead is for the template to say, not for the path."""

from __future__ import annotations

import pytest

from l7proxy.core.http.local_reply import Refused
from l7proxy.core.routing.locations import Location

VALUES = {"host": "a.example", "authority": "a.example:80", "path": "/x/y", "query": "q=//b"}
VALUES["target"] = "/x/y?q=//b"


def filled(template: str, value: str = "") -> str:
    return Location(template).fill({**VALUES, "1": value, "2": value}.get)


@pytest.mark.parametrize(("template", "value", "location"), [
    ("https://other.example/{1}", "//evil.example", "https://other.example///evil.example"),
    ("https://other.example/{1}", "javascript:x", "https://other.example/javascript:x"),
    ("https://{host}{target}", "", "https://a.example/x/y?q=//b"),
    ("//{authority}{path}", "", "//a.example:80/x/y"),
    ("https://{host}:8443{path}", "", "https://a.example:8443/x/y"),
    ("https://{host}", "", "https://a.example"),
    ("https://{host}?{query}", "", "https://a.example?q=//b"),
    ("https://{host}{1}", "/y", "https://a.example/y"),
    ("https://other.example{1}", "/y", "https://other.example/y"),
    ("https://other.example{1}", "", "https://other.example"),
    ("https://other.example{1}{2}", "/evil.example", "https://other.example/evil.example/evil.example"),
    ("https://{1}.other.example/", "de", "https://de.other.example/"),
    ("https://www-{1}.other.example/{2}", "de", "https://www-de.other.example/de"),
    ("https://www{1}.other.example", "2", "https://www2.other.example"),
    ("https://other.{1}/", "de", "https://other.de/"),
    ("https://other.example:{1}/", "8080", "https://other.example:8080/"),
    ("https://{1}/", "b.example", "https://b.example/"),
    ("https://{1}{path}", "b.example", "https://b.example/x/y"),
    ("https://{1}{path}.html", "b.example", "https://b.example/x/y.html"),
    ("https://{host}{path}.html", "", "https://a.example/x/y.html"),
    ("https://other.example{1}.html", "/y", "https://other.example/y.html"),
    ("https://é.example{path}", "", "https://%C3%A9.example/x/y"),
    ("mailto:{1}", "a@b.example", "mailto:a@b.example"),
    ("/{1}", "a", "/a"),
    ("/{1}", "/evil.example", "/evil.example"),
    ("/{1}", "//evil.example", "/evil.example"),
    ("/{1}", "\\evil.example", "/evil.example"),
    ("/{1}", "https:/evil", "/https:/evil"),
    ("/a{1}", "//evil.example", "/a//evil.example"),
    ("{1}", "/a//b", "/a//b"),
    ("{1}", "//evil.example", "/evil.example"),
    ("{1}", "\\/evil.example", "/evil.example"),
    ("{1}", "https:/evil", "./https:/evil"),
    ("{1}", "javascript:alert(1)", "./javascript:alert(1)"),
    ("{1}", "a/b:c", "a/b:c"),
    ("{1}{2}", "/", "/"),
    ("{1}/{2}", "", "/"),
    ("{1}://x/", "javascript", "./javascript://x/"),
    ("java{1}", "script:x", "./javascript:x"),
    ("https{1}", "://evil.example", "./https://evil.example"),
    ("?{1}", "a:b", "?a:b"),
    ("//fixed.example", "", "//fixed.example"),
    ("", "", ""),
])  # fmt: skip
def test_values_stay_what_they_are_meant_to_be(template: str, value: str, location: str) -> None:
    assert filled(template, value) == location


@pytest.mark.parametrize(("template", "value"), [
    ("https://{1}.other.example/", "evil.example/"),
    ("https://{1}.other.example/", "evil.example/x"),
    ("https://{1}.other.example/", "u@evil"),
    ("https://{1}.other.example/", "evil:80"),
    ("https://{1}.other.example/", "evil\\"),
    ("https://{1}.other.example/", "/evil.example"),
    ("https://{1}.other.example/", ".."),
    ("https://other.example{1}", ".evil.example"),
    ("https://other.example{1}", "@evil.example"),
    ("https://other.example{1}", ":80@evil.example"),
    ("https://other.example{1}", "\\evil"),
    ("https://other.example{1}", "evil"),
    ("https://other.example{1}/x", ".evil.example"),
    ("https://other.example{1}?x", ".evil.example"),
    ("https://{host}{1}", ".evil.example"),
    ("https://{authority}{1}", "80"),
    ("https://other.{1}/", "example@evil.example"),
    ("https://{1}", "/evil.example"),
    ("https:{1}", "/evil.example"),
    ("https:/{1}", "/evil.example"),
    ("https:///{1}", "/evil.example"),
    ("HTTPS:{1}", "//evil.example"),
    ("//{1}", "/evil.example"),
    ("///{1}", "/evil.example"),
    ("https://{1}{2}", "/evil"),
    ("ftp://{1}x", "/"),
    ("https://{1}", ""),
    ("https://{1}/{path}", ""),
    ("https://{1}{path}", ""),
    ("https://{1}.other.example/", ""),
    ("https://www-{1}.other.example/", "/evil.example"),
    ("https://www-{1}.other.example/", "?evil.example"),
    ("https://www.{1}.other.example/", "/evil.example"),
    ("https://u:{1}@other.example/", "/evil.example"),
])  # fmt: skip
def test_they_make_no_other_host(template: str, value: str) -> None:
    with pytest.raises(Refused, match="the redirect would lead to the host"):
        filled(template, value)


@pytest.mark.parametrize("template", [
    "https://{1}{2}.other.example/", "https://{1}.{2}.other.example/", "https://{1}-{2}.example",
])  # fmt: skip
def test_no_value_cuts_off_what_is_behind_another(template: str) -> None:
    with pytest.raises(Refused, match="the redirect would lead to the host"):
        Location(template).fill({"1": "evil.example", "2": "/x"}.get)
