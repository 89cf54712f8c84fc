"""Prepare a file for reading: what it is, its hash, its columns, and blocks to share out.

Whatever was uploaded ends as a *text* whose records can be found by counting quotes: the
upload itself where it is a regular CSV in an encoding of single bytes or UTF-8, else a copy
rewritten as UTF-8 CSV (RFC 4180), sealed piece by piece like the upload. Row numbers stay
those of the file.
"""

import contextlib
import csv
import hashlib
import io
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from insurers.lists.containers import unpack
from insurers.lists.cutting import Block, Cutter
from insurers.lists.encodings import EncodingFinder
from insurers.lists.headers import Layout
from insurers.lists.number_dates import Numbers
from insurers.lists.problems import Field, Refusal
from insurers.lists.reading import Header, Table, read_header
from insurers.lists.refusal import FileRefusedError
from insurers.lists.uploads import (
    ChunkWriter,
    clear_chunks,
    clear_pieces,
    erase_chunks,
    regular_text_id,
    text_id,
)
from insurers.models import AffectedList

CUT_IN_PLACE = ("utf-8", "utf-8-sig", "cp1252", "iso8859-15")


@dataclass(frozen=True)
class Text:
    """What is read block by block: sealed pieces of a CSV without surprises."""

    upload_id: UUID
    size_bytes: int
    encoding: str
    delimiter: str
    layout: Layout

    def to_json(self) -> dict[str, Any]:
        """Return what `AffectedList.text` keeps."""
        return {
            "upload_id": str(self.upload_id),
            "size_bytes": self.size_bytes,
            "encoding": self.encoding,
            "delimiter": self.delimiter,
            "columns": {field.value: place for field, place in self.layout.columns.items()},
            "width": self.layout.width,
            "numbers": self.layout.numbers,
        }

    @classmethod
    def from_json(cls, kept: dict[str, Any]) -> "Text":
        """Return the text that `AffectedList.text` describes."""
        columns = {Field(name): place for name, place in kept["columns"].items()}
        return cls(
            UUID(kept["upload_id"]),
            kept["size_bytes"],
            kept["encoding"],
            kept["delimiter"],
            Layout(columns, kept["width"], Numbers(kept.get("numbers", ""))),
        )


@dataclass
class Survey:
    """A text that can be cut: its header, and the blocks after it."""

    upload_id: UUID
    size_bytes: int
    encoding: str
    header: Header
    blocks: list[Block]


def survey_file(affected_list: AffectedList, *, rewrite: bool = False) -> Survey:
    """Read a list's upload once (worker only); its SHA-256 is set on the list, unsaved.

    `rewrite` has the text written again, whatever it looks like. Raises FileRefusedError, once
    the hash is known, and UploadDamagedError.
    """
    digest = hashlib.sha256()
    chunks = _one_ahead(_hashing(clear_chunks(affected_list), digest))
    try:
        source = _find_text(affected_list, chunks)
    except FileRefusedError:
        _keep_whole_hash(affected_list, chunks, digest)
        raise
    _keep_whole_hash(affected_list, chunks, digest)
    encoding = source.finder.encoding()
    blocks = source.cutter.close()
    if source.cutter.is_regular and encoding in CUT_IN_PLACE and not rewrite:
        start = next(clear_pieces(source.upload_id, 1))
        return _after_header(source.upload_id, source.size_bytes, encoding, start, blocks)
    pieces = clear_pieces(source.upload_id, source.chunk_count)
    return _rewritten(regular_text_id(affected_list.upload_id), pieces, encoding)


def _hashing(chunks: Iterator[bytes], digest: "hashlib._Hash") -> Iterator[bytes]:
    for chunk in chunks:
        digest.update(chunk)
        yield chunk


def _one_ahead(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Yield chunks, each opened and hashed by a thread while the one before is looked at."""
    with ThreadPoolExecutor(max_workers=1) as thread:
        following = thread.submit(next, chunks, b"")
        while chunk := following.result():
            following = thread.submit(next, chunks, b"")
            yield chunk


def _keep_whole_hash(
    affected_list: AffectedList, chunks: Iterator[bytes], digest: "hashlib._Hash"
) -> None:
    """Read what is left and keep the hash: that of the whole file or, if damaged, none."""
    for _rest in chunks:
        pass
    affected_list.sha256 = digest.digest()


@dataclass
class _Source:
    """The text of an upload, wherever its pieces are, and what was seen of it."""

    finder: EncodingFinder
    cutter: Cutter
    upload_id: UUID
    chunk_count: int
    size_bytes: int


def _find_text(affected_list: AffectedList, chunks: Iterator[bytes]) -> _Source:
    """Look at the text in an upload; what an archive or a workbook holds is sealed beside it."""
    unpacked = unpack(chunks)
    source = _Source(
        EncodingFinder(),
        Cutter(),
        affected_list.upload_id,
        affected_list.chunk_count,
        affected_list.size_bytes,
    )
    affected_list.hidden_rows, affected_list.first_hidden_rows = 0, []
    if unpacked.is_original:
        for piece in unpacked:
            source.finder.take(piece)
            source.cutter.take(piece)
        return source
    with _writing(text_id(affected_list.upload_id)) as writer:
        for piece in unpacked:
            source.finder.take(piece)
            source.cutter.take(piece)
            writer.write(piece)
        written = writer.close()
    source.upload_id, source.chunk_count = written.upload_id, written.chunk_count
    source.size_bytes = written.size_bytes
    if unpacked.notes is not None:
        affected_list.hidden_rows = unpacked.notes.hidden_rows
        affected_list.first_hidden_rows = unpacked.notes.first_hidden_rows
    return source


@contextlib.contextmanager
def _writing(name: UUID) -> Iterator[ChunkWriter]:
    """Write a copy anew; a killed attempt's pieces are replaced, a failed one's removed."""
    erase_chunks(name)
    writer = ChunkWriter(name)
    try:
        yield writer
    except BaseException:
        writer.discard()
        raise


def _after_header(
    upload_id: UUID, size_bytes: int, encoding: str, start: bytes, blocks: list[Block]
) -> Survey:
    header = read_header(start, encoding)
    first, *others = blocks
    records = first.records - header.records
    if records:
        others.insert(0, Block(header.end, first.end, first.first_row + header.records, records))
    return Survey(upload_id, size_bytes, encoding, header, others)


def _rewritten(name: UUID, pieces: Iterator[bytes], encoding: str) -> Survey:
    """Write a text again as regular CSV, sealed."""
    cutter = Cutter()
    start = b""
    with _writing(name) as writer:
        for piece in _regular_csv(pieces, encoding):
            start = start or piece
            writer.write(piece)
            cutter.take(piece)
        written = writer.close()
    blocks = cutter.close()
    if not cutter.is_regular:
        raise FileRefusedError(Refusal.READING_FAILED)
    return _after_header(name, written.size_bytes, "utf-8", start, blocks)


def _regular_csv(chunks: Iterator[bytes], encoding: str) -> Iterator[bytes]:
    """Yield the same records as RFC 4180 writes them; raise FileRefusedError."""
    table = Table(chunks, encoding=encoding)
    for records in _by_size(table.records()):
        text = io.StringIO(newline="")
        csv.writer(text, lineterminator="\n").writerows(records)
        yield text.getvalue().encode()


def _by_size(records: Iterable[list[str]]) -> Iterator[list[list[str]]]:
    some: list[list[str]] = []
    room = 2**20
    for cells in records:
        some.append(cells)
        room -= sum(map(len, cells))
        if room < 0 or len(some) == 10_000:
            yield some
            some, room = [], 2**20
    if some:
        yield some
