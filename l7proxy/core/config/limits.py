"""The part of the configuration that says how many requests are too many."""

from __future__ import annotations

from collections.abc import Mapping

from l7proxy.core.config.fields import END, HEADER_NAME, TOKEN
from l7proxy.core.config.problems import Problems, pointer_to
from l7proxy.core.config.record import Record, RecordOf, field
from l7proxy.core.config.spec import ListOf, MapOf, Number, Text, count


class LimitConfig(Record):
    """A token bucket for each key: a request takes a token, and without one it is answered 429."""

    requests_per_second: float = field(
        Number(minimum=1e-6, maximum=1e9), "how fast a bucket fills: the rate in the long run"
    )
    burst: int | None = field(
        count(1, 1_000_000_000),
        "what a bucket holds: requests at once after a rest; a second's worth if not given",
        default=None,
    )
    max_keys: int = field(
        count(),
        "buckets kept at once; those that are full again make room",
        default=100_000,
    )

    @property
    def size(self) -> int:
        """The tokens that a full bucket holds, one for each request."""
        return self.burst or max(1, int(self.requests_per_second))


class TierConfig(LimitConfig):
    """The limit of each API key in a tier."""

    listed: tuple[str, ...] = field(
        ListOf(Text(min_length=1)),
        "the API keys in this tier; the first tier without any takes those listed nowhere",
        default=(),
        key="keys",
    )


class ScopedLimitConfig(LimitConfig):
    """The limit of a route or pool: one bucket for everybody, unless `per` says otherwise."""

    per: str = field(
        Text(
            pattern=rf"^(everyone|client_ip|header:{TOKEN}){END}",
            meaning="everyone, client_ip or header:NAME",
        ),
        "who has a bucket of their own: everyone (all share one), client_ip, or header:NAME",
        default="everyone",
    )


class RateLimitsConfig(Record):
    """The limits that hold for every request that has a route."""

    per_ip: LimitConfig | None = field(
        RecordOf(LimitConfig), "the limit of each client address", default=None
    )
    per_api_key: Mapping[str, TierConfig] = field(
        MapOf(RecordOf(TierConfig)),
        "the limit of each API key, by the name of its tier",
        default={},
    )
    api_key_header: str = field(
        HEADER_NAME,
        "where a request carries its API key; without one, per_api_key does not limit it",
        default="X-API-Key",
    )
    api_tier_header: str | None = field(
        HEADER_NAME,
        "where a trusted gateway in front of the proxy names the tier",
        default=None,
    )

    headers: str = field(
        Text(choices=("refused", "always")),
        "which answers have X-RateLimit-* fields: those that are refused, or all that count",
        default="refused",
    )

    def check(self, at: str, problems: Problems) -> None:
        tier_of: dict[str, str] = {}
        for tier, config in self.per_api_key.items():
            where = pointer_to(at, "per_api_key", tier, "keys")
            for index, key in enumerate(config.listed):
                if key in tier_of:
                    # An API key is a secret: the message must not repeat it.
                    problems.conflict(
                        pointer_to(where, index),
                        f'this key is in the tier "{tier_of[key]}" already',
                    )
                tier_of.setdefault(key, tier)
