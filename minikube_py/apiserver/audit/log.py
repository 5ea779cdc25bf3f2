"""Where audit events go: a file with a line of JSON each, moved aside when it is large, or standard output."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO

from minikube_py.daemon import logs
from minikube_py.daemon.clock import Clock

log = logs.get("apiserver.audit")

MEGABYTE = 1024 * 1024


class AuditLog:
    """Every event is with the system before `write` returns; a full disk loses events, and the daemon's log says so.

    `max_size` in megabytes; `max_backups` and `max_age` (days) limit what is kept of the files moved aside, 0: no
    limit. Old files are named `<stem>-<time><suffix>` as kube-apiserver names them.
    """

    def __init__(self, path: str, clock: Clock, *, max_size: int = 100, max_backups: int = 0, max_age: int = 0) -> None:
        self._path = None if path == "-" else Path(path)
        self._clock = clock
        self._limit, self._max_backups, self._max_age = max_size * MEGABYTE, max_backups, max_age
        self._file, self._size = self._open()

    def _open(self) -> tuple[BinaryIO, int]:
        """Raises OSError."""
        if self._path is None:
            return sys.stdout.buffer, 0
        self._path.parent.mkdir(parents=True, exist_ok=True)
        file = open(self._path, "ab", buffering=0)  # noqa: SIM115 - it stays open
        self._path.chmod(0o600)
        return file, self._path.stat().st_size

    def write(self, line: bytes) -> None:
        """Append an event, which ends with a newline."""
        try:
            if self._path is not None and self._size and self._size + len(line) > self._limit:
                self._rotate(self._path)
            self._file.write(line)
            if self._path is None:
                self._file.flush()
        except OSError as error:
            log.error("an audit event could not be written", error=error)
            return
        self._size += len(line)

    def _rotate(self, path: Path) -> None:
        self._file.close()
        stamp = self._clock.now().strftime("%Y-%m-%dT%H-%M-%S.%f")[:-3]
        path.rename(path.with_name(f"{path.stem}-{stamp}{path.suffix}"))
        self._file, self._size = self._open()
        self._forget(path)

    def _forget(self, path: Path) -> None:
        old = sorted(path.parent.glob(f"{path.stem}-????-??-??T*{path.suffix}"), reverse=True)
        if self._max_backups:
            for gone in old[self._max_backups :]:
                gone.unlink(missing_ok=True)
            old = old[: self._max_backups]
        if self._max_age:
            oldest = self._clock.now() - timedelta(days=self._max_age)
            for one in old:
                text = one.name[len(path.stem) + 1 : len(one.name) - len(path.suffix)]
                if datetime.strptime(text, "%Y-%m-%dT%H-%M-%S.%f").replace(tzinfo=UTC) < oldest:
                    one.unlink(missing_ok=True)

    def close(self) -> None:
        if self._path is not None:
            self._file.close()
