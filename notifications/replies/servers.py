"""Which servers keep a connection waiting: no other is opened to them meanwhile, by this process.

A server that takes connections and says nothing would else have all of them within a second, and
the answers of every other insurer would wait with its own.
"""

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock

SILENT_AFTER = 2.0  # seconds without an answer on any connection


@dataclass
class Servers:
    """The connections of all threads, by sender."""

    _open: Counter[str] = field(default_factory=Counter)
    _answered: dict[str, float] = field(default_factory=dict)
    _turn: Lock = field(default_factory=Lock)

    @contextmanager
    def connection(self, sender: str) -> Iterator[bool]:
        """Tell whether there may be one more: always a first, others while the server answers."""
        with self._turn:
            answered = self._answered.get(sender, float("-inf"))
            is_admitted = not self._open[sender] or time.monotonic() - answered < SILENT_AFTER
            self._open[sender] += is_admitted
        try:
            yield is_admitted
        finally:
            with self._turn:
                self._open[sender] -= is_admitted

    def note_answer(self, sender: str) -> None:
        """Note that a server said what became of a message."""
        with self._turn:
            self._answered[sender] = time.monotonic()
