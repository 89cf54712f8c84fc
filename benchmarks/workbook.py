"""How fast a workbook is read against the same rows as CSV: `make bench-workbook ROWS=1000000`.

Both go from a closed file to an accepted list, in the same run, by the same workers. A workbook
is written as Excel does, each text once beside the sheet, and as most programs do, in its cells.
"""

import argparse
import threading
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path
from xml.sax.saxutils import escape

from benchmarks.figures import note, say, say_machine
from benchmarks.ingest import MILLION, PROCESSES, organisation, take
from benchmarks.stage import children, servers, workers

_SAMPLED_EVERY = 0.02  # seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=MILLION)
    rows = parser.parse_args().rows
    say_machine()
    with servers() as stage:
        from benchmarks.members import write_members

        file, warm = stage.folder / "members.csv", stage.folder / "warm.csv"
        note(f"writing {rows} rows")
        write_members(file, rows=rows)
        write_members(warm, rows=20_000, seed=1)
        with workers(stage, processes=PROCESSES) as worker:
            take(warm, *organisation("warm"), worker.pid)
            for name, is_shared in (("shared", True), ("inline", False)):
                book = stage.folder / f"{name}.xlsx"
                write_workbook(book, file, is_shared=is_shared)
                # Just before, so that both meet the same machine.
                text = take(file, *organisation(f"csv-{name}"), worker.pid)
                with most_memory_of_reader(worker.pid) as most_memory:
                    run = take(book, *organisation(f"xlsx-{name}"), worker.pid)
                assert run.affected_list.rows == rows
                rate, peer = rows / run.seconds, rows / text.seconds
                say(f"XLSX against CSV, {name} texts", rate, "rows/s", peer=peer, target=0.3)
                gigabytes = most_memory() / 1e9
                say(f"memory, {name} texts", gigabytes, "GB", target=1.2, at_most=True)


@contextmanager
def most_memory_of_reader(worker: int) -> Iterator[Callable[[], int]]:
    """Watch the process that reads workbooks for the block; gives its peak, in bytes."""
    most, is_over = 0, threading.Event()

    def sample() -> None:
        nonlocal most
        while not is_over.wait(_SAMPLED_EVERY):
            for reader in (pid for process in children(worker) for pid in children(process)):
                with suppress(FileNotFoundError, ProcessLookupError):
                    for line in Path(f"/proc/{reader}/status").read_text().splitlines():
                        if line.startswith("VmHWM"):
                            most = max(most, int(line.split()[1]) * 1024)

    thread = threading.Thread(target=sample)
    thread.start()
    try:
        yield lambda: most
    finally:
        is_over.set()
        thread.join()


_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_LINKS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006/relationships"
_PARTS = {
    "_rels/.rels": f'<Relationships xmlns="{_PACKAGE}">'
    f'<Relationship Id="rId1" Type="{_LINKS}/officeDocument" Target="xl/workbook.xml"/>'
    "</Relationships>",
    "xl/workbook.xml": f'<workbook xmlns="{_MAIN}" xmlns:r="{_LINKS}"><sheets>'
    '<sheet name="Liste" sheetId="1" r:id="rId1"/></sheets></workbook>',
    "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{_PACKAGE}">'
    f'<Relationship Id="rId1" Type="{_LINKS}/worksheet" Target="worksheets/sheet1.xml"/>'
    f'<Relationship Id="rId2" Type="{_LINKS}/sharedStrings" Target="sharedStrings.xml"/>'
    "</Relationships>",
}


def write_workbook(path: Path, rows: Path, *, is_shared: bool) -> None:
    """Write the rows of a CSV (`;`) as a workbook, faster than libraries do."""
    texts: dict[str, int] = {}

    def cell(column: str, row: int, text: str) -> str:
        if not text:
            return ""
        if is_shared:
            number = texts.setdefault(text, len(texts))
            return f'<c r="{column}{row}" t="s"><v>{number}</v></c>'
        return f'<c r="{column}{row}" t="inlineStr"><is><t>{escape(text)}</t></is></c>'

    def row_of(number: int, line: str) -> str:
        placed = zip("ABCDEFGHIJKLM", line.rstrip("\n").split(";"), strict=False)
        cells = "".join([cell(column, number, text) for column, text in placed])
        return f'<row r="{number}">{cells}</row>'

    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as book:
        for name, part in _PARTS.items():
            book.writestr(name, part)
        with (
            book.open("xl/worksheets/sheet1.xml", "w") as sheet,
            rows.open(encoding="utf-8") as text,
        ):
            lines = enumerate(text, 1)
            sheet.write(f'<worksheet xmlns="{_MAIN}"><sheetData>'.encode())
            while some := [row_of(number, line) for number, line in islice(lines, 5_000)]:
                sheet.write("".join(some).encode())
            sheet.write(b"</sheetData></worksheet>")
        items = (f"<si><t>{escape(text)}</t></si>" for text in texts)
        book.writestr("xl/sharedStrings.xml", f'<sst xmlns="{_MAIN}">{"".join(items)}</sst>')


if __name__ == "__main__":
    main()
