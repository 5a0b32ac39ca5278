"""The part of a pool's configuration that says which clients come back to the same backend."""

from __future__ import annotations

from l7proxy.core.config.fields import END, TOKEN
from l7proxy.core.config.outside import KEY_FILE, VARIABLE, Outside, file_of
from l7proxy.core.config.problems import Problems, pointer_to
from l7proxy.core.config.record import Record, RecordOf, field
from l7proxy.core.config.spec import Boolean, Text, count, seconds

_COOKIE_NAME = Text(pattern=f"^{TOKEN}{END}", meaning="a cookie's name (RFC 6265, 4.1.1)")


class StickyCookieConfig(Record):
    """A cookie of the proxy's own that names the backend, sealed with a key.

    The key is not in the configuration but in a file or an environment variable. Replicas with
    the same key honour each other's cookies.
    """

    name: str = field(_COOKIE_NAME, "the cookie's name", default="l7proxy")
    key_file: str | None = field(
        file_of(KEY_FILE), "the file that holds the key, at least 16 bytes", default=None
    )
    key_env: str | None = field(
        Outside(VARIABLE, rf"^[^=\x00\ud800-\udfff]+{END}", "a variable's name"),
        "the environment variable that holds the key",
        default=None,
    )
    path: str = field(
        Text(pattern=f"^/[!-:<-~]*{END}", meaning="a path, from /"),
        "the Path attribute: below which path the cookie is sent",
        default="/",
    )
    max_age: int | None = field(
        count(1, 2**31 - 1),
        "the Max-Age attribute, seconds; without it the cookie ends with the browser's session",
        default=None,
    )
    secure: bool = field(Boolean(), "the Secure attribute: only over TLS", default=False)
    http_only: bool = field(
        Boolean(), "the HttpOnly attribute: out of scripts' reach", default=True
    )
    same_site: str | None = field(
        Text(choices=("Strict", "Lax", "None")), "the SameSite attribute", default=None
    )

    exactly_one = ("key_file", "key_env")

    def check(self, at: str, problems: Problems) -> None:
        if len(self.given(self.exactly_one)) != 1:
            problems.add(at, "give the key's place: either key_file or key_env")
        if self.same_site == "None" and not self.secure:
            problems.conflict(
                pointer_to(at, "same_site"),
                "browsers drop a cookie with SameSite=None but not Secure",
            )


class LearnConfig(Record):
    """An application's own session cookie, remembered with the backend that answered it."""

    cookie: str = field(_COOKIE_NAME, "the session cookie's name", default="session_id")
    max_sessions: int = field(
        count(), "sessions remembered; the longest unused is forgotten first", default=100_000
    )
    ttl: float = field(
        seconds(zero=False), "seconds without a request after which one is forgotten", default=3600
    )


class StickyConfig(Record):
    """How a client comes back to the backend that it had: by a `cookie`, or what was `learn`ed."""

    cookie: StickyCookieConfig | None = field(
        RecordOf(StickyCookieConfig), "by a sealed cookie, on any replica", default=None
    )
    learn: LearnConfig | None = field(
        RecordOf(LearnConfig), "by the application's session cookie, in this process", default=None
    )

    exactly_one = ("cookie", "learn")

    def check(self, at: str, problems: Problems) -> None:
        if len(self.given(self.exactly_one)) != 1:
            problems.add(at, "give either cookie or learn")
