"""The core: every decision the proxy makes, pure.

Nothing here opens a socket or a file, reads a clock, or rolls dice that it was not handed. Time
comes in as `now` (seconds), chance as a seeded `random.Random`; the same configuration, the same
requests and the same seed give the same decisions. There is one exception: a selector that is
named as `module:Class` is imported (`selectors.registry`), which runs whatever is in its module.

- `messages`: what the core is asked and what it answers
- `config`: JSON to frozen, validated records
- `target`: what a request names
- `routing`: which route it takes, and what the route does with it
- `backend`, `pool`: a backend's state, and who may be picked now
- `selectors`: who is picked, one small class per algorithm
- `affinity`, `cookies`: which clients come back to the backend they had
- `rate_limit`: how many requests are too many
- `retry`: when another attempt is made
- `health`, `ejection`, `breaker`, `slow_start`: what keeps a pool alive. Each is a `policy`, which
  goes on under another configuration; `observer`s hear of every attempt, and all but the last act
  through a backend's flags
- `streams`: separate streams of chance, so that one draw does not disturb another
- `trace`: why it was decided so
- `local reply`: why the proxy answers by itself, and with what status
- `timers`: what is due when
- `proxy`, `exchange`: a request comes in, and the life it then has
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
