"""Find out what an upload is by its content, never by its name, and get at the text inside.

A text, a workbook (XLSX, XLSB, XLS, ODS), or one of them inside a gzip file or a zip: one level,
no more. Nothing is held but a chunk; a workbook's bytes go to the process that reads it.
"""

import enum
import re
from collections.abc import Iterator

from django.conf import settings

from insurers.lists import archives
from insurers.lists.archives import Source
from insurers.lists.problems import Refusal
from insurers.lists.refusal import FileRefusedError
from insurers.lists.workbooks import SheetNotes, sheet_csv


class Kind(enum.StrEnum):
    """What holds the rows."""

    TEXT = "text"
    WORKBOOK = "workbook"


class Wrapping(enum.StrEnum):
    """What holds the text or workbook."""

    NONE = ""
    GZIP = "gzip"
    ZIP = "zip"


class Unpacked:
    """The clear bytes of a text, to go through once.

    A workbook gives UTF-8 CSV: `,`, quotes as in RFC 4180, `\\n` after each record, a record for
    each row of the sheet from its first to its last that is not blank. Blank rows, and what
    stands above the header, are records of empty cells: a record's number is the row's.
    `notes`, of a workbook, are known after the last byte.
    """

    def __init__(self, kind: Kind, wrapping: Wrapping, content: Source) -> None:
        self.kind = kind
        self.wrapping = wrapping
        self.notes: SheetNotes | None = SheetNotes() if kind == Kind.WORKBOOK else None
        self._content = content

    @property
    def is_original(self) -> bool:
        """Say whether the bytes are those of the upload."""
        return self.kind == Kind.TEXT and self.wrapping == Wrapping.NONE

    def __iter__(self) -> Iterator[bytes]:
        if self.notes is not None:
            return sheet_csv(iter(self._content), self.notes)
        return iter(self._content)


def unpack(chunks: Iterator[bytes]) -> Unpacked:
    """Return what an upload holds, or raise FileRefusedError, then or while it is gone through.

    Not every byte of `chunks` has been taken once that raises; who needs them all takes the rest.
    """
    source = Source(_bounded(chunks))
    start = source.peek(_START_BYTES)
    wrapping = _wrapping(start)
    if wrapping == Wrapping.GZIP:
        source = Source(archives.gunzipped(source))
    elif wrapping == Wrapping.ZIP:
        source = Source(archives.unzipped(source))
    if wrapping != Wrapping.NONE:
        start = source.peek(_START_BYTES)
        if _wrapping(start) != Wrapping.NONE:
            raise FileRefusedError(Refusal.ARCHIVE_NESTED)
    return Unpacked(_kind(start), wrapping, source)


def _bounded(chunks: Iterator[bytes]) -> Iterator[bytes]:
    size = 0
    for chunk in chunks:
        size += len(chunk)
        if size > settings.UPLOAD_MAX_BYTES:
            raise FileRefusedError(Refusal.UPLOAD_TOO_LARGE)
        yield chunk


_START_BYTES = 4096
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
# What the zip of a workbook begins with, in the order that each program writes it.
_WORKBOOK_ENTRIES = (
    b"[Content_Types].xml", b"_rels/", b"xl/", b"docProps/", b"customXml/", b"word/", b"ppt/",
    b"mimetype", b"META-INF/", b"content.xml", b"meta.xml", b"styles.xml", b"settings.xml",
    b"Thumbnails/", b"Configurations2/",
)  # fmt: skip
_OTHER_ARCHIVES = (
    b"7z\xbc\xaf\x27\x1c", b"Rar!\x1a\x07", b"\xfd7zXZ\0", b"BZh", b"\x28\xb5\x2f\xfd",
    b"PK\x07\x08", b"PK00",
)  # fmt: skip
# A web page or XML under a spreadsheet's name is common; programs open it as one.
_DOCUMENT = re.compile(
    rb"%PDF|\{\\rtf|\x89PNG|\xff\xd8\xff|GIF8|(?:\xef\xbb\xbf)?\s*<[!?a-zA-Z]", re.ASCII
)


def _wrapping(start: bytes) -> Wrapping:
    if start.startswith(archives.GZIP):
        return Wrapping.GZIP
    if start.startswith(archives.ZIP_WITHOUT_FILE):
        raise FileRefusedError(Refusal.ARCHIVE_EMPTY)
    if start.startswith(_OTHER_ARCHIVES):
        raise FileRefusedError(Refusal.ARCHIVE_NOT_READ)
    if start.startswith(archives.ZIP) and not _is_zipped_workbook(start):
        return Wrapping.ZIP
    return Wrapping.NONE


def _is_zipped_workbook(start: bytes) -> bool:
    return archives.first_name(start).startswith(_WORKBOOK_ENTRIES)


def _kind(start: bytes) -> Kind:
    if start.startswith((archives.ZIP, _OLE)):
        return Kind.WORKBOOK
    if _DOCUMENT.match(start):
        raise FileRefusedError(Refusal.NOT_CSV)
    return Kind.TEXT
