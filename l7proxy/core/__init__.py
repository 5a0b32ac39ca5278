"""The core: every decision the proxy makes, pure.

Nothing here opens a socket or a file, reads a clock, or rolls dice that it was not handed. Time
comes in as `now` (seconds), chance as a seeded `random.Random`; the same configuration, the same
requests and the same seed give the same decisions. There is one exception: a selector that is
named as `module:Class` is imported (`selectors.registry`), which runs whatever is in its module.

From the top down, each importing only what is below it (types aside):

- `proxy`, `exchange`, `trace`: a request comes in, the life it then has, and why it went so;
  `forwarded` is what a backend is asked for, `exchange_state` where an exchange stands
- `trust`: who a request comes from, and what is believed of what it says about that
- `routing`: which route a request takes, and what the route does with it
- `pool`: a pool's backends, and which of them may be asked now
- `policies`: what keeps a pool alive, and clients from asking too much
- `selectors`: which backend is picked, one small class per algorithm
- `affinity`: clients that come back to the backend they had
- `config`: JSON to frozen, validated records
- `http`: the protocol's facts, once
- `regex`: whether a regular expression can take long
- `flags`, `timers`, `random_streams`, `callbacks`, `mypyc`: small things that all of these use
"""

from l7proxy.core.config import Config, ConfigError, config_from, parse_config
from l7proxy.core.exchange import Exchange
from l7proxy.core.http.messages import Headers, HttpRequest, HttpResponse
from l7proxy.core.proxy import Proxy
from l7proxy.core.selectors import Selector
from l7proxy.core.timers import Timers

__all__ = [
    "Config",
    "ConfigError",
    "Exchange",
    "Headers",
    "HttpRequest",
    "HttpResponse",
    "Proxy",
    "Selector",
    "Timers",
    "config_from",
    "parse_config",
]
