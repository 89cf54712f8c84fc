"""Have a workbook read by a process without keys, files or network, and choose its sheet.

The process is `sheet_child.py`; what it answers is taken for data, never for more.
"""

import contextlib
import fcntl
import json
import os
import resource
import select
import signal
import struct
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.conf import settings

from insurers.lists.headers import recognised
from insurers.lists.problems import Refusal
from insurers.lists.refusal import FileRefusedError

LARGEST_WORKBOOK = 512 * 1024**2
MOST_MEMORY = 1_200_000_000
# A title, or a row of data, hardly holds two names of columns.
FEWEST_HEADERS = 2

_CHILD = Path(__file__).with_name("sheet_child.py")
_HEAD = struct.Struct(">cI")
_LONGEST_MESSAGE = 256 * 1024**2
_WATCHED_EVERY_MS = 100
_PIPE_BYTES = 1024**2
_SET_PIPE_SIZE = 1031  # Linux's F_SETPIPE_SZ, which `fcntl` names from Python 3.10 on Linux only.

_REASONS = {
    "damaged": Refusal.WORKBOOK_DAMAGED,
    "empty": Refusal.EMPTY,
    "encrypted": Refusal.ENCRYPTED,
    "expanded": Refusal.EXPANDED_TOO_LARGE,
    "not_workbook": Refusal.NOT_CSV,
    "ratio": Refusal.COMPRESSION_RATIO,
    "too_large": Refusal.WORKBOOK_TOO_LARGE,
}
# Memory that is refused aborts, the kernel kills for memory, and time runs out.
_SIGNALS_OF_SIZE = (-signal.SIGABRT, -signal.SIGKILL, -signal.SIGXCPU)


@dataclass
class SheetNotes:
    """What is known of the sheet that was read, once it was; numbers are from 1."""

    sheet: int = 0
    header_row: int | None = None  # None where no header was recognised.
    hidden_rows: int = 0
    first_hidden_rows: list[int] = field(default_factory=list)
    hidden_columns: int | None = None  # None where the format does not tell.


def sheet_csv(chunks: Iterator[bytes], notes: SheetNotes) -> Iterator[bytes]:
    """Yield the CSV of a workbook's sheet, and fill in `notes`; or raise FileRefusedError.

    The sheet is the first that people see with recognised headers, else the first not empty.
    """
    child = _Child()
    try:
        child.give(chunks)
        yield from _sheet(child, notes)
    finally:
        child.stop()


def _sheet(child: "_Child", notes: SheetNotes) -> Iterator[bytes]:
    given = 0
    while True:
        letter, content = child.receive()
        if letter == b"H":
            notes.header_row = header_row(_parsed(content))
            if notes.header_row is None:
                child.send(b"N")
            else:
                child.send(b"T", str(notes.header_row).encode())
        elif letter == b"C":
            # A sheet may repeat one long text in every cell.
            given += len(content)
            if given > settings.EXPANDED_MAX_BYTES:
                raise FileRefusedError(Refusal.EXPANDED_TOO_LARGE)
            yield content
        elif letter == b"S":
            _note(notes, _parsed(content))
            return
        else:
            reason = _REASONS.get(content.decode("ascii", "replace"))
            raise FileRefusedError(reason or Refusal.WORKBOOK_DAMAGED)


def _parsed(content: bytes) -> Any:
    try:
        return json.loads(content)
    except ValueError as error:
        raise FileRefusedError(Refusal.WORKBOOK_DAMAGED) from error


def _note(notes: SheetNotes, known: dict[str, Any]) -> None:
    notes.sheet = int(known["sheet"])
    notes.hidden_rows = int(known["hidden_rows"])
    notes.first_hidden_rows = [int(number) for number in known["first_hidden_rows"]]
    columns = known["hidden_columns"]
    notes.hidden_columns = None if columns is None else int(columns)


def header_row(rows: list[list[str]]) -> int | None:
    """Return the number of the header among a sheet's first rows (from 1), or None.

    It is the row with the most recognised headers, at least two, and the first of such: titles
    stand above it, and a header of two rows is complete in its second.
    """
    counts = [recognised(row) for row in rows]
    most = max(counts, default=0)
    return counts.index(most) + 1 if most >= FEWEST_HEADERS else None


class _Child:
    """The process, its messages and its memory."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-I", str(_CHILD), str(settings.EXPANDED_MAX_BYTES)],
            env={},
            cwd="/",
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
        )
        assert self._process.stdin
        assert self._process.stdout
        self._in, self._out = self._process.stdin.fileno(), self._process.stdout.fileno()
        with contextlib.suppress(OSError):
            fcntl.fcntl(self._out, _SET_PIPE_SIZE, _PIPE_BYTES)
        self._poll = select.poll()
        self._poll.register(self._out, select.POLLIN)

    def give(self, chunks: Iterator[bytes]) -> None:
        """Send the workbook."""
        size = 0
        for chunk in chunks:
            size += len(chunk)
            if size > LARGEST_WORKBOOK:
                raise FileRefusedError(Refusal.WORKBOOK_TOO_LARGE)
            self.send(b"B", chunk)
        self.send(b"E")

    def send(self, letter: bytes, content: bytes = b"") -> None:
        """Send one message; a child that is gone tells why when it is listened to."""
        message = memoryview(_HEAD.pack(letter, len(content)) + content)
        with contextlib.suppress(BrokenPipeError):
            while message:
                message = message[os.write(self._in, message) :]

    def receive(self) -> tuple[bytes, bytes]:
        """Return the next message, or raise FileRefusedError where the child died."""
        letter, length = _HEAD.unpack(self._read(_HEAD.size))
        if length > _LONGEST_MESSAGE:
            raise FileRefusedError(Refusal.WORKBOOK_DAMAGED)
        return letter, self._read(length)

    def _read(self, count: int) -> bytes:
        content = bytearray()
        while len(content) < count:
            while not self._poll.poll(_WATCHED_EVERY_MS):
                self._watch_memory()
            piece = os.read(self._out, min(count - len(content), _PIPE_BYTES))
            if not piece:
                raise self._death()
            content += piece
        return bytes(content)

    def _watch_memory(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            pages = int(Path(f"/proc/{self._process.pid}/statm").read_text().split()[1])
            if pages * resource.getpagesize() > MOST_MEMORY:
                self._process.kill()

    def _death(self) -> FileRefusedError:
        is_size = self._process.wait() in _SIGNALS_OF_SIZE
        return FileRefusedError(Refusal.WORKBOOK_TOO_LARGE if is_size else Refusal.WORKBOOK_DAMAGED)

    def stop(self) -> None:
        """End the process, whatever it does."""
        with self._process:
            self._process.kill()
