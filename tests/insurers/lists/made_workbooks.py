"""Workbooks and archives that the tests make, as programs write them or as no program would."""

import gzip
import io
import zipfile
from collections.abc import Callable, Iterator, Sequence

import openpyxl
import xlwt

Rows = Sequence[Sequence[object]]

HEADER = ["N° adhérent", "Né(e) le", "Nom", "Courriel"]
LISE = ["A00123", "31/12/1980", "Marin", "lise@courrier.example.fr"]
OMAR = ["A00124", "06/05/1979", "Belair", "omar@courrier.example.fr"]
ROWS = [HEADER, LISE, OMAR]
CSV = "\n".join(",".join(row) for row in ROWS) + "\n"


def chunks(content: bytes, size: int = 65_536) -> Iterator[bytes]:
    for place in range(0, len(content), size):
        yield content[place : place + size]


def xlsx(*sheets: Rows, change: Callable[[openpyxl.Workbook], None] | None = None) -> bytes:
    """Return an XLSX file; a row that is empty stays blank."""
    book = openpyxl.Workbook()
    book.remove(book.worksheets[0])
    for rows in sheets:
        sheet = book.create_sheet()
        for row, cells in enumerate(rows, 1):
            for column, cell in enumerate(cells, 1):
                if cell is not None:
                    sheet.cell(row, column, cell)
    if change is not None:
        change(book)
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def xls(rows: Rows, hidden: Sequence[int] = ()) -> bytes:
    book = xlwt.Workbook()
    sheet = book.add_sheet("Liste")
    for row, cells in enumerate(rows):
        for column, cell in enumerate(cells):
            sheet.write(row, column, cell)
    for row in hidden:
        sheet.row(row - 1).hidden = True
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def ods(rows: Rows, *, hidden: Sequence[int] = (), manifest: str = "") -> bytes:
    """Return an ODS file, by hand."""
    lines = ""
    for number, row in enumerate(rows, 1):
        cells = "".join(
            f'<table:table-cell office:value-type="string"><text:p>{cell}</text:p>'
            "</table:table-cell>"
            for cell in row
        )
        visibility = ' table:visibility="collapse"' if number in hidden else ""
        lines += f"<table:table-row{visibility}>{cells}</table:table-row>"
    office = "urn:oasis:names:tc:opendocument:xmlns:"
    content = (
        f'<office:document-content xmlns:office="{office}office:1.0" '
        f'xmlns:table="{office}table:1.0" xmlns:text="{office}text:1.0"><office:body>'
        f'<office:spreadsheet><table:table table:name="Liste">{lines}'
        "</table:table></office:spreadsheet></office:body></office:document-content>"
    )
    return zipped(
        {
            "mimetype": b"application/vnd.oasis.opendocument.spreadsheet",
            "META-INF/manifest.xml": f"<manifest>{manifest}</manifest>".encode(),
            "content.xml": content.encode(),
        }
    )


def zipped(files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return file.getvalue()


class _Unseekable(io.RawIOBase):
    """A pipe: zipfile then writes sizes after the content."""

    def __init__(self) -> None:
        self.content = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, content: object, /) -> int:
        self.content += bytes(content)  # type: ignore[call-overload]
        return len(bytes(content))  # type: ignore[call-overload]


def piped_zip(name: str, content: bytes, *, is_zip64: bool = False) -> bytes:
    """Return a zip whose header knows no size."""
    pipe = _Unseekable()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as archive:
        with archive.open(name, "w", force_zip64=is_zip64) as entry:
            entry.write(content)
    return bytes(pipe.content)


def changed_parts(workbook: bytes, change: Callable[[str, bytes], bytes]) -> bytes:
    """Return a workbook with its parts rewritten."""
    with zipfile.ZipFile(io.BytesIO(workbook)) as archive:
        parts = {name: change(name, archive.read(name)) for name in archive.namelist()}
    return zipped(parts)


def gzip_bomb(megabytes: int) -> bytes:
    file = io.BytesIO()
    with gzip.GzipFile(fileobj=file, mode="wb") as archive:
        for _ in range(megabytes):
            archive.write(b"A;1\n" * 2**18)
    return file.getvalue()
