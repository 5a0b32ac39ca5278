"""What a start of `serve` would meet outside of the configuration: files, and where it listens.

`problems` is what both `check` and a start go by. Of files that only a start opens, `check` says
by `path_problems` what opening them would come to, and opens none.
"""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING

from l7proxy.core.config import ConfigError, Problem
from l7proxy.core.config.problems import pointer_to

if TYPE_CHECKING:
    from collections.abc import Iterator

    from l7proxy.core.config import Config
    from l7proxy.core.config.model import PoolConfig
    from l7proxy.server.tls import Certificates

    Warned = tuple[str, str]
    """The JSON pointer of what is warned of, and the warning."""

SOON = 14 * 86400
"""Seconds before its end from which on a certificate is warned of."""
LONGEST_SOCKET = 107
"""Bytes of the longest path of a unix socket on Linux."""


def preflight(config: Config, now: float) -> tuple[list[Problem], list[Warned]]:
    """Returns why `serve --config` would not start, and what is hardly meant.

    `now` is in seconds since 1970. Without `server.listen` the addresses come from the command
    line: certificates are there to be shown, and other nodes may be there to be asked by the node.
    """
    server = config.server
    if server.listen:
        secure = any(listen.startswith("tls:") for listen in server.listen)
    else:
        secure = server.tls is not None
    found = list(problems(config, secure=secure))
    if not server.listen:
        found = [problem for problem in found if not problem.pointer.endswith("/upstream")]
    warned = []
    if server.tls is not None:
        warned = list(_certificate_warnings(config, now))
        if not secure:
            unused = "no address in server.listen begins with tls:, so none of this is used"
            warned.insert(0, ("/server/tls", unused))
    return [*found, *path_problems(config)], warned


def problems(config: Config, *, secure: bool) -> Iterator[Problem]:
    """Yields why a server can't put the configuration to work; `secure` is whether it does TLS."""
    for name, pool in config.backend_pools.items():
        at = config.pool_pointer(name)
        if pool.upstream == "envelope":
            yield Problem(pointer_to(at, "upstream"), NO_ENVELOPES)
        elif pool.upstream == "http":
            yield from _ca_problems(pool, pointer_to(at, "http", "tls"))
    if secure:
        try:
            certificates_of(config)
        except ConfigError as error:
            yield from error.problems


NO_ENVELOPES = "there are no envelopes behind an HTTP listener"


def _ca_problems(pool: PoolConfig, at: str) -> Iterator[Problem]:
    if any(backend.address.startswith("https://") for backend in pool.backends):
        from l7proxy.upstreams.http.tls import backend_context

        try:
            backend_context(pool.http.tls)
        except ValueError as error:
            yield Problem(at, str(error))


def certificates_of(config: Config) -> Certificates:
    """Returns the configured certificates; raises `ConfigError` where none can be used."""
    from l7proxy.server.tls import Certificates

    if config.server.tls is None:
        problem = "an address that begins with tls: needs certificates"
        raise ConfigError([Problem("/server/tls", problem)])
    return Certificates(config.server.tls)


def path_problems(config: Config) -> Iterator[Problem]:
    """Yields why the access log or a unix socket can't be opened."""
    server = config.server
    if server.access_log is not None and server.access_log.path != "-":
        why = _why_not_written(server.access_log.path)
        if why is not None:
            yield Problem("/server/access_log/path", cant_write(why))
    for index, listen in enumerate(server.listen):
        if listen.startswith("unix:"):
            why = _why_no_socket(listen.removeprefix("unix:"))
            if why is not None:
                yield Problem(pointer_to("/server/listen", index), f"{listen}: {why}")


def cant_write(why: str | None) -> str:
    """Returns the problem with a log that can't be written to."""
    return f"can't write to it: {why}"


def _why_not_written(path: str) -> str | None:
    """Returns why a file can't be opened to append to it, as the system says it, or None."""
    try:
        if stat.S_ISDIR(os.stat(path).st_mode):
            return os.strerror(errno.EISDIR)
    except FileNotFoundError:
        return _why_no_new_file(path)
    except OSError as error:
        return error.strerror
    return None if os.access(path, os.W_OK) else os.strerror(errno.EACCES)


def _why_no_socket(path: str) -> str | None:
    """Returns why a socket can't be bound to a path, or None; one that is there may be stale."""
    if len(os.fsencode(path)) > LONGEST_SOCKET:
        return "AF_UNIX path too long"
    try:
        if not stat.S_ISSOCK(os.stat(path).st_mode):
            return "there is a file that is not a socket"
    except FileNotFoundError:
        if os.path.islink(path):
            # Unlike a file that is opened, a socket is not made where a link leads.
            return os.strerror(errno.EADDRINUSE)
        return _why_no_new_file(path)
    except OSError as error:
        return error.strerror
    return None


def _why_no_new_file(path: str) -> str | None:
    """Returns why no file can be made at a path at which there is none, or None."""
    home = os.path.dirname(os.path.realpath(path))
    if path.endswith("/"):
        return os.strerror(errno.EISDIR)
    if not os.path.isdir(home):
        return os.strerror(errno.ENOENT)
    return None if os.access(home, os.W_OK | os.X_OK) else os.strerror(errno.EACCES)


def _certificate_warnings(config: Config, now: float) -> Iterator[Warned]:
    """Yields which certificates are over, soon will be or are not yet valid, or are never shown."""
    from l7proxy.server.certificate_dates import validity

    assert config.server.tls is not None
    shown: set[str] = set()
    for index, one in enumerate(config.server.tls.certificates):
        at = pointer_to("/server/tls/certificates", index)
        dates = validity(one.certificate)
        if dates is not None:
            said = _about_dates(*dates, now)
            if said is not None:
                yield pointer_to(at, "certificate"), said
        names = {name.lower() for name in one.names}
        if index and not names:
            yield at, "it is never shown: only the first needs no names"
        elif index and names <= shown:
            yield at, "it is never shown: certificates before it have all of its names"
        shown |= names


def _about_dates(begins: float, ends: float, now: float) -> str | None:
    if now >= ends:
        return f"it has expired {_days(now - ends)} ago"
    if now < begins:
        return f"it is valid only in {_days(begins - now)}"
    return f"it expires in {_days(ends - now)}" if ends - now < SOON else None


def _days(seconds: float) -> str:
    days = int(seconds // 86400)
    return f"{days} day{'s' * (days != 1)}" if days else "less than a day"
