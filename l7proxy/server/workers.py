"""`l7proxy serve`: one process, or several that share their ports.

Each worker is a whole proxy: it has its own connections, in-flight counts, health, breakers, rate
limits and rotation. The kernel spreads incoming connections over the workers.
"""

from __future__ import annotations

import os
import signal
from random import Random
from typing import TYPE_CHECKING

from l7proxy.core.config import ConfigError
from l7proxy.core.proxy import Proxy
from l7proxy.server.acceptor import raise_limit
from l7proxy.server.loop import new_event_loop
from l7proxy.server.preflight import problems
from l7proxy.server.reload_reports import WAKE, ReloadReports
from l7proxy.server.reloader import Reloader, files_of
from l7proxy.server.server import (
    SIGNALS,
    SWEEP,
    access_log_of,
    bind,
    ignore_signals,
    serve_sockets,
    unix_sockets,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from l7proxy.core.affinity import Secrets
    from l7proxy.core.config import Config
    from l7proxy.server.reloader import FileWatch


WAITED_FOR = (*SIGNALS, signal.SIGCHLD, signal.SIGALRM, WAKE)
"""The signals that a supervisor handles."""


def serve(
    config: Config,
    listens: Sequence[str],
    *,
    workers: int,
    fast: bool,
    log: Callable[[str], None],
    reread: Callable[[], Config | None],
    watch: FileWatch | None = None,
    secrets: Secrets | None = None,
) -> int:
    """Serves until SIGTERM or SIGINT, then drains; returns the exit status.

    SIGHUP, or a change that `watch` finds, applies the configuration that `reread` returns. Raises
    `ConfigError` where the configuration can't be applied, OSError where an address can't be bound.
    """
    raise_limit()
    shared = workers > 1
    reports = ReloadReports(lambda: log("reloaded")) if shared else None
    wanted = config.server.listen
    paths = [listen for listen in listens if listen.startswith("unix:")]
    ports = [listen for listen in listens if not listen.startswith(("unix:", "tls:"))]
    secure_ports = [listen for listen in listens if listen.startswith("tls:")]

    def check(config: Config) -> None:
        """Raises `ConfigError` here, once, and not in every worker."""
        Proxy(config, Random(0), secrets=secrets)
        found = list(problems(config, secure=bool(secure_ports)))
        if found:
            raise ConfigError(found)
        if config.server.access_log is not None:
            access_log_of(config.server.access_log, 0.0).close()

    def reread_here() -> Config | None:
        """Says here, once, and not in every worker, what a reload does not do."""
        made = reread()
        if made is not None and made.server.listen != wanted and tuple(listens) == wanted:
            log("server.listen has changed: that takes a restart")
        return made

    def work(config: Config, watch: FileWatch | None = None) -> None:
        sockets = [*inherited, *(bind(listen, shared=shared) for listen in ports)]
        secure = [bind(listen, shared=shared) for listen in secure_ports]
        serve_sockets(
            config,
            Random(),
            sockets,
            secure,
            loop=new_event_loop(fast=fast),
            log=log,
            reread=reread if shared else reread_here,
            watch=watch,
            secrets=secrets,
            on_reloaded=None if reports is None else reports.send,
        )

    if watch is not None:
        watch.follow(files_of(config))
    check(config)
    pools = config.backend_pools.items()
    simulated = [name for name, pool in pools if pool.upstream == "simulated"]
    if simulated:
        log(f"simulated pools, whose backends are not asked: {', '.join(simulated)}")
    # A unix socket can't be bound twice: all workers accept from the same one.
    with unix_sockets(paths) as inherited:
        if reports is not None:
            return _Supervisor(config, workers, work, check, reread_here, log, watch, reports).run()
        work(config, watch)
    return 0


class _Supervisor:
    """Keeps a number of workers alive, and passes signals on to them.

    Signals are blocked and waited for, so that none interrupts anything. A new configuration is
    checked before the workers are told to read it: what is wrong with it is logged once, and a
    worker that replaces a dead one starts with the last good configuration.
    """

    def __init__(
        self,
        config: Config,
        workers: int,
        work: Callable[[Config], None],
        check: Callable[[Config], None],
        reread: Callable[[], Config | None],
        log: Callable[[str], None],
        watch: FileWatch | None,
        reports: ReloadReports,
    ) -> None:
        self._config = config
        self._reports = reports
        self._workers = workers
        self._work = work
        self._check = check
        self._log = log
        self._reloader = Reloader(reread, self._apply, log, watch)
        self._watches = watch is not None
        self._children: set[int] = set()
        self._stopping = False
        self._status = 0

    def run(self) -> int:
        """Starts the workers, and returns the exit status once all have ended."""
        signal.pthread_sigmask(signal.SIG_BLOCK, WAITED_FOR)
        if self._watches:
            signal.setitimer(signal.ITIMER_REAL, SWEEP, SWEEP)
        for _ in range(self._workers):
            self._spawn()
        while self._children:
            number = signal.sigwait(WAITED_FOR)
            if number == signal.SIGCHLD:
                self._replace_dead()
            elif number == WAKE:
                self._reports.receive()
            elif number == signal.SIGALRM:
                self._reloader.look()
            elif number in (signal.SIGHUP, signal.SIGUSR1):
                self._pass_on(signal.SIGUSR1)
                if number == signal.SIGHUP:
                    self._reloader.reload()
            else:
                self._stop()
        signal.setitimer(signal.ITIMER_REAL, 0)
        ignore_signals()
        return self._status

    def _spawn(self) -> None:
        child = os.fork()
        if child:
            self._children.add(child)
            return
        code = 1
        try:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD, signal.SIGALRM})
            self._work(self._config)
            code = 0
        except Exception as error:
            self._log(f"l7proxy: {error}")
        finally:
            os._exit(code)

    def _replace_dead(self) -> None:
        """Starts a worker for each that has died; one signal may stand for several of them."""
        while self._children:
            child, code = os.waitpid(-1, os.WNOHANG)
            if not child:
                return
            self._children.discard(child)
            self._reports.forget(child)
            if self._stopping:
                continue
            self._log(f"worker {child} {_end_of(code)}")
            if os.waitstatus_to_exitcode(code) > 0:
                # It ended by itself, because it could not start; the next one could not either.
                self._stop()
                self._status = 1
            else:
                self._spawn()

    def _apply(self, config: Config) -> None:
        if not self._stopping:
            self._check(config)
            self._config = config
            self._reports.expect(self._children)
            self._pass_on(signal.SIGHUP)

    def _stop(self) -> None:
        self._stopping = True
        self._pass_on(signal.SIGTERM)

    def _pass_on(self, number: int) -> None:
        for child in self._children:
            os.kill(child, number)


def _end_of(wait_status: int) -> str:
    """Says for people how a process ended."""
    code = os.waitstatus_to_exitcode(wait_status)
    return f"ended with status {code}" if code >= 0 else f"was ended by signal {-code}"
