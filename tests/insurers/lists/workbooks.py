"""Workbooks and archives that the tests upload, as programs write them or as none would."""

import io
import zipfile
from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import date
from random import Random
from xml.sax.saxutils import escape, quoteattr

import openpyxl
import xlwt  # type: ignore[import-untyped]

Cell = str | int | float | date | None
HEADER = ("N° adhérent", "Né(e) le", "Nom", "Prénom", "Courriel", "Portable")
LISE = ("A00123", date(1980, 12, 31), "Marin", "Lise", "lise@courrier.example.fr", 639980001)
OMAR = ("A00124", "06/05/1979", "Belair", "Omar", "omar@courrier.example.fr", None)


def xlsx(
    *rows: Iterable[Cell],
    hidden: Collection[int] = (),
    change: Callable[[openpyxl.Workbook], None] = lambda _workbook: None,
    **others: Sequence[Iterable[Cell]],
) -> bytes:
    """Return a workbook whose first sheet has these rows; `others` come after it."""
    workbook = openpyxl.Workbook()
    assert workbook.active is not None
    for row in rows:
        workbook.active.append(list(row))
    for number in hidden:
        workbook.active.row_dimensions[number].hidden = True
    for name, cells in others.items():
        sheet = workbook.create_sheet(name)
        for row in cells:
            sheet.append(list(row))
    change(workbook)
    file = io.BytesIO()
    workbook.save(file)
    return file.getvalue()


def xls(*rows: Iterable[Cell], hidden: Collection[int] = (), is_since_1904: bool = False) -> bytes:
    workbook = xlwt.Workbook()
    workbook.dates_1904 = is_since_1904
    sheet = workbook.add_sheet("Feuille")
    as_date = xlwt.easyxf(num_format_str="dd/mm/yyyy")
    for number, row in enumerate(rows):
        for place, cell in enumerate(row):
            if isinstance(cell, date):
                sheet.write(number, place, cell, as_date)
            elif cell is not None:
                sheet.write(number, place, cell)
    for number in hidden:
        sheet.row(number - 1).hidden = True
    file = io.BytesIO()
    workbook.save(file)
    return file.getvalue()


def ods(*rows: Iterable[Cell], hidden: Collection[int] = (), manifest: str = "") -> bytes:
    lines = "".join(
        f"<table:table-row{' table:visibility=' + quoteattr('collapse') if n in hidden else ''}>"
        f"{''.join(map(_ods_cell, row))}</table:table-row>"
        for n, row in enumerate(rows, 1)
    )
    names = " ".join(
        f'xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"'
        for name in ("office", "table", "text")
    )
    content = (
        f"<office:document-content {names}><office:body><office:spreadsheet>"
        f'<table:table table:name="F">{lines}</table:table>'
        "</office:spreadsheet></office:body></office:document-content>"
    )
    kind = "application/vnd.oasis.opendocument.spreadsheet"
    return zipped(
        {
            "mimetype": kind.encode(),
            "META-INF/manifest.xml": b'<manifest:manifest xmlns:manifest="urn:oasis:names:tc:'
            b'opendocument:xmlns:manifest:1.0"><manifest:file-entry manifest:full-path="/" '
            b'manifest:media-type="application/vnd.oasis.opendocument.spreadsheet"/>'
            + manifest.encode()
            + b"</manifest:manifest>",
            "content.xml": content.encode(),
        }
    )


def _ods_cell(cell: Cell) -> str:
    if cell is None:
        return "<table:table-cell/>"
    if isinstance(cell, date):
        kind = f'office:value-type="date" office:date-value="{cell.isoformat()}"'
    elif isinstance(cell, int | float):
        kind = f'office:value-type="float" office:value="{cell}"'
    else:
        kind = 'office:value-type="string"'
    return f"<table:table-cell {kind}><text:p>{escape(str(cell))}</text:p></table:table-cell>"


def zipped(files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return file.getvalue()


class Pipe(io.RawIOBase):
    """What cannot be gone back in: zipfile then writes sizes after the content."""

    def __init__(self) -> None:
        self.content = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, content: object, /) -> int:
        self.content += bytes(content)  # type: ignore[call-overload]
        return len(bytes(content))  # type: ignore[call-overload]

    def taken(self) -> bytes:
        """Return what was written since the last time."""
        content = bytes(self.content)
        self.content.clear()
        return content


def piped_zip(name: str, content: bytes, *, is_zip64: bool = False) -> bytes:
    """Return a zip whose header knows no size."""
    pipe = Pipe()
    with (
        zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open(name, "w", force_zip64=is_zip64) as entry,
    ):
        entry.write(content)
    return pipe.taken()


def compressible(size: int, *, noise: int) -> bytes:
    """Return bytes of which so many in 64 KiB do not compress: 200 of them make a ratio of 220."""
    random = Random(1)
    block = 64 * 1024
    return b"".join(random.randbytes(noise) + b" " * (block - noise) for _ in range(size // block))


def changed_parts(workbook: bytes, change: Callable[[str, bytes], bytes]) -> bytes:
    """Return a workbook with its parts rewritten."""
    with zipfile.ZipFile(io.BytesIO(workbook)) as archive:
        return zipped({name: change(name, archive.read(name)) for name in archive.namelist()})
