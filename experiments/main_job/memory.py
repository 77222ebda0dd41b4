"""The largest process of a job, watched while it runs."""

from __future__ import annotations

import threading
from types import TracebackType

import psutil

_MIB = 1024.0 * 1024.0


class MemoryWatch:
    """Samples the resident memory of this process and all it started; keeps the largest."""

    def __init__(self, every_seconds: float = 0.5) -> None:
        self.peak_mib = 0.0
        self._every = every_seconds
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> MemoryWatch:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        me = psutil.Process()
        while True:
            for process in [me, *me.children(recursive=True)]:
                try:
                    memory = process.memory_info()
                except psutil.Error:
                    continue
                # Shared pages, such as Ray's object store, are nobody's own.
                own = memory.rss - getattr(memory, "shared", 0)
                self.peak_mib = max(self.peak_mib, own / _MIB)
            if self._stop.wait(self._every):
                return
