"""`l7proxy serve`: one process, or several that share their ports.

Each worker is a whole proxy: it has its own connections, in-flight counts, health, breakers, rate
limits and rotation. The kernel spreads incoming connections over the workers.
"""

from __future__ import annotations

import os
import signal
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
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
    claim,
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
    greeting: str = "",
) -> int:
    """Serves until SIGTERM or SIGINT, then drains; returns the exit status.

    `greeting` is logged where the configuration can be put to work.

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

    def work(config: Config, watch: FileWatch | None = None, supervisor: int | None = None) -> None:
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
            supervisor=supervisor,
        )

    if watch is not None:
        watch.follow(files_of(config))
    check(config)
    if greeting:
        log(greeting)
    pools = config.backend_pools.items()
    simulated = [name for name, pool in pools if pool.upstream == "simulated"]
    if simulated:
        log(f"simulated pools, whose backends are not asked: {', '.join(simulated)}")
    # A unix socket can't be bound twice: all workers accept from the same one.
    with unix_sockets(paths) as inherited, ExitStack() as claims:
        if reports is not None:
            for listen in (*ports, *secure_ports):
                claims.enter_context(claim(listen))
            return _Supervisor(config, workers, work, check, reread_here, log, watch, reports).run()
        work(config, watch)
    return 0


GRACE = 2.0
"""Seconds that a worker may take to end, beyond those that it may take to drain."""


@dataclass(slots=True)
class Backoff:
    """How long to wait before a worker is started that takes the place of one that has ended.

    One that ends soon is most likely followed by others that do: after the first, which may have
    been bad luck, each in a row waits twice as long as the one before.
    """

    steady: float = 10.0
    """Seconds after which a worker has not ended soon."""
    first: float = 1.0
    longest: float = 30.0
    _row: int = 0

    def after(self, lived: float) -> float:
        """Returns for how long to wait after a worker that lived so long (both in seconds)."""
        if lived >= self.steady:
            self._row = 0
        self._row += 1
        if self._row == 1:
            return 0.0
        return min(self.first * 2.0 ** min(self._row - 2, 30), self.longest)


@dataclass(slots=True)
class _Worker:
    """The place of one worker: the process that has it, or when one will be started."""

    pid: int | None = None
    started_at: float = 0.0
    due: float = 0.0
    backoff: Backoff = field(default_factory=Backoff)


class _Supervisor:
    """Keeps a number of workers alive, and passes signals on to them.

    Signals are blocked and waited for, so that none interrupts anything. A new configuration is
    checked before the workers are told to read it: what is wrong with it is logged once, and a
    worker that replaces a dead one starts with the last good configuration.

    It holds one end of a pipe open whose other end the workers have: they find out that it is gone
    by that, however it has ended.
    """

    def __init__(
        self,
        config: Config,
        workers: int,
        work: Callable[[Config, None, int], None],
        check: Callable[[Config], None],
        reread: Callable[[], Config | None],
        log: Callable[[str], None],
        watch: FileWatch | None,
        reports: ReloadReports,
    ) -> None:
        self._config = config
        self._reports = reports
        self._workers = [_Worker() for _ in range(workers)]
        self._work = work
        self._check = check
        self._log = log
        self._reloader = Reloader(reread, self._apply, log, watch)
        self._stopped_at: float | None = None
        self._theirs, self._ours = os.pipe()

    def run(self) -> int:
        """Starts the workers, and returns the exit status once all have ended."""
        signal.pthread_sigmask(signal.SIG_BLOCK, WAITED_FOR)
        signal.setitimer(signal.ITIMER_REAL, SWEEP, SWEEP)
        self._start_due()
        while self._stopped_at is None or self._pids:
            number = signal.sigwait(WAITED_FOR)
            if number == signal.SIGCHLD:
                self._bury_dead()
                self._start_due()
            elif number == WAKE:
                self._reports.receive()
            elif number == signal.SIGALRM:
                self._look()
            elif number in (signal.SIGHUP, signal.SIGUSR1):
                self._pass_on(signal.SIGUSR1)
                if number == signal.SIGHUP:
                    self._reloader.reload()
            else:
                self._stop()
        signal.setitimer(signal.ITIMER_REAL, 0)
        ignore_signals()
        return 0

    @property
    def _pids(self) -> list[int]:
        return [worker.pid for worker in self._workers if worker.pid is not None]

    def _look(self) -> None:
        """Does what is due."""
        if self._stopped_at is None:
            self._reloader.look()
            self._start_due()
            return
        grace = self._config.server.timeouts.drain + GRACE
        if time.monotonic() - self._stopped_at >= grace:
            for pid in self._pids:
                self._log(f"worker {pid} does not end, and is killed")
            self._pass_on(signal.SIGKILL)

    def _start_due(self) -> None:
        """Starts the workers whose time has come."""
        now = time.monotonic()
        for worker in self._workers:
            if worker.pid is None and worker.due <= now and self._stopped_at is None:
                self._start(worker, now)

    def _start(self, worker: _Worker, now: float) -> None:
        worker.started_at = now
        try:
            child = os.fork()
        except OSError as error:
            self._log(f"l7proxy: a worker can't be started: {error.strerror}")
            self._postpone(worker, now)
            return
        if child:
            worker.pid = child
            return
        code = 1
        try:
            os.close(self._ours)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD, signal.SIGALRM})
            self._work(self._config, None, self._theirs)
            code = 0
        except Exception as error:
            self._log(f"l7proxy: {error}")
        finally:
            os._exit(code)

    def _bury_dead(self) -> None:
        """Notes which workers have ended; one signal may stand for several of them."""
        while pids := self._pids:
            pid, code = os.waitpid(-1, os.WNOHANG)
            if not pid:
                return
            if pid in pids:
                (worker,) = (worker for worker in self._workers if worker.pid == pid)
                worker.pid = None
                self._reports.forget(pid)
                if self._stopped_at is None:
                    self._log(f"worker {pid} {_end_of(code)}")
                    self._postpone(worker, time.monotonic())

    def _postpone(self, worker: _Worker, now: float) -> None:
        """Sets when another worker takes the place of one that has ended."""
        wait = worker.backoff.after(now - worker.started_at)
        worker.due = now + wait
        if wait:
            self._log(f"the next one is started in {wait:g} s")

    def _apply(self, config: Config) -> None:
        if self._stopped_at is None:
            self._check(config)
            self._config = config
            self._reports.expect(self._pids)
            self._pass_on(signal.SIGHUP)

    def _stop(self) -> None:
        if self._stopped_at is None:
            self._stopped_at = time.monotonic()
        self._pass_on(signal.SIGTERM)

    def _pass_on(self, number: int) -> None:
        for pid in self._pids:
            os.kill(pid, number)


def _end_of(wait_status: int) -> str:
    """Says for people how a process ended."""
    code = os.waitstatus_to_exitcode(wait_status)
    return f"ended with status {code}" if code >= 0 else f"was ended by signal {-code}"
