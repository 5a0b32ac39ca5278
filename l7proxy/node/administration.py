"""Messages that look at pools and change them: `status`, `backend`, `add_backend`, ..."""

from __future__ import annotations

from l7proxy.core.config.model import NO_ADDRESS, BackendConfig
from l7proxy.core.config.problems import json_type, pointer_to, suggestion
from l7proxy.core.config.record import RecordOf
from l7proxy.core.config.spec import Text, count
from l7proxy.core.flags import REMOVED
from l7proxy.core.pool.pool import STATES
from l7proxy.envelope.errors import BadMember
from l7proxy.envelope.members import load_member, text_member

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from l7proxy.core.config.spec import Spec
    from l7proxy.core.pool.backend import Backend
    from l7proxy.core.pool.pool import Pool
    from l7proxy.node.message import Message, Receiver, Reply

    Body = Mapping[str, Any]


def status(node: Receiver, message: Message) -> Reply:
    """Shows the state of every pool, or of the one that `pool` names."""
    proxy = node.engine.proxy
    shown: dict[str, Any]
    if message.body.get("pool") is not None:
        pool = _pool(node, message.body)
        shown = {"pools": {pool.name: pool.snapshot()}}
    else:
        shown = {"pools": {name: pool.snapshot() for name, pool in proxy.pools.items()}}
        if proxy.limits is not None:
            shown["rate_limits"] = proxy.limits.snapshot()
    shown["replies_dropped"] = node.nodes.dropped
    return shown


def set_backend(node: Receiver, message: Message) -> Reply:
    """Sets the `state` or `weight`, or both, of one backend, as `set` says."""
    body = message.body
    pool = _pool(node, body)
    backend = _backend(pool, body)
    changes = body.get("set")
    if not isinstance(changes, dict):
        raise BadMember.at("/body/set", f"must be an object, not {json_type(changes)}")
    unknown = [key for key in changes if key not in _CHANGES]
    if unknown or not changes:
        raise BadMember.at("/body/set", f"takes {' and '.join(_CHANGES)}")
    loaded = {
        key: load_member(_CHANGES[key], value, pointer_to("/body/set", key))
        for key, value in changes.items()
    }
    if "weight" in loaded:
        try:
            pool.set_weight(backend, loaded["weight"])
        except ValueError as error:
            raise BadMember.at("/body/set/weight", str(error)) from None
    if "state" in loaded:
        pool.set_state(backend, loaded["state"], node.engine.clock.now)
    return {}


def add_backend(node: Receiver, message: Message) -> Reply:
    """Adds a backend, written as in a configuration; the reply has the name it got."""
    pool = _pool(node, message.body)
    given = message.body.get("backend")
    if isinstance(given, str):
        given = {"address": given}
    config: BackendConfig = load_member(RecordOf(BackendConfig), given, "/body/backend")
    if not config.address and pool.config.upstream != "simulated":
        raise BadMember.at("/body/backend", NO_ADDRESS)
    name = config.own_name
    if _is_taken(pool, name) and config.name is None:
        if any(b.address == config.address for b in pool.backends if not b.flags & REMOVED):
            there = f"{config.address} is in this pool already; to have it twice, name it"
            raise BadMember.at("/body/backend", there)
        name = config.address
    if _is_taken(pool, name):
        taken = f'a backend named "{name}" is in this pool already'
        raise BadMember.at("/body/backend", taken)
    try:
        pool.add(name, config, node.engine.clock.now)
    except ValueError as error:
        raise BadMember.at("/body/backend", str(error)) from None
    return {"backend": name}


def remove_backend(node: Receiver, message: Message) -> Reply:
    """Removes a backend: it gets nothing new from now on, and goes when it is idle.

    Its name is free at once.
    """
    pool = _pool(node, message.body)
    pool.remove(_backend(pool, message.body), node.engine.clock.now)
    return {}


_CHANGES: dict[str, Spec[Any]] = {
    "state": Text(choices=STATES),
    "weight": count(1, 65535),
}


def _pool(node: Receiver, body: Body) -> Pool:
    name = text_member(body, "pool") or ""
    pools = node.engine.proxy.pools
    pool = pools.get(name)
    if pool is None:
        near = suggestion(name, pools)
        raise BadMember.at("/body/pool", f'no pool named "{name}"{near}')
    return pool


def _is_taken(pool: Pool, name: str) -> bool:
    known = pool.by_name.get(name)
    return known is not None and not known.flags & REMOVED


def _backend(pool: Pool, body: Body) -> Backend:
    name = text_member(body, "backend") or ""
    backend = pool.by_name.get(name)
    if backend is None or backend.flags & REMOVED:
        near = suggestion(name, pool.by_name)
        unknown = f'no backend named "{name}" in pool "{pool.name}"{near}'
        raise BadMember.at("/body/backend", unknown)
    return backend
