"""Open gzip and zip while they stream in: constant memory, and no more than a bound comes out.

A zip is read from its local headers (APPNOTE.TXT 4.3), since its directory comes last; the
directory is checked at the end. It holds one file, folders and what macOS adds aside. Sizes may
be those of zip64, or follow the file (a zip written to a pipe). Other methods than deflate, such
as Deflate64, which Windows uses above 2 GB, are refused with a way on.
"""

import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from django.conf import settings

from insurers.lists.problems import Refusal
from insurers.lists.refusal import FileRefusedError

PIECE_BYTES = 1024**2
# CSV and sheets reach 50; a small file may compress better, by chance.
HIGHEST_RATIO = 200
RATIO_FROM_BYTES = 10 * 1024**2

# A member costs as much time as reading 50 KB. Programs that cut a file into many (bgzip) put
# more into each; beyond a thousand, members that are smaller are made to cost time.
MEMBERS_OF_ANY_SIZE = 1000
SMALLEST_MEMBER_BYTES = 512

GZIP = b"\x1f\x8b"
ZIP = b"PK\x03\x04"
ZIP_WITHOUT_FILE = b"PK\x05\x06"


class Source:
    """Chunks read by the number of bytes that are wanted; `taken` counts what has come in."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._rest = b""
        self.taken = 0

    def peek(self, count: int) -> bytes:
        """Return up to `count` next bytes, which stay."""
        while len(self._rest) < count and (chunk := self._next()):
            self._rest += chunk
        return self._rest[:count]

    def take(self, count: int) -> bytes:
        """Return exactly the next `count` bytes, or refuse an archive that ends before."""
        content = self.peek(count)
        if len(content) < count:
            raise damaged()
        self._rest = self._rest[count:]
        return content

    def some(self) -> bytes:
        """Return the next bytes, as many as are at hand; none at the end."""
        content, self._rest = self._rest, b""
        return content or self._next()

    def give_back(self, content: bytes) -> None:
        self._rest = content + self._rest

    def __iter__(self) -> Iterator[bytes]:
        while content := self.some():
            yield content

    def _next(self) -> bytes:
        chunk = next((chunk for chunk in self._chunks if chunk), b"")
        self.taken += len(chunk)
        return chunk


Unwrap = Callable[[Source], Iterator[bytes]]


def damaged() -> FileRefusedError:
    """Return the refusal of an archive that is cut or changed."""
    return FileRefusedError(Refusal.ARCHIVE_DAMAGED)


class Growth:
    """Refuses an archive or a workbook once too much comes out of what was `taken`."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._given = 0

    def add(self, count: int) -> None:
        """Count bytes that came out, or raise FileRefusedError."""
        self._given += count
        most = max(RATIO_FROM_BYTES, HIGHEST_RATIO * self._source.taken)
        if self._given > min(most, settings.EXPANDED_MAX_BYTES):
            raise FileRefusedError(Refusal.EXPANDS_TOO_MUCH)


def _inflated(source: Source, window: int, growth: Growth) -> Iterator[bytes]:
    """Yield what one deflated stream holds; what follows it stays in the source."""
    inflater = zlib.decompressobj(window)
    content = piece = b""
    while not inflater.eof:
        # A full piece may not be all that the content so far gives.
        if not content and len(piece) < PIECE_BYTES:
            content = source.some()
            if not content:
                raise damaged()
        try:
            piece = inflater.decompress(content, PIECE_BYTES)
        except zlib.error as error:
            raise damaged() from error
        content = inflater.unconsumed_tail
        growth.add(len(piece))
        if piece:
            yield piece
    source.give_back(inflater.unused_data)


def gunzipped(source: Source) -> Iterator[bytes]:
    """Yield what a gzip file holds (RFC 1952: it may have several members)."""
    growth = Growth(source)
    members = 0
    while source.peek(2) == GZIP:
        members += 1
        if members > MEMBERS_OF_ANY_SIZE + source.taken // SMALLEST_MEMBER_BYTES:
            raise FileRefusedError(Refusal.TOO_MANY_PARTS)
        yield from _inflated(source, 16 + zlib.MAX_WBITS, growth)
    # Tapes and some programs fill up with zeros.
    for rest in source:
        if rest.strip(b"\0"):
            raise damaged()


_LOCAL_HEADER = struct.Struct("<4sHHHHHIIIHH")
_IS_ENCRYPTED, _HAS_DESCRIPTOR = 0x1, 0x8
_STORED, _DEFLATED = 0, 8
_IN_ZIP64 = 0xFFFFFFFF
_MOST_ENTRIES = 1000
_LONGEST_DIRECTORY = 1024**2


@dataclass(frozen=True)
class _Entry:
    name: bytes
    flags: int
    method: int
    checksum: int
    packed_size: int
    size: int

    def is_beside(self) -> bool:
        """Say whether it is a folder, or what macOS adds to every zip."""
        last = self.name.rsplit(b"/", 1)[-1]
        return not last or self.name.startswith(b"__MACOSX/") or last == b".DS_Store"


def first_name(start: bytes) -> bytes:
    """Return the name of a zip's first entry, from the zip's beginning."""
    if len(start) < _LOCAL_HEADER.size:
        return b""
    length = _LOCAL_HEADER.unpack_from(start)[9]
    return start[_LOCAL_HEADER.size : _LOCAL_HEADER.size + length]


def unzipped(source: Source) -> Iterator[bytes]:
    """Yield what the only file of a zip holds; the directory is checked after the last byte."""
    growth = Growth(source)
    entries = files = 0
    while source.peek(4) == ZIP:
        entry = _read_entry(source)
        content = _content(source, entry, growth)
        entries += 1
        if entry.is_beside():
            for _piece in content:
                pass
        else:
            files += 1
            if files == 1:
                yield from content
        if files > 1 or entries > _MOST_ENTRIES:
            raise FileRefusedError(Refusal.SEVERAL_FILES)
    _check_directory(source, entries)
    if not files:
        raise FileRefusedError(Refusal.SEVERAL_FILES)


def _read_entry(source: Source) -> _Entry:
    (_, _, flags, method, _, _, checksum, packed, size, name_length, extra_length) = (
        _LOCAL_HEADER.unpack(source.take(_LOCAL_HEADER.size))
    )
    name = source.take(name_length)
    extra = source.take(extra_length)
    if flags & _IS_ENCRYPTED:
        raise FileRefusedError(Refusal.ENCRYPTED)
    if method not in (_STORED, _DEFLATED) or (method == _STORED and flags & _HAS_DESCRIPTOR):
        raise FileRefusedError(Refusal.ARCHIVE_NOT_READ)
    if _IN_ZIP64 in (packed, size):
        size, packed = _zip64_sizes(extra)
    return _Entry(name, flags, method, checksum, packed, size)


def _zip64_sizes(extra: bytes) -> tuple[int, int]:
    place = 0
    while place + 4 <= len(extra):
        kind, length = struct.unpack_from("<HH", extra, place)
        if kind == 1 and length >= 16 and place + 20 <= len(extra):
            size, packed = struct.unpack_from("<QQ", extra, place + 4)
            return int(size), int(packed)
        place += 4 + length
    raise damaged()


def _content(source: Source, entry: _Entry, growth: Growth) -> Iterator[bytes]:
    if entry.method == _DEFLATED:
        pieces = _inflated(source, -zlib.MAX_WBITS, growth)
    else:
        pieces = _stored(source, entry.size, growth)
    checksum = size = 0
    for piece in pieces:
        checksum = zlib.crc32(piece, checksum)
        size += len(piece)
        yield piece
    if entry.flags & _HAS_DESCRIPTOR:
        _take_descriptor(source, checksum, size)
    elif (checksum, size) != (entry.checksum, entry.size):
        raise damaged()


def _stored(source: Source, size: int, growth: Growth) -> Iterator[bytes]:
    while size:
        content = source.some()
        if not content:
            raise damaged()
        source.give_back(content[size:])
        content = content[:size]
        size -= len(content)
        growth.add(len(content))
        yield content


def _take_descriptor(source: Source, checksum: int, size: int) -> None:
    """Take what follows an entry whose header knew no size; its shape is not announced."""
    mark = b"PK\x07\x08"
    for form in ("<IQQ", "<III"):
        length = struct.calcsize(form)
        for start in (mark, b""):
            following = source.peek(len(start) + length + 2)
            if len(following) < len(start) + length + 2 or not following.startswith(start):
                continue
            found, _packed, found_size = struct.unpack_from(form, following, len(start))
            is_next = following.endswith(b"PK")
            if (found, found_size) == (checksum, size % 2 ** (4 * (length - 4))) and is_next:
                source.take(len(start) + length)
                return
    raise damaged()


def _check_directory(source: Source, entries: int) -> None:
    directory = b""
    for content in source:
        directory += content
        if len(directory) > _LONGEST_DIRECTORY:
            raise damaged()
    end = directory.rfind(ZIP_WITHOUT_FILE)
    if end < 0 or len(directory) < end + 22:
        raise damaged()
    (announced,) = struct.unpack_from("<H", directory, end + 10)
    if announced not in (entries, 0xFFFF):
        raise damaged()
