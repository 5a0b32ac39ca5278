"""Reloads the configuration: when it is asked to, or when a file has changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from l7proxy.core.config import ConfigError
from l7proxy.upstreams.file_signature import stamp_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from l7proxy.core.config import Config
    from l7proxy.upstreams.file_signature import Stamp


class FileWatch:
    """Finds out which of a set of files have changed since they were read.

    `note` is to be called before the files are read: what changes while they are read is then
    found by the next `changed`.
    """

    def __init__(self, name: str) -> None:
        """Watches the configuration file `name`, which is about to be read."""
        self._name = name
        self._noted = {name: stamp_of(name)}
        self._seen = self._noted

    def changed(self) -> list[str]:
        """Returns the files that have changed, once two calls in a row find them the same.

        So a file that is still being written, or files that are replaced one after the other, are
        not read half-way; and of two changes within one tick of the file system's clock the second
        is not missed.
        """
        seen = self._stamps(self._noted)
        if seen == self._noted or seen != self._seen:
            self._seen = seen
            return []
        return [name for name, stamp in seen.items() if stamp != self._noted[name]]

    def note(self) -> None:
        """Takes the files as they are for read."""
        self._noted = self._seen = self._stamps(self._noted)

    def follow(self, names: Iterable[str]) -> None:
        """Watches these files beside the configuration file, in place of those before."""
        noted = self._noted
        self._noted = self._seen = {
            name: noted[name] if name in noted else stamp_of(name) for name in (self._name, *names)
        }

    @staticmethod
    def _stamps(names: Iterable[str]) -> dict[str, Stamp | None]:
        return {name: stamp_of(name) for name in names}


class Reloader:
    """Reads the configuration and applies it; logs why where that fails, and changes nothing."""

    def __init__(
        self,
        reread: Callable[[], Config | None],
        apply: Callable[[Config], None],
        log: Callable[[str], None],
        watch: FileWatch | None = None,
    ) -> None:
        """`reread` returns None after it has logged what is wrong; `apply` may raise any error."""
        self._reread = reread
        self._apply = apply
        self._log = log
        self._watch = watch

    def look(self) -> None:
        """Reloads if a file has changed. To be called about once a second."""
        changed = [] if self._watch is None else self._watch.changed()
        if changed:
            self._log(f"{', '.join(changed)}: changed")
            self.reload()

    def reload(self) -> None:
        """Reloads now."""
        if self._watch is not None:
            self._watch.note()
        config = self._reread()
        if config is not None:
            if self._watch is not None:
                self._watch.follow(files_of(config))
            try:
                self._apply(config)
            except ConfigError as error:
                for problem in error.problems:
                    self._log(str(problem))
            except Exception as error:
                # Selectors of third parties may raise anything.
                self._log(f"it can't be put to work: {error!r}")
            else:
                return
        self._log("not reloaded: what was at work stays at work")


def files_of(config: Config) -> Iterator[str]:
    """Yields the files that a configuration names and that are read when it is applied."""
    if config.server.tls is not None:
        for certificate in config.server.tls.certificates:
            yield certificate.certificate
            if certificate.key is not None:
                yield certificate.key
    for pool in config.backend_pools.values():
        if pool.http.tls.ca_file is not None:
            yield pool.http.tls.ca_file
        if pool.sticky is not None and pool.sticky.cookie is not None:
            key_file = pool.sticky.cookie.key_file
            if key_file is not None:
                yield key_file
