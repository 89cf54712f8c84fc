"""Find the encoding of a text in one pass, in constant memory, and place what cannot be read.

In this order: a mark; UTF-16 without a mark (every other byte is NUL); strict UTF-8; else a byte
is a letter, in Windows-1252 or ISO-8859-15. The last two differ in two ways. Bytes 80 to 9F are
signs of Windows-1252 (« €, œ, ’ ») and unused controls in ISO-8859-15, so a single one tells
Windows-1252. Eight bytes are signs that names never hold in Windows-1252 (¤ ¦ ¨ ´ ¸ ¼ ½ ¾) and
letters in ISO-8859-15 (€ Š š Ž ž Œ œ Ÿ), so one of them where a letter stands tells ISO-8859-15.

A text with letters of several bytes before its first fault is UTF-8 that was cut or damaged:
taken for Windows-1252, every accent in it would be wrong.

CP850 is what DOS programs wrote and some mainframe exports still do. Its é is byte 82, a low quote
in Windows-1252, which no name holds after a letter; and it has no letter of lower case where
Windows-1252 has à, ç, è, é and ê. A text with the first and none of the second is CP850; a text
with both stays Windows-1252, where a low quote may stand for a comma. CP437 differs from CP850 in
signs alone, its letters of French being at the same places but À, È, Ê and others in capitals,
which it does not have. A text with capitals only may have no é: its É is byte 90, undefined in
Windows-1252, where it is refused by its place rather than guessed (Mac Roman has ê there).
"""

import codecs
import csv
import re

from insurers.lists.cutting import Ends, ends_of_records
from insurers.lists.problems import Refusal
from insurers.lists.refusal import FileRefusedError

# What is looked at before judging, and kept to find the start of a record again.
SAMPLE_BYTES = 4096
KEPT_BYTES = 64 * 1024

_UTF_16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


class EncodingFinder:
    """Takes a text chunk by chunk; `encoding` then names its encoding for Python's codecs."""

    def __init__(self) -> None:
        self._sample: bytes | None = b""
        self._judge: _Letters | _Utf16 = _Letters(_Position(b""), is_marked=False)

    def take(self, chunk: bytes) -> None:
        """Take the next bytes of the text."""
        if self._sample is None:
            self._judge.take(chunk)
            return
        self._sample += chunk
        if len(self._sample) >= SAMPLE_BYTES:
            self._begin(self._sample)

    def encoding(self) -> str:
        """Return what Python calls it, among the `utf-8`, `utf-16`, and `cp1252` families.

        Raises FileRefusedError: empty, NUL bytes or undecodable, with the row (a record of the
        file, from 1) and the column (`#n`) of the first byte at fault.
        """
        if self._sample is not None:
            if not self._sample:
                raise FileRefusedError(Refusal.EMPTY)
            self._begin(self._sample)
        return self._judge.encoding()

    def _begin(self, sample: bytes) -> None:
        self._sample = None
        codec = _utf_16(sample)
        if codec is not None:
            self._judge = _Utf16(codec)
        else:
            is_marked = sample.startswith(codecs.BOM_UTF8)
            self._judge = _Letters(_Position(sample), is_marked=is_marked)
        self._judge.take(sample)


def _utf_16(sample: bytes) -> str | None:
    if sample.startswith(_UTF_16_MARKS):
        return "utf-16"
    pairs = len(sample) // 2
    first, second = sample[0 : pairs * 2 : 2].count(0), sample[1::2].count(0)
    if second * 2 > pairs and first * 10 < second:
        return "utf-16-le"
    if first * 2 > pairs and second * 10 < first:
        return "utf-16-be"
    return None


def _deleting_all_but(kept: bytes) -> bytes:
    return bytes(set(range(256)) - set(kept))


_UNDEFINED = b"\x81\x8d\x8f\x90\x9d"
_NOT_UNDEFINED = _deleting_all_but(_UNDEFINED)
_NOT_SIGNS = _deleting_all_but(bytes(range(0x80, 0xA0)))
_NOT_TELLING = _deleting_all_but(b"\xa4\xa6\xa8\xb4\xb8\xbc\xbd\xbe")
_NOT_WINDOWS_LETTERS = _deleting_all_but(b"\xe0\xe7\xe8\xe9\xea")
# Nobody writes ¤, so A4 is the euro sign anywhere. The acute accent serves as an apostrophe
# (« D´Artagnan »), so B4 is Ž only where it begins a word.
_ISO_8859_15 = re.compile(
    rb"\xa4|[A-Za-z\xc0-\xff][\xa6\xa8\xb8\xbc-\xbe]|[\xa6\xa8\xb8\xbc-\xbe][A-Za-z\xc0-\xff]"
    rb"|(?<![A-Za-z\xc0-\xff])\xb4[a-z]"
)
_CP850 = re.compile(rb"[a-z]\x82|[A-Z]\x82[a-z]")
_NOT_CP850 = re.compile(rb"[a-z][\xe0\xe7-\xea]|[\xe0\xe7-\xea][a-z]")


class _Letters:
    """UTF-8 until a byte says otherwise, then one byte a letter."""

    def __init__(self, position: "_Position", *, is_marked: bool) -> None:
        self._position = position
        self._is_marked = is_marked
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._pending = b""  # The start of a letter that the next chunk ends.
        self._has_letters = False
        self._is_single = False
        self._has_signs = False
        self._has_iso_letters = False
        self._has_dos_letters = False
        self._has_windows_letters = False
        self._last = b""
        self._undefined: FileRefusedError | None = None
        self._refusal: FileRefusedError | None = None

    def take(self, chunk: bytes) -> None:
        if self._refusal is not None:
            return
        if b"\0" in chunk:
            self._refuse(Refusal.NUL_BYTES, chunk[: chunk.index(0)])
        elif self._is_single:
            self._take_single(chunk, chunk)
        elif self._pending or not chunk.isascii():
            self._decode(chunk)
        self._position.move(chunk)

    def encoding(self) -> str:
        if self._refusal is None and self._pending:
            self._decode(b"", final=True)
        if self._refusal is not None:
            raise self._refusal
        if not self._is_single:
            return "utf-8-sig" if self._is_marked else "utf-8"
        if self._has_dos_letters and not self._has_windows_letters:
            return "cp850"
        if self._undefined is not None:
            raise self._undefined
        return "iso8859-15" if self._has_iso_letters and not self._has_signs else "cp1252"

    def _decode(self, chunk: bytes, *, final: bool = False) -> None:
        try:
            text = self._decoder.decode(chunk, final)
        except UnicodeDecodeError as error:
            self._leave_utf_8(chunk, error)
            return
        self._has_letters = self._has_letters or not text.isascii()
        self._pending = self._decoder.getstate()[0]

    def _leave_utf_8(self, chunk: bytes, error: UnicodeDecodeError) -> None:
        content, place = error.object, error.start
        has_letters = self._has_letters or not content[:place].isascii()
        if self._is_marked or has_letters:
            before = chunk[: max(0, place - len(self._pending))]
            self._refuse(Refusal.UNDECODABLE, before)
            return
        self._is_single = True
        self._take_single(content, chunk)
        self._pending = b""

    def _take_single(self, content: bytes, chunk: bytes) -> None:
        """Judge bytes as letters; `content` is the chunk, after what was pending before it."""
        if self._undefined is None and (undefined := content.translate(None, _NOT_UNDEFINED)):
            place = content.index(undefined[:1]) - (len(content) - len(chunk))
            before = chunk[: max(0, place)]
            self._undefined = self._position.refusal(Refusal.UNDECODABLE, before)
        seen = self._last + content
        self._last = seen[-2:]
        if not self._has_signs:
            self._has_signs = bool(content.translate(None, _NOT_SIGNS))
        if not self._has_iso_letters and seen.translate(None, _NOT_TELLING):
            self._has_iso_letters = bool(_ISO_8859_15.search(seen))
        if not self._has_dos_letters and b"\x82" in seen:
            self._has_dos_letters = bool(_CP850.search(seen))
        if not self._has_windows_letters and seen.translate(None, _NOT_WINDOWS_LETTERS):
            self._has_windows_letters = bool(_NOT_CP850.search(seen))

    def _refuse(self, code: Refusal, before: bytes) -> None:
        self._refusal = self._position.refusal(code, before)


class _Utf16:
    """UTF-16, with its mark or without."""

    def __init__(self, codec: str) -> None:
        self._codec = codec
        self._decoder = codecs.getincrementaldecoder(codec)()
        self._position: _Position | None = None
        self._refusal: FileRefusedError | None = None

    def take(self, chunk: bytes, *, final: bool = False) -> None:
        if self._refusal is not None:
            return
        code = Refusal.UNDECODABLE
        is_whole = True
        try:
            text = self._decoder.decode(chunk, final)
        except UnicodeDecodeError as error:
            is_whole = False
            text = error.object[: error.start].decode(error.encoding)
        if "\0" in text:
            code, is_whole = Refusal.NUL_BYTES, False
            text = text[: text.index("\0")]
        content = text.encode()
        self._position = self._position or _Position(content)
        if is_whole:
            self._position.move(content)
        else:
            self._refusal = self._position.refusal(code, content)

    def encoding(self) -> str:
        self.take(b"", final=True)
        if self._refusal is not None:
            raise self._refusal
        return self._codec


class _Position:
    """Counts the records that have passed, and keeps the last bytes: a fault has a place."""

    def __init__(self, start: bytes) -> None:
        start = start[:KEPT_BYTES]
        self._newline = b"\r" if b"\r" in start and b"\n" not in start else b"\n"
        lines = start.lstrip(b"\xef\xbb\xbf\r\n ").splitlines() or [b""]
        self._delimiter = max((b";", b",", b"\t", b"|"), key=lines[0].count)
        self._records = 0
        self._is_quoted = False
        self._kept = b""

    def move(self, content: bytes) -> None:
        """Let some bytes pass."""
        ended, _last, self._is_quoted = self._ends(content)
        self._records += ended
        before = b"" if len(content) >= KEPT_BYTES else self._kept
        self._kept = (before + content)[-KEPT_BYTES:]

    def refusal(self, code: Refusal, before: bytes) -> FileRefusedError:
        """Refuse the file for what stands after `before`, the bytes that would pass next."""
        ended, _last, is_quoted = self._ends(before)
        record = self._last_record(self._kept + before, is_quoted)
        column = f"#{self._cells(record)}"
        return FileRefusedError(code, row=self._records + ended + 1, column=column)

    def _ends(self, content: bytes) -> Ends:
        return ends_of_records(content, is_quoted=self._is_quoted, newline=self._newline)

    def _last_record(self, content: bytes, is_quoted: bool) -> bytes:
        end = len(content)
        while (start := content.rfind(self._newline, 0, end)) >= 0:
            is_quoted ^= content.count(b'"', start, end) % 2 == 1
            if not is_quoted:
                break
            end = start
        return content[start + 1 :]

    def _cells(self, record: bytes) -> int:
        """Return how many cells the beginning of a record has."""
        delimiter = self._delimiter
        try:
            # Any codec of single bytes: only delimiters and quotes matter.
            rows = csv.reader([record.decode("latin-1")], delimiter=delimiter.decode())
            return max(1, len(next(rows, [])))
        except csv.Error:
            return record.count(delimiter) + 1
