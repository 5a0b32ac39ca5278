"""One process that serves: its event loop, sockets, signals and configuration."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import socket
import stat
from contextlib import ExitStack, contextmanager, suppress
from errno import EADDRINUSE
from typing import TYPE_CHECKING

from l7proxy.core.callbacks import ignore
from l7proxy.core.config import ConfigError, Problem
from l7proxy.core.config.address import split_listen
from l7proxy.server.listener import BACKLOG, Listener
from l7proxy.server.preflight import cant_write, certificates_of
from l7proxy.server.redaction import Redaction
from l7proxy.server.reloader import Reloader
from l7proxy.server.service import Service
from l7proxy.upstreams.http import ConnectionPools

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from random import Random

    from l7proxy.core.affinity import Secrets
    from l7proxy.core.config import Config
    from l7proxy.core.config.server import AccessLogConfig
    from l7proxy.server.access_log import AccessLog
    from l7proxy.server.reloader import FileWatch
    from l7proxy.server.tls import ServerTls

COLLECT_AFTER = 20_000
"""Objects made and not yet freed before the collector looks for cycles. A request leaves none, and
a connection leaves one."""
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1)
"""The signals that a server handles."""
SWEEP = 1.0
"""Seconds between two searches for what is overdue."""


class Server:
    """A proxy on one event loop: listens, serves, reloads, drains."""

    def __init__(
        self,
        config: Config,
        random: Random,
        loop: asyncio.AbstractEventLoop,
        log: Callable[[str], None],
        secrets: Secrets | None = None,
    ) -> None:
        """Raises `ConfigError` where the configuration can't be put to work."""
        self._loop = loop
        self._random = random
        self._log = log
        self._secrets = secrets
        self.pools = ConnectionPools(loop)
        self._logs: list[tuple[AccessLogConfig, AccessLog]] = []
        """Every log that a configuration asked for: those in use stay open over a reload."""
        self.service = self._service(config)
        self._retired: list[Service] = []
        """Those before it that still have something to do."""
        self.on_over: Callable[[], None] = ignore
        """Called when a configuration from before is over: there is garbage to be collected."""
        self.listener = Listener(loop, self.service, log)
        self._tls: ServerTls | None = None
        self._sweeper: asyncio.TimerHandle | None = None
        self.on_sweep: Callable[[], None] | None = None
        """Called about once a second while it serves."""
        self._swept_at = 0.0

    def _service(self, config: Config) -> Service:
        return Service(
            config,
            self._random,
            self._loop,
            self.pools,
            access_log=self._access_log(config),
            log=lambda _, text: self._log(text),
            secrets=self._secrets,
        )

    def _access_log(self, config: Config) -> AccessLog | None:
        wanted = config.server.access_log
        if wanted is None:
            return None
        for known, log in self._logs:
            if known == wanted:
                log.redaction = Redaction(config)
                return log
        log = access_log_of(wanted, self._loop.time(), Redaction(config))
        self._logs.append((wanted, log))
        return log

    def reopen_logs(self) -> None:
        """Opens the access logs anew, after their files were moved away."""
        for config, log in self._logs:
            try:
                log.reopen(self._loop.time())
            except OSError as error:
                self._log(f"{config.path}: {error.strerror}; the log goes on in the file it had")

    async def start(
        self, sockets: Sequence[socket.socket], secure: Sequence[socket.socket] = ()
    ) -> None:
        """Starts to serve on bound sockets, and with TLS on the `secure` ones.

        Raises `ConfigError` where there is no certificate for those.
        """
        if secure:
            from l7proxy.server.tls import ServerTls

            self._tls = ServerTls(certificates_of(self.service.config))
        self.service.start()
        for sock in sockets:
            self.listener.listen(sock)
        for sock in secure:
            assert self._tls is not None
            self.listener.listen(sock, self._tls.context)
        self._sweep_again()

    def reload(self, config: Config) -> None:
        """Applies another configuration; requests in flight end under the one they began with.

        Raises `ConfigError`, and goes on as before, where it can't be applied.
        """
        certificates = certificates_of(config) if self._tls is not None else None
        service = self._service(config)
        before, self.service = self.service, service
        service.proxy.handover_from(before.proxy, self._loop.time())
        before.stop()
        self._retired.append(before)
        self.listener.service = service
        service.start()
        self.pools.keep_only(service.connections)
        if self._tls is not None and certificates is not None:
            self._tls.use(certificates)

    async def stop(self) -> None:
        """Drains, which takes at most the configured time, and closes everything."""
        await self.listener.drain(self.service.timeouts.drain)
        if self._sweeper is not None:
            self._sweeper.cancel()
        self.service.stop()
        self.pools.close()
        for _, log in self._logs:
            log.close()
            self._complain_of(log, float("inf"))
        self._logs.clear()
        await asyncio.sleep(0)

    def _sweep_again(self) -> None:
        self._sweeper = self._loop.call_later(SWEEP, self._sweep_again)
        self.sweep(self._loop.time())

    def sweep(self, now: float) -> None:
        """Ends what is overdue by `now` (seconds), and lets go of what is over."""
        if now - self._swept_at < 2 * SWEEP:
            self.listener.sweep(now)
            self.pools.sweep(now)
            if self._retired:
                self._let_go()
        # Otherwise the process has stood still, and what has come has not been read yet: nothing is
        # overdue before it has been.
        self._swept_at = now
        for _, log in self._logs:
            log.flush()
            self._complain_of(log, now)
        if self.on_sweep is not None:
            self.on_sweep()

    def _complain_of(self, log: AccessLog, now: float) -> None:
        """Tells of lines that a log has lost."""
        complaint = log.complaint(now)
        if complaint is not None:
            self._log(complaint)

    def _let_go(self) -> None:
        """Forgets the configurations that have nothing left to do, with what only they had."""
        retired = [service for service in self._retired if not service.is_over]
        if len(retired) == len(self._retired):
            return
        self._retired = retired
        used = {service.access_log for service in (*retired, self.service)}
        for _, log in self._logs:
            if log not in used:
                log.close(timeout=0)
        self._logs = [(config, log) for config, log in self._logs if log in used]
        self.on_over()


def access_log_of(
    config: AccessLogConfig, now: float, redaction: Redaction | None = None
) -> AccessLog:
    """Returns a log that begins at `now` (seconds, on the loop's clock).

    Raises `ConfigError` where its file can't be written to.
    """
    from l7proxy.server.access_log import AccessLog

    try:
        return AccessLog(config, now, redaction=redaction)
    except OSError as error:
        why = cant_write(error.strerror)
        raise ConfigError([Problem("/server/access_log/path", why)]) from None


def bind(listen: str, *, shared: bool = False) -> socket.socket:
    """Returns a socket bound to `host:port`, `[v6]:port` or `unix:/path`, which listens.

    With `shared` other processes can bind the same port, and the kernel spreads connections over
    them. A unix socket that no process listens on any more is replaced; any other file at the path
    is an error. Raises OSError, with a text for people, where the address can't be bound.
    """
    options = [socket.SO_REUSEADDR, socket.SO_REUSEPORT] if shared else [socket.SO_REUSEADDR]
    return _bound(listen, options, BACKLOG)


@contextmanager
def claim(listen: str) -> Iterator[None]:
    """Claims a port for processes that are going to share it, and for no others.

    The kernel lets everybody share a port who asks for it, the processes of another service, too.
    Raises OSError, with a text for people, where the address can't be had.
    """
    # Neither of these sockets listens: no client is to connect to them.
    _bound(listen, [socket.SO_REUSEADDR]).close()
    with ExitStack() as held:
        # Without SO_REUSEADDR it stands in the way of everybody who does not share the port, also
        # while no worker is there. Where connections of a process that is gone are still closing,
        # which is for a minute at most, the sockets of the workers have to be enough.
        with suppress(OSError):
            held.enter_context(_bound(listen, [socket.SO_REUSEPORT]))
        yield


def _bound(listen: str, options: Sequence[int], backlog: int | None = None) -> socket.socket:
    """Returns a socket that is bound with these options; it listens where there is a backlog."""
    host, port = split_listen(listen)
    is_path = port < 0
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(socket.AF_UNIX if is_path else family)
    try:
        if is_path:
            _remove_stale_socket(host)
            sock.bind(host)
        else:
            for option in options:
                sock.setsockopt(socket.SOL_SOCKET, option, 1)
            if family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            sock.bind((host, port))
        if backlog is not None:
            sock.listen(backlog)
    except (OSError, ValueError) as error:
        sock.close()
        raise OSError(f"{listen}: {getattr(error, 'strerror', None) or error}") from None
    sock.setblocking(False)
    return sock


@contextmanager
def unix_sockets(listens: Sequence[str]) -> Iterator[list[socket.socket]]:
    """Binds these addresses; closes the sockets in the end and removes their files.

    A file that another process has put in the place of one of them stays.
    """
    with ExitStack() as stack:
        sockets = []
        for listen in listens:
            stack.callback(_clean_up, split_listen(listen)[0])
            sockets.append(stack.enter_context(bind(listen)))
        yield sockets


def _clean_up(path: str) -> None:
    with suppress(OSError):
        _remove_stale_socket(path)


def _remove_stale_socket(path: str) -> None:
    """Removes a socket that no process listens on; raises OSError for anything else."""
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise OSError("there is a file that is not a socket")
    with socket.socket(socket.AF_UNIX) as client:
        client.setblocking(False)
        try:
            client.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)
            return
        except OSError:
            # It can't be connected to now, which means that it is in use.
            pass
    raise OSError(EADDRINUSE, os.strerror(EADDRINUSE))


def serve_sockets(
    config: Config,
    random: Random,
    sockets: Sequence[socket.socket],
    secure: Sequence[socket.socket] = (),
    *,
    loop: asyncio.AbstractEventLoop,
    log: Callable[[str], None],
    reread: Callable[[], Config | None],
    watch: FileWatch | None = None,
    secrets: Secrets | None = None,
    on_reloaded: Callable[[], None] | None = None,
    supervisor: int | None = None,
) -> None:
    """Serves until SIGTERM or SIGINT, then drains.

    So it does when `supervisor` ends, a pipe that a supervising process holds open. SIGHUP, or a
    change that `watch` finds, applies the configuration that `reread` returns. SIGHUP and SIGUSR1
    reopen the access logs. `on_reloaded` is called after each reload; without it that is logged.
    The caller blocks SIGNALS, so that those which come early wait until it serves.
    """
    server = Server(config, random, loop, log, secrets)
    asyncio.set_event_loop(loop)
    stop = asyncio.Event()

    def apply(config: Config) -> None:
        if not stop.is_set():
            server.reload(config)
            if on_reloaded is None:
                log("reloaded")
            else:
                on_reloaded()

    reloader = Reloader(reread, apply, log, watch)
    server.on_sweep = reloader.look
    server.on_over = _collect

    def reload() -> None:
        server.reopen_logs()
        reloader.reload()

    loop.add_signal_handler(signal.SIGHUP, reload)
    loop.add_signal_handler(signal.SIGUSR1, server.reopen_logs)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)

    def supervisor_is_gone() -> None:
        assert supervisor is not None
        loop.remove_reader(supervisor)
        log("the supervisor is gone: this worker ends, too")
        stop.set()

    if supervisor is not None:
        loop.add_reader(supervisor, supervisor_is_gone)

    async def main() -> None:
        await server.start(sockets, secure)
        _collect()
        gc.set_threshold(COLLECT_AFTER)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        await stop.wait()
        await server.stop()

    try:
        loop.run_until_complete(main())
    finally:
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        loop.close()
    ignore_signals()


def _collect() -> None:
    """Frees what is garbage; what is left stays, and the collector need not look at it again."""
    gc.unfreeze()
    gc.collect()
    gc.freeze()


def ignore_signals() -> None:
    """Ignores further signals: one that comes during the exit must not change its status."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
