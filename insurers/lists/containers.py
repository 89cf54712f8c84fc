"""Find the text in whatever was uploaded: a CSV, a workbook, either inside .gz or .zip.

The content says what a file is, never its name. Text and archives stream through here; workbooks
are opened by a process of its own (`insurers/lists/sheets.py`).
"""

import re
from collections.abc import Iterator

from insurers.lists import archives
from insurers.lists.archives import Growth, Source
from insurers.lists.problems import Refusal
from insurers.lists.refusal import FileRefusedError
from insurers.lists.sheets import SheetNotes, sheet_csv

_START_BYTES = 64
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


class Unpacked:
    """Iterates once over the bytes of a file's text, or raises FileRefusedError.

    The text of a workbook is UTF-8 CSV with a record for each row of the sheet, from row 1 on;
    `notes` on the sheet are complete after the iteration.
    """

    def __init__(
        self, content: Source, *, is_original: bool, notes: SheetNotes | None, growth: Growth
    ) -> None:
        self.is_original = is_original
        """Whether the text is the file as it is."""
        self.notes = notes
        self._content = content
        self._growth = growth

    def __iter__(self) -> Iterator[bytes]:
        if self.notes is not None:
            return sheet_csv(iter(self._content), self.notes, self._growth)
        return iter(self._content)


def unpack(chunks: Iterator[bytes]) -> Unpacked:
    """Return the text of an uploaded file, or raise FileRefusedError, then or during iteration.

    One wrapping, no more. `chunks` is never closed, so that whoever needs the rest can take it.
    """
    source = uploaded = Source(chunks)
    start = source.peek(_START_BYTES)
    unwrap = _wrapping(start)
    if unwrap is not None:
        source = Source(unwrap(source))
        start = source.peek(_START_BYTES)
        if _wrapping(start) is not None:
            raise FileRefusedError(Refusal.NESTED_ARCHIVE)
    is_workbook = start.startswith((archives.ZIP, _OLE))
    if _DOCUMENT.match(start):
        raise FileRefusedError(Refusal.NOT_CSV)
    return Unpacked(
        source,
        is_original=unwrap is None and not is_workbook,
        notes=SheetNotes() if is_workbook else None,
        growth=Growth(uploaded),
    )


def _wrapping(start: bytes) -> archives.Unwrap | None:
    if start.startswith(archives.GZIP):
        return archives.gunzipped
    if start.startswith(archives.ZIP_WITHOUT_FILE):
        raise FileRefusedError(Refusal.SEVERAL_FILES)
    if start.startswith(_OTHER_ARCHIVES):
        raise FileRefusedError(Refusal.ARCHIVE_NOT_READ)
    if start.startswith(archives.ZIP) and not _is_zipped_workbook(start):
        return archives.unzipped
    return None


def _is_zipped_workbook(start: bytes) -> bool:
    return archives.first_name(start).startswith(_WORKBOOK_ENTRIES)
