"""Have a workbook read by a process without keys, files or network, and choose its sheet.

The process is `sheet_child.py`; what it answers is taken for data, never for more. Whatever it
dies of, the file is refused and the worker goes on.
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

from insurers.lists.archives import Growth
from insurers.lists.headers import SURE_HEADERS, field_of, recognised
from insurers.lists.problems import Field, Refusal
from insurers.lists.refusal import FileRefusedError

MOST_MEMORY = 1_200_000_000
"""Bytes of resident memory of the process: over a million rows of ten cells."""
_MARGIN = 30_000_000  # bytes: what it may take between two looks

_CHILD = Path(__file__).with_name("sheet_child.py")
_HEAD = struct.Struct(">cI")
_LONGEST_MESSAGE = 32 * 1024**2  # The first rows of a sheet, in JSON.
_MOST_BORDERS = 100_000_000  # twice the cells that fit in the child's memory
_WATCHED_EVERY_MS = 10
_PIPE_BYTES = 1024**2
_SET_PIPE_SIZE = 1031  # Linux's F_SETPIPE_SZ.

_REASONS = {
    "damaged": Refusal.ARCHIVE_DAMAGED,
    "dates_1904": Refusal.DATES_SINCE_1904,
    "empty": Refusal.NO_SHEET,
    "encrypted": Refusal.ENCRYPTED,
    "expands": Refusal.EXPANDS_TOO_MUCH,
    "not_workbook": Refusal.NOT_CSV,
    "too_large": Refusal.TOO_MANY_CELLS,
}
# Memory that the kernel declines aborts; time runs out.
_TOO_LARGE = (-signal.SIGABRT, -signal.SIGXCPU)


@dataclass
class SheetNotes:
    """What is known of the sheet that was read, once it was; rows count from 1."""

    hidden_rows: int = 0
    first_hidden_rows: list[int] = field(default_factory=list)


def sheet_csv(chunks: Iterator[bytes], notes: SheetNotes, growth: Growth) -> Iterator[bytes]:
    """Yield the CSV of a workbook's sheet, and fill in `notes`; or raise FileRefusedError.

    `growth` bounds the CSV, whatever the workbook says of its parts. The sheet is the first that
    people see with recognised headers, else the first not empty.
    """
    child = _Child()
    try:
        child.give(chunks)
        yield from _sheet(child, notes, growth)
    finally:
        child.stop()


def _sheet(child: "_Child", notes: SheetNotes, growth: Growth) -> Iterator[bytes]:
    borders = 0
    while True:
        letter, content = child.receive()
        if letter == b"H":
            rows = _parsed(content)
            number = header_row(rows)
            if number is None:
                child.send(b"N")
            else:
                days = _days(rows[number - 1])
                child.send(b"T", json.dumps({"header_row": number, "days": days}).encode())
        elif letter == b"C":
            # One long text may stand in every cell; and one cell far down makes a million blank
            # rows, which are borders alone.
            texts = len(content.translate(None, b",\n"))
            growth.add(texts)
            borders += len(content) - texts
            if borders > _MOST_BORDERS:
                raise FileRefusedError(Refusal.TOO_MANY_CELLS)
            yield content
        elif letter == b"S":
            known = _parsed(content)
            notes.hidden_rows = int(known["hidden_rows"])
            notes.first_hidden_rows = [int(number) for number in known["first_hidden_rows"]]
            return
        else:
            reason = _REASONS.get(content.decode("ascii", "replace"))
            raise FileRefusedError(reason or Refusal.READING_FAILED)


def _parsed(content: bytes) -> Any:
    try:
        return json.loads(content)
    except ValueError as error:
        raise FileRefusedError(Refusal.READING_FAILED) from error


def header_row(rows: list[list[str]]) -> int | None:
    """Return the number of the header among a sheet's first rows (from 1), or None.

    It is the row with the most recognised headers, at least two, and the first of such: titles
    stand above it, and a header of two rows is complete in its second.
    """
    counts = [recognised(row) for row in rows]
    most = max(counts, default=0)
    return counts.index(most) + 1 if most >= SURE_HEADERS else None


def _days(header: list[str]) -> list[int]:
    """Return the places of the columns whose numbers count days."""
    return [place for place, name in enumerate(header) if field_of(name) == Field.BIRTH_DATE]


class _Child:
    """The process, its messages and its memory."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-I", str(_CHILD), str(settings.EXPANDED_MAX_BYTES)],
            env={"MALLOC_ARENA_MAX": "1"},
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
        self._is_too_large = False

    def give(self, chunks: Iterator[bytes]) -> None:
        """Send the workbook."""
        size = 0
        for chunk in chunks:
            size += len(chunk)
            if size > settings.SPREADSHEET_MAX_BYTES:
                raise FileRefusedError(Refusal.TOO_MANY_CELLS)
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
            raise FileRefusedError(Refusal.READING_FAILED)
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
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            pages = int(Path(f"/proc/{self._process.pid}/statm").read_text().split()[1])
            if pages * resource.getpagesize() > MOST_MEMORY - _MARGIN:
                self._is_too_large = True
                self._process.kill()

    def _death(self) -> FileRefusedError:
        too_large = self._process.wait() in _TOO_LARGE or self._is_too_large
        return FileRefusedError(Refusal.TOO_MANY_CELLS if too_large else Refusal.READING_FAILED)

    def stop(self) -> None:
        """End the process, whatever it does."""
        with self._process:
            self._process.kill()
