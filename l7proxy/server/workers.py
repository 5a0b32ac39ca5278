"""`l7proxy serve`: one process, or several that share their ports.

Each worker is a whole proxy: its connections, in-flight counts, health, breakers, rate limits and
turns in the rotation are its own. The kernel spreads incoming connections over them.
"""

from __future__ import annotations

import os
import signal
from random import Random
from typing import TYPE_CHECKING

from l7proxy.core.proxy import Proxy
from l7proxy.server.loop import new_event_loop
from l7proxy.server.server import SIGNALS, bind, certificates_of, serve_sockets

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from l7proxy.core.affinity import Secrets
    from l7proxy.core.config import Config


def serve(
    config: Config,
    listens: Sequence[str],
    *,
    workers: int,
    fast: bool,
    log: Callable[[str], None],
    reread: Callable[[], Config | None],
    secrets: Secrets | None = None,
) -> int:
    """Serves until SIGTERM or SIGINT, then drains; gives the exit status.

    Raises `ConfigError` where the configuration can't be put to work, OSError where an address
    can't be bound.
    """
    # Whatever is wrong with it is said once, not by every worker.
    Proxy(config, Random(0), secrets=secrets)
    shared = workers > 1
    # A unix socket can't be bound twice: the workers accept from one.
    inherited = [bind(listen) for listen in listens if listen.startswith("unix:")]
    ports = [listen for listen in listens if not listen.startswith(("unix:", "tls:"))]
    secure_ports = [listen for listen in listens if listen.startswith("tls:")]
    if secure_ports:
        certificates_of(config)

    def work(config: Config = config) -> None:
        sockets = [*inherited, *(bind(listen, shared=shared) for listen in ports)]
        secure = [bind(listen, shared=shared) for listen in secure_ports]
        serve_sockets(
            config,
            Random(),
            sockets,
            secure,
            loop=new_event_loop(fast=fast),
            log=log,
            reread=reread,
            secrets=secrets,
        )

    if not shared:
        work()
        return 0

    def work_anew() -> None:
        work(reread() or config)

    return _Supervisor(workers, work, work_anew, log).run()


class _Supervisor:
    """Keeps so many workers alive, and passes signals on to them."""

    def __init__(
        self,
        workers: int,
        work: Callable[[], None],
        work_anew: Callable[[], None],
        log: Callable[[str], None],
    ) -> None:
        """`work_anew` is what takes the place of a worker that died after a reload."""
        self._wanted = workers
        self._work = work
        self._work_anew = work_anew
        self._log = log
        self._children: set[int] = set()
        self._stopping = False

    def run(self) -> int:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        signal.signal(signal.SIGHUP, self._reload)
        for _ in range(self._wanted):
            self._spawn()
        status = 0
        while self._children:
            child, code = os.wait()
            self._children.discard(child)
            if self._stopping:
                continue
            self._log(f"worker {child} ended with {code}")
            if os.waitstatus_to_exitcode(code) > 0:
                # It did not die of a crash: it could not begin, and nor could the next one.
                self._stop(signal.SIGTERM)
                status = 1
            else:
                self._spawn()
        return status

    def _spawn(self) -> None:
        # A signal that comes before the worker can handle it has to wait until it can.
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        child = os.fork()
        if child:
            self._children.add(child)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
            return
        code = 1
        try:
            for number in SIGNALS:
                signal.signal(number, signal.SIG_DFL)
            self._work()
            code = 0
        except Exception as error:
            self._log(f"l7proxy: {error}")
        finally:
            os._exit(code)

    def _reload(self, number: int, frame: object = None) -> None:
        self._work = self._work_anew
        self._pass_on(number)

    def _stop(self, number: int, frame: object = None) -> None:
        self._stopping = True
        self._pass_on(signal.SIGTERM)

    def _pass_on(self, number: int, frame: object = None) -> None:
        for child in self._children:
            os.kill(child, number)
