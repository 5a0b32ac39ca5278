"""Sticky sessions: a client that comes back gets the backend that it had.

- `base`: what an affinity is, and how one is made from a pool's configuration
- `cookie`: the proxy's own sealed cookie says which backend; nothing is remembered
- `learn`: the application's session cookie is remembered with its backend

A pinned backend is used only while it is eligible, by the same rule as for any other pick: down,
ejected, drained, full, removed or in a tier not in use, it is replaced by the selector's choice,
and the client is told. (nginx and HAProxy let sessions stay on a backend that drains; here a
drain ends, since nothing new goes there.) The pin changes when a response begins, so that the
backend which really answered is the one to come back to.
"""

from l7proxy.core.affinity.base import Affinity, BadKey, Secrets, affinity_for

__all__ = ["Affinity", "BadKey", "Secrets", "affinity_for"]
