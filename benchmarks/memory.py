"""How much memory the worker's processes hold while a list is read, and whether it grows."""

import threading
import time
from pathlib import Path
from types import TracebackType

from benchmarks.stage import children

INTERVAL = 0.2
FEWEST = 5
"""Samples of the second fifth without which nothing can be said."""


class MemoryWatch:
    """Samples the resident memory of a process's children, five times a second, for the block."""

    def __init__(self, parent: int) -> None:
        self._parent = parent
        self._samples: list[tuple[float, dict[int, int]]] = []
        self._started = time.monotonic()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> "MemoryWatch":
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        self._thread.join()

    @property
    def peak(self) -> int:
        """The most that one process held, in bytes."""
        return max((max(held.values(), default=0) for _at, held in self._samples), default=0)

    def fifths(self, *, until: float) -> tuple[float, float] | None:
        """Return the mean bytes of the process that grew most in the second and the last fifth.

        The time is that from the start of the block to `until` seconds after it: the reading,
        since workers rest while PostgreSQL finishes. None where it was too short.
        """
        second = self._means(0.2 * until, 0.4 * until)
        last = self._means(0.8 * until, until)
        if not second or not last:
            return None
        most = max(second.keys() & last.keys(), key=lambda pid: last[pid] / second[pid])
        return second[most], last[most]

    def _means(self, start: float, end: float) -> dict[int, float]:
        found = [held for at, held in self._samples if start <= at < end]
        always = set.intersection(*(set(held) for held in found)) if found else set()
        if len(found) < FEWEST:
            return {}
        return {pid: sum(held[pid] for held in found) / len(found) for pid in always}

    def _watch(self) -> None:
        while not self._over.wait(INTERVAL):
            self._samples.append((time.monotonic() - self._started, resident(self._parent)))


def resident(parent: int) -> dict[int, int]:
    """Return the resident bytes of each child of a process, by its number."""
    held = {}
    for pid in children(parent):
        for line in _lines(f"/proc/{pid}/status"):
            if line.startswith("VmRSS"):
                held[pid] = int(line.split()[1]) * 1024
    return held


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return []  # The process ended meanwhile.
