"""Find the text in whatever was uploaded: a CSV, a workbook, either inside .gz or .zip.

The content says what a file is, never its name. Text and gzip stream through here; zip
archives and workbooks are opened by a process of its own (`insurers/lists/sheets.py`).
"""

import zlib
from collections.abc import Iterator
from enum import Enum
from itertools import chain

from django.conf import settings

from insurers.lists.problems import Refusal
from insurers.lists.refusal import FileRefusedError
from insurers.lists.sheets import MOST_RATIO, Opened

PIECE = 2**20
SMALL = 10_000_000
_SIGNATURE_BYTES = 4


class Kind(Enum):
    """What the first bytes of a file say that it is."""

    TEXT = "text"
    GZIP = "gzip"
    ZIP = "zip"
    XLS = "xls"


_SIGNATURES = {
    Kind.GZIP: (b"\x1f\x8b",),
    Kind.ZIP: (b"PK\x03\x04", b"PK\x05\x06"),  # Archives, XLSX and ODS alike.
    Kind.XLS: (b"\xd0\xcf\x11\xe0",),
}


class Unpacked:
    """Iterates once over the bytes of a file's text, or raises FileRefusedError.

    The text of a workbook is UTF-8 CSV with a record for each row of the sheet. Its hidden
    rows, read like the others, are known after the iteration.
    """

    def __init__(self, chunks: Iterator[bytes], kind: Kind) -> None:
        self._chunks = chunks
        self.kind = kind
        self.hidden_rows = 0
        self.first_hidden_rows: list[int] = []

    @property
    def is_original(self) -> bool:
        """Whether the text is the file as it is."""
        return self.kind is Kind.TEXT

    def __iter__(self) -> Iterator[bytes]:
        if self.kind is not Kind.GZIP:
            return self._text_of(self._chunks, self.kind, is_inside=False)
        kind, chunks = _look(_gunzipped(self._chunks))
        if kind is Kind.GZIP:
            raise FileRefusedError(Refusal.NESTED_ARCHIVE)
        return self._text_of(chunks, kind, is_inside=True)

    def _text_of(self, chunks: Iterator[bytes], kind: Kind, *, is_inside: bool) -> Iterator[bytes]:
        if kind is Kind.TEXT:
            yield from chunks
            return
        opened = Opened(chunks, is_inside=is_inside)
        yield from opened
        self.hidden_rows = opened.hidden_rows
        self.first_hidden_rows = opened.first_hidden_rows


def unpack(chunks: Iterator[bytes]) -> Unpacked:
    """Return the text of an uploaded file; `chunks` is never closed, so that it can be drained."""
    kind, chunks = _look(chunks)
    return Unpacked(chunks, kind)


def _look(chunks: Iterator[bytes]) -> tuple[Kind, Iterator[bytes]]:
    start = b""
    for chunk in chunks:
        start += chunk
        if len(start) >= _SIGNATURE_BYTES:
            break
    signs = _SIGNATURES.items()
    found = next((kind for kind, sign in signs if start.startswith(sign)), Kind.TEXT)
    return found, chain([start] if start else [], chunks)


def _gunzipped(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Yield what one gzip file holds (RFC 1952: members may follow one another)."""
    taken = given = 0
    member = zlib.decompressobj(zlib.MAX_WBITS | 16)
    for chunk in chunks:
        taken += len(chunk)
        rest = chunk
        while rest:
            if member.eof:
                rest = rest.lstrip(b"\0")  # Padding of tapes.
                if not rest:
                    break
                member = zlib.decompressobj(zlib.MAX_WBITS | 16)
            try:
                piece = member.decompress(rest, PIECE)
            except zlib.error as error:
                raise FileRefusedError(Refusal.ARCHIVE_DAMAGED) from error
            given += len(piece)
            if given > min(settings.EXPANDED_MAX_BYTES, max(SMALL, MOST_RATIO * taken)):
                raise FileRefusedError(Refusal.EXPANDS_TOO_MUCH)
            if piece:
                yield piece
            rest = member.unused_data if member.eof else member.unconsumed_tail
    if not member.eof:
        raise FileRefusedError(Refusal.ARCHIVE_DAMAGED)
