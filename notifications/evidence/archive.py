"""A ZIP written as a stream: each file is hashed as it goes, and nothing of it depends on today."""

import csv
import hashlib
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import IO, Any
from zipfile import ZIP64_VERSION, ZIP_DEFLATED, ZipFile, ZipInfo

from insurers.lists.spreadsheets import inert_cell

from .verify_evidence import local_header

_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest that a ZIP knows
_PLAIN_FILE = 0o100644 << 16
_UNIX = 3


@dataclass
class WrittenFile:
    """A file on its way into the archive; afterwards, what the manifest says of it."""

    name: str
    _into: IO[bytes]
    size: int = 0
    rows: int | None = None
    _digest: Any = field(default_factory=hashlib.sha256)

    def write(self, content: bytes) -> None:
        """Add to the file."""
        self._into.write(content)
        self._digest.update(content)
        self.size += len(content)

    def told(self) -> dict[str, Any]:
        """Return its entry of the manifest."""
        told = {"name": self.name, "size": self.size, "sha256": self._digest.hexdigest()}
        return told if self.rows is None else told | {"rows": self.rows}


class PackEntry(ZipInfo):
    """A file of the ZIP; its header is the checked one with any zipfile (Python 3.11.4 changed)."""

    def __init__(self, name: str) -> None:
        super().__init__(name, date_time=_EPOCH)
        self.compress_type, self.external_attr = ZIP_DEFLATED, _PLAIN_FILE
        self.create_system = _UNIX
        self.create_version = self.extract_version = ZIP64_VERSION

    def FileHeader(self, zip64: bool | None = None) -> bytes:  # noqa: N802 (zipfile's name)
        """Return what stands before the file: sizes in 64 bits, whatever they are."""
        return local_header(self)


class Archive:
    """Files one after the other, however large (Zip64), in little memory."""

    def __init__(self, into: IO[bytes]) -> None:
        self._zip = ZipFile(into, "w", ZIP_DEFLATED, allowZip64=True)
        self.files: list[dict[str, Any]] = []

    @contextmanager
    def writing(self, name: str) -> Iterator[WrittenFile]:
        """Write a file piece by piece, and remember its size and hash."""
        with self._zip.open(PackEntry(name), "w", force_zip64=True) as into:
            file = WrittenFile(name, into)
            yield file
        self.files.append(file.told())

    def add(self, name: str, content: bytes) -> None:
        """Write a small file."""
        with self.writing(name) as file:
            file.write(content)

    def add_json(self, name: str, content: Any) -> None:
        """Write a small file of JSON, for people and programs."""
        self.add(name, json_bytes(content))

    def add_table(
        self, name: str, columns: Sequence[str], rows: Iterable[Sequence[object]]
    ) -> None:
        """Write a CSV (RFC 4180), made harmless for spreadsheets."""
        with self.writing(name) as file:
            file.rows = 0
            file.write(csv_line(columns))
            for row in rows:
                file.write(csv_line(row))
                file.rows += 1

    def close(self) -> None:
        """Write the directory of the archive: before that it is none."""
        self._zip.close()


def json_bytes(content: Any) -> bytes:
    """Return JSON as it stands in packs: its keys sorted, a line break at its end."""
    return json.dumps(content, ensure_ascii=False, indent=1, sort_keys=True).encode() + b"\n"


def csv_line(cells: Sequence[object]) -> bytes:
    """Return a line of CSV; None is an empty cell."""
    out = io.StringIO()
    csv.writer(out).writerow(["" if cell is None else inert_cell(str(cell)) for cell in cells])
    return out.getvalue().encode()
