"""Takes the configuration up anew: when somebody asks, or when a file that it is in has changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from l7proxy.core.config import ConfigError
from l7proxy.upstreams.file_signature import stamp_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from l7proxy.core.config import Config
    from l7proxy.upstreams.file_signature import Stamp


class FileWatch:
    """Finds out which of some files have changed since they were read.

    Whoever is to read them takes note of them first: what changes meanwhile is then found later.
    """

    def __init__(self, name: str) -> None:
        """`name` is the file that names all others; it is about to be read."""
        self._name = name
        self._noted = {name: stamp_of(name)}
        self._seen = self._noted

    def changed(self) -> list[str]:
        """The files that have changed, once they have stayed as they are from one look to the next.

        So what is being written, or replaced one file after the other, is not read half-way; and
        what is written twice within the tick of a file system's clock is not missed.
        """
        seen = self._stamps(self._noted)
        if seen == self._noted or seen != self._seen:
            self._seen = seen
            return []
        return [name for name, stamp in seen.items() if stamp != self._noted[name]]

    def note(self) -> None:
        """The files are about to be read."""
        self._noted = self._seen = self._stamps(self._noted)

    def follow(self, names: Iterable[str]) -> None:
        """These files are about to be read as well, and others that were are of no interest."""
        noted = self._noted
        self._noted = self._seen = {
            name: noted[name] if name in noted else stamp_of(name) for name in (self._name, *names)
        }

    @staticmethod
    def _stamps(names: Iterable[str]) -> dict[str, Stamp | None]:
        return {name: stamp_of(name) for name in names}


class Reloader:
    """Reads the configuration and puts it to work, or says why it can't be and changes nothing."""

    def __init__(
        self,
        reread: Callable[[], Config | None],
        take_up: Callable[[Config], None],
        log: Callable[[str], None],
        watch: FileWatch | None = None,
    ) -> None:
        """`reread` gives None after saying what is wrong; `take_up` may raise `ConfigError`."""
        self._reread = reread
        self._take_up = take_up
        self._log = log
        self._watch = watch

    def look(self) -> None:
        """Reloads if a file has changed; call it about once a second."""
        changed = [] if self._watch is None else self._watch.changed()
        if changed:
            self._log(f"{', '.join(changed)}: changed")
            self.reload()

    def reload(self) -> None:
        """Does it now."""
        if self._watch is not None:
            self._watch.note()
        config = self._reread()
        if config is not None:
            if self._watch is not None:
                self._watch.follow(files_of(config))
            try:
                self._take_up(config)
            except ConfigError as error:
                for problem in error.problems:
                    self._log(str(problem))
            except Exception as error:
                # A selector of somebody else's may fail in ways of its own.
                self._log(f"it can't be put to work: {error!r}")
            else:
                return
        self._log("not reloaded: what was at work stays at work")


def files_of(config: Config) -> Iterator[str]:
    """The files that a configuration names, and that are read when it is put to work."""
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
