"""A pool of backends: who answers a request, and who of them may be asked now.

- `backend`: one backend's state
- `members`: which backends are eligible, by their flags, tier and the pool's panic
- `deadlines`: how long a request may wait, and an attempt take
- `queue`: requests that wait for a place, and nobody else who writes to it
- `events`: who is told how attempts go
- `handover`: another configuration's pool goes on where this one stops
- `pool`: the facade that an exchange asks
"""

from l7proxy.core.pool.backend import Backend
from l7proxy.core.pool.pool import Pool

__all__ = ["Backend", "Pool"]
