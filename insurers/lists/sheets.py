"""Have workbooks and zip archives opened by a child process, and read the text it writes.

The child (`insurers/lists/sheet_child.py`) gets no environment, so no key, and cannot open
anything; whatever it dies of, the file is refused and the worker goes on.
"""

import contextlib
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.conf import settings

from insurers.lists.problems import Refusal
from insurers.lists.refusal import FileRefusedError

MOST_RATIO = 200
"""Times its size that a file may expand, beyond 10 MB: CSV and sheets reach 50."""
MOST_CELLS = 50_000_000
MOST_MEMORY = 1500 * 1024**2
"""Of address space: 1.2 GB of resident memory, for a million rows of ten cells."""
MOST_SECONDS = 600  # of processor time
_PIECE = 2**18
_CHILD = Path(__file__).with_name("sheet_child.py")
_TOO_BIG = {-signal.SIGABRT, -signal.SIGSEGV, -signal.SIGXCPU}  # as allocations that fail end


class Opened:
    """Iterates once over the text of a workbook or zip; the hidden rows are known afterwards."""

    def __init__(self, chunks: Iterator[bytes], *, is_inside: bool) -> None:
        self._chunks = chunks
        self._is_inside = is_inside
        self.hidden_rows = 0
        self.first_hidden_rows: list[int] = []

    def __iter__(self) -> Iterator[bytes]:
        with start_child(is_inside=self._is_inside) as child:
            try:
                _feed(child, self._chunks)
                yield from iter(lambda: child.stdout.read(_PIECE), b"")  # type: ignore[union-attr]
                said = child.stderr.read()  # type: ignore[union-attr]
                self._conclude(child.wait(), said)
            finally:
                child.kill()

    def _conclude(self, returned: int, said: bytes) -> None:
        lines = said.strip().splitlines()
        if returned or not lines:
            too_big = returned in _TOO_BIG
            raise FileRefusedError(Refusal.TOO_MANY_CELLS if too_big else Refusal.READING_FAILED)
        status: dict[str, Any] = json.loads(lines[-1])
        if "refusal" in status:
            raise FileRefusedError(Refusal(status["refusal"]))
        self.hidden_rows = status.get("hidden_rows", 0)
        self.first_hidden_rows = status.get("first_hidden_rows", [])


def start_child(*, is_inside: bool) -> "subprocess.Popen[bytes]":
    """Start the process that opens a file; `is_inside` says that the file was in an archive."""
    limits = {
        "archive": settings.SPREADSHEET_MAX_BYTES,
        "expanded": settings.EXPANDED_MAX_BYTES,
        "ratio": MOST_RATIO,
        "cells": MOST_CELLS,
        "memory": MOST_MEMORY,
        "cpu": MOST_SECONDS,
        "is_inside": is_inside,
    }
    return subprocess.Popen(
        [sys.executable, "-I", str(_CHILD), json.dumps(limits)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={"MALLOC_ARENA_MAX": "1"},
        cwd="/",
    )


def _feed(child: "subprocess.Popen[bytes]", chunks: Iterator[bytes]) -> None:
    """Give the child its file: it writes nothing before it has read all, so neither blocks."""
    assert child.stdin is not None
    with contextlib.suppress(BrokenPipeError):  # It ended early and says why.
        for chunk in chunks:
            child.stdin.write(chunk)
        child.stdin.close()
