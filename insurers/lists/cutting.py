"""Cut a text into blocks at the ends of records, so that several workers share one file.

A newline ends a record unless it stands between quotes (RFC 4180). Only the parity of the
quotes is followed here: a text whose quotes stand anywhere else than around cells is found
out, because a record gets too long or because a block, once parsed, has another number of
records; such a text is first rewritten (`insurers/lists/preparing.py`).
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from insurers.lists.reading import LONGEST_RECORD

BLOCK_BYTES = 2 * 1024**2 - LONGEST_RECORD  # so that two pieces of an upload make one
_NEWLINE = b"\n"
_LONGEST_BYTES = 4 * LONGEST_RECORD  # of the encodings in use, the widest takes 4 bytes a letter


@dataclass(frozen=True)
class Block:
    """Bytes [start, end) of a text: whole records, of which the first has this row number."""

    start: int
    end: int
    first_row: int
    records: int


class Ends(NamedTuple):
    """The newlines outside quotes in some bytes."""

    number: int
    last: int  # the place of the last one, -1 without any
    is_quoted: bool  # whether a quote is open after the bytes


def ends_of_records(piece: bytes, *, is_quoted: bool, newline: bytes = _NEWLINE) -> Ends:
    """Find where records end; `is_quoted` says whether a quote is open before the piece.

    Two quotes side by side close and open.
    """
    are_newlines = np.frombuffer(piece, np.uint8) == ord(newline)
    if b'"' not in piece:
        if is_quoted:
            return Ends(0, -1, is_quoted)
        return Ends(int(np.count_nonzero(are_newlines)), piece.rfind(newline), is_quoted)
    newlines = np.flatnonzero(are_newlines)
    quotes = np.flatnonzero(np.frombuffer(piece, np.uint8) == ord('"'))
    before = np.searchsorted(quotes, newlines) + is_quoted
    ends = newlines[before % 2 == 0]
    return Ends(len(ends), int(ends[-1]) if len(ends) else -1, bool((len(quotes) + is_quoted) % 2))


class Cutter:
    """Takes a text piece by piece; `blocks` are the parts between the borders found."""

    def __init__(self) -> None:
        self.blocks: list[Block] = []
        self.is_regular = True
        self._position = 0
        self._quoted = False
        self._block_start = 0
        self._block_row = 1
        self._border = 0  # after the last newline that ends a record
        self._row = 1  # of the record that starts at the border
        self._has_lone_return = False
        self._ends_with_return = False

    def take(self, piece: bytes) -> None:
        """Look for the ends of records in the next bytes."""
        if not self.is_regular or not piece:
            return
        self._look_for_lone_returns(piece)
        ended, last, self._quoted = ends_of_records(piece, is_quoted=self._quoted)
        if ended:
            self._row += ended
            self._border = self._position + last + 1
            if self._border - self._block_start >= BLOCK_BYTES:
                self._cut()
        self._position += len(piece)
        if self._position - self._border > _LONGEST_BYTES or self._has_lone_return:
            self.is_regular = False

    def close(self) -> list[Block]:
        """Return the blocks, the last of which may end without a newline."""
        if self._quoted or self._ends_with_return:
            self.is_regular = False
        if self._position > self._border:
            self._border = self._position
            self._row += 1
        if self._border > self._block_start:
            self._cut()
        return self.blocks

    def _cut(self) -> None:
        records = self._row - self._block_row
        self.blocks.append(Block(self._block_start, self._border, self._block_row, records))
        self._block_start, self._block_row = self._border, self._row

    def _look_for_lone_returns(self, piece: bytes) -> None:
        """Note an end of line of old Macintoshes: a return that no newline follows."""
        if self._ends_with_return and not piece.startswith(_NEWLINE):
            self._has_lone_return = True
        self._ends_with_return = piece.endswith(b"\r")
        if b"\r" not in piece:
            return
        returns = piece.count(b"\r")
        if returns - self._ends_with_return != piece.count(b"\r\n"):
            self._has_lone_return = True
