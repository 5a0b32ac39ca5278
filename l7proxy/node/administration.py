"""Messages that look at pools and change them: `status`, `backend`, `add_backend`, ..."""

from __future__ import annotations

from l7proxy.core.config.address import split_address
from l7proxy.core.config.model import BackendConfig
from l7proxy.core.config.problems import json_type, pointer_to, suggestion
from l7proxy.core.config.record import RecordOf
from l7proxy.core.config.spec import Text, count
from l7proxy.core.policies.flags import REMOVED
from l7proxy.core.pool.pool import STATES
from l7proxy.envelope.members import BadMember, load_member, text_member

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from l7proxy.core.config.spec import Spec
    from l7proxy.core.pool.backend import Backend
    from l7proxy.core.pool.pool import Pool
    from l7proxy.core.proxy import Proxy

    Message = Mapping[str, Any]


def status(proxy: Proxy, body: Message, now: float) -> dict[str, Any]:
    """The state of every pool, or of the one that `pool` names."""
    if body.get("pool") is not None:
        pool = _pool(proxy, body)
        return {"pools": {pool.name: pool.snapshot()}}
    shown: dict[str, Any] = {"pools": {name: pool.snapshot() for name, pool in proxy.pools.items()}}
    if proxy.limits is not None:
        shown["rate_limits"] = proxy.limits.snapshot()
    return shown


def set_backend(proxy: Proxy, body: Message, now: float) -> dict[str, Any]:
    """Sets the `state` or `weight`, or both, of one backend, as `set` says."""
    pool = _pool(proxy, body)
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
        pool.set_state(backend, loaded["state"], now)
    return {}


def add_backend(proxy: Proxy, body: Message, now: float) -> dict[str, Any]:
    """Adds a backend, written as in a configuration; the reply has the name it got."""
    pool = _pool(proxy, body)
    given = body.get("backend")
    if isinstance(given, str):
        given = {"address": given}
    config: BackendConfig = load_member(RecordOf(BackendConfig), given, "/body/backend")
    name = config.name or split_address(config.address)[0]
    if _is_taken(pool, name) and config.name is None:
        if any(b.address == config.address for b in pool.backends if not b.flags & REMOVED):
            there = f"{config.address} is in this pool already; to have it twice, name it"
            raise BadMember.at("/body/backend", there)
        name = config.address
    if _is_taken(pool, name):
        taken = f'a backend named "{name}" is in this pool already'
        raise BadMember.at("/body/backend", taken)
    try:
        pool.add(name, config, now)
    except ValueError as error:
        raise BadMember.at("/body/backend", str(error)) from None
    return {"backend": name}


def remove_backend(proxy: Proxy, body: Message, now: float) -> dict[str, Any]:
    """Removes a backend: nothing new for it from now on, and it goes when it is idle.

    Its name is free at once.
    """
    pool = _pool(proxy, body)
    pool.remove(_backend(pool, body), now)
    return {}


OPERATIONS: dict[str, Callable[[Proxy, Message, float], dict[str, Any]]] = {
    "status": status,
    "backend": set_backend,
    "add_backend": add_backend,
    "remove_backend": remove_backend,
}
"""What is done with a message, by its type; the reply's type has `_ok` behind it."""

_CHANGES: dict[str, Spec[Any]] = {
    "state": Text(choices=STATES),
    "weight": count(1, 65535),
}


def _pool(proxy: Proxy, body: Message) -> Pool:
    name = text_member(body, "pool") or ""
    pool = proxy.pools.get(name)
    if pool is None:
        near = suggestion(name, proxy.pools)
        raise BadMember.at("/body/pool", f'no pool named "{name}"{near}')
    return pool


def _is_taken(pool: Pool, name: str) -> bool:
    known = pool.by_name.get(name)
    return known is not None and not known.flags & REMOVED


def _backend(pool: Pool, body: Message) -> Backend:
    name = text_member(body, "backend") or ""
    backend = pool.by_name.get(name)
    if backend is None or backend.flags & REMOVED:
        near = suggestion(name, pool.by_name)
        unknown = f'no backend named "{name}" in pool "{pool.name}"{near}'
        raise BadMember.at("/body/backend", unknown)
    return backend
