"""Blocks hold whole records, all of them, and say the number of the first."""

import csv
import io

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from insurers.lists import cutting, parsing
from insurers.lists.cutting import Cutter
from insurers.lists.parsing import Cells, IrregularTextError, parse_block
from insurers.lists.refusal import FileRefusedError

CELLS = st.text('ab;"\n\r é', max_size=6)
ROWS = st.lists(st.lists(CELLS, min_size=1, max_size=4), max_size=12)


def written(rows: list[list[str]], *, quoting: int = csv.QUOTE_MINIMAL) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=";", lineterminator="\n", quoting=quoting).writerows(rows)  # type: ignore[arg-type]
    return text.getvalue().encode()


def cut(text: bytes, *, piece: int) -> Cutter:
    cutter = Cutter()
    for start in range(0, len(text), piece):
        cutter.take(text[start : start + piece])
    cutter.close()
    return cutter


@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
@settings(max_examples=300, deadline=None)
@given(rows=ROWS, piece=st.integers(1, 40))
def test_blocks_give_back_every_record(quoting: int, rows: list[list[str]], piece: int) -> None:
    rows = [[cell.replace("\r", "") for cell in row] for row in rows]
    text = written(rows, quoting=quoting)
    with pytest.MonkeyPatch.context() as small:
        small.setattr(cutting, "BLOCK_BYTES", 20)
        cutter = cut(text, piece=piece)
    found: dict[int, tuple[str, ...]] = {}
    for block in cutter.blocks:
        cells = parse_block(
            text[block.start : block.end],
            delimiter=";",
            width=4,
            first_row=block.first_row,
            records=block.records,
        )
        found |= dict(zip(cells.rows, zip(*cells.columns, strict=True), strict=True))
    assert cutter.is_regular
    assert b"".join(text[block.start : block.end] for block in cutter.blocks) == text
    assert found == {
        number: tuple((row + [""] * 4)[:4])
        for number, row in enumerate(rows, start=1)
        if any(map(str.strip, row))
    }


@pytest.mark.parametrize("text", [b"a;b\rc;d\r", b'a;"b\nc;d\n', b"x" * 300_000, b"a;b\n\rc;d\n"])
def test_a_text_that_cannot_be_cut_safely_says_so(text: bytes) -> None:
    assert not cut(text, piece=1000).is_regular


def table_of(text: str) -> tuple[list[list[str]], list[int], list[int]] | None:
    """Return what a block of such a text holds, None where it is refused or counted otherwise."""
    cutter = cut(text.encode(), piece=100)
    records = sum(block.records for block in cutter.blocks)
    try:
        cells: Cells = parse_block(
            text.encode(), delimiter=";", width=3, first_row=1, records=records
        )
    except (FileRefusedError, IrregularTextError):
        return None
    return [column.to_list() for column in cells.columns], cells.rows, cells.too_many


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(['"', ";", "\n", "a", "b", " "]), max_size=24).map("".join))
@example('a;"b "c";d\na;"b "c";d\n')
@example("a;b;c; \n")
def test_a_block_is_the_same_table_however_it_is_parsed(text: str) -> None:
    """But for two quotes around a text, which polars drops and `csv` refuses."""
    found = table_of(text)
    with pytest.MonkeyPatch.context() as slower:
        slower.setattr(parsing, "_by_polars", lambda *_block: None)
        same = table_of(text)
    assert found == same or (same is None and '""' in text)
