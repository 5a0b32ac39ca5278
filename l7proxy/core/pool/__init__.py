"""A pool of backends: which of them may be given a request now, and which is.

- `backend`: one backend's state
- `members`: which backends are eligible, by their flags, tier and the pool's panic
- `deadlines`: how long a request may wait, and an attempt take
- `queue`: the requests that wait for a place
- `events`: tells the observers how attempts go
- `handover`: another configuration's pool goes on where this one stops
- `pool`: the facade that an exchange uses
"""

from l7proxy.core.pool.backend import Backend
from l7proxy.core.pool.pool import Pool

__all__ = ["Backend", "Pool"]
