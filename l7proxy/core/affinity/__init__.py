"""Sticky sessions: a client that comes back gets the backend that it had.

- `base`: what all affinities have in common
- `factory`: the one that a pool's configuration asks for
- `cookie`: the proxy's own sealed cookie names the backend; nothing is remembered
- `learn`: the application's session cookie is remembered with its backend

A pinned backend is used only while it is eligible, by the same rule as for any other pick: down,
ejected, drained, full, removed or in a tier not in use, it is replaced by the selector's choice,
and the client is told. (nginx and HAProxy let sessions stay on a backend that drains; here a
drain ends, since nothing new goes there.) The pin changes when a response begins, so that the
client comes back to the backend that really answered.
"""

from l7proxy.core.affinity.base import Affinity, BadKey
from l7proxy.core.affinity.factory import affinity_for

TYPE_CHECKING = False
if TYPE_CHECKING:
    from l7proxy.core.affinity.base import Secrets as Secrets

__all__ = ["Affinity", "BadKey", "affinity_for"]
