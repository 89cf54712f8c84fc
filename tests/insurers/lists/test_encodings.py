"""The encoding of each text, whatever its chunks; a fault is placed by row and column."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from insurers.lists.encodings import EncodingFinder
from insurers.lists.problems import Refusal
from insurers.lists.refusal import FileRefusedError

PLAIN = "numero;nom;ville\r\nA1;Marin;Brest\r\n"
ACCENTS = "numéro;nom;ville\r\nA1;Zoé;Orléans\r\n"
ALONE = "numero;nom;ville\r\nA1;Zo\xe9;Brest\r\n"


def encoding_of(content: bytes, *, size: int = 7) -> str:
    finder = EncodingFinder()
    for place in range(0, len(content), size):
        finder.take(content[place : place + size])
    return finder.encoding()


@pytest.mark.parametrize("size", [1, 2, 5, 100_000])
@pytest.mark.parametrize(
    ("content", "encoding"),
    [
        (PLAIN.encode(), "utf-8"),
        (ACCENTS.encode(), "utf-8"),
        (ACCENTS.encode("utf-8-sig"), "utf-8-sig"),
        (ACCENTS.encode("utf-16"), "utf-16"),
        (b"\xfe\xff" + ACCENTS.encode("utf-16-be"), "utf-16"),
        (ACCENTS.encode("utf-16-le"), "utf-16-le"),
        (ACCENTS.encode("utf-16-be"), "utf-16-be"),
        (ACCENTS.encode("cp1252"), "cp1252"),
        (ALONE.encode("cp1252").rstrip(b";Brest\r\n"), "cp1252"),
        ("a;b\n1;Lœuil\n".encode("cp1252"), "cp1252"),
        ("a;b\n1;Lœuil\n".encode("iso8859-15"), "iso8859-15"),
        ("a;b\n1;Šárka\n".encode("iso8859-15"), "iso8859-15"),
        ("a;b\n1;Šárka\n".encode("cp1252"), "cp1252"),
        ("a;b\n1;Žižek\n".encode("iso8859-15"), "iso8859-15"),
        ("a;b\n1;L’HAŸ\n".encode("cp1252"), "cp1252"),
        ("a;b\n1;12 €\n".encode("iso8859-15"), "iso8859-15"),
        ("a;b\n1;12 €\n".encode("cp1252"), "cp1252"),
        ("a;b\n1;D´Artagnan, É\n".encode("cp1252"), "cp1252"),
        ("a;b\n1;7 ½ É\n".encode("cp1252"), "cp1252"),
        (ACCENTS.encode("cp850"), "cp850"),
        ("N° adhérent;VILLE\n1;CÔTE ÉMILE Müller\n".encode("cp850"), "cp850"),
        ("a;b\n1;Zoé\n".encode("cp437"), "cp850"),
        ("a;b\n1;Zoé\n2;Paris‚ Brest\n".encode("cp1252"), "cp1252"),
    ],
)
def test_the_encoding_is_found_whatever_the_chunks(
    content: bytes, encoding: str, size: int
) -> None:
    assert encoding_of(content, size=size) == encoding


@pytest.mark.parametrize("size", [1, 3, 100_000])
@pytest.mark.parametrize(
    ("content", "code", "row", "column"),
    [
        (ACCENTS.encode() + b"A2;\xe9;Brest\r\n", Refusal.UNDECODABLE, 3, "#2"),
        (ACCENTS.encode() + b"A2;Lise;\xc3", Refusal.UNDECODABLE, 3, "#3"),
        (PLAIN.encode("utf-8-sig") + b"\xe9", Refusal.UNDECODABLE, 3, "#1"),
        (ALONE.encode("cp1252") + b"A2;L\x81;x\r\n", Refusal.UNDECODABLE, 3, "#2"),
        (ACCENTS.encode() + b'"A\r\n;""2";"x\n;";\xff', Refusal.UNDECODABLE, 3, "#3"),
        (ACCENTS.replace("\r\n", "\r").encode() + b"A2;\xff", Refusal.UNDECODABLE, 3, "#2"),
        ((ACCENTS + "A2;").encode("utf-16-le") + b"\x00\xdc", Refusal.UNDECODABLE, 3, "#2"),
        (ACCENTS.encode("utf-16") + b"A", Refusal.UNDECODABLE, 3, "#1"),
        (PLAIN.encode() + b"A2;L\0", Refusal.NUL_BYTES, 3, "#2"),
        ((ACCENTS + "A2;\0").encode("utf-16"), Refusal.NUL_BYTES, 3, "#2"),
        (PLAIN.encode() * 9000 + b"\xc3\xa9;\xc3;", Refusal.UNDECODABLE, 18_001, "#2"),
    ],
)
def test_a_fault_is_placed_by_row_and_column(
    content: bytes, code: Refusal, row: int, column: str, size: int
) -> None:
    with pytest.raises(FileRefusedError) as refused:
        encoding_of(content, size=size)
    assert (refused.value.code, refused.value.row, refused.value.column) == (code, row, column)


def test_an_empty_text_is_refused() -> None:
    with pytest.raises(FileRefusedError) as refused:
        encoding_of(b"")
    assert refused.value.code == Refusal.EMPTY


@pytest.mark.parametrize("codec", ["utf-8", "utf-8-sig", "utf-16"])
@given(text=st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1))
def test_what_is_found_reads_the_text_again(codec: str, text: str) -> None:
    content = ("a;b\n" + text.lstrip("\ufeff")).encode(codec)
    assert content.decode(encoding_of(content)) == "a;b\n" + text.lstrip("\ufeff")


@given(content=st.binary(max_size=200), size=st.integers(1, 50))
def test_any_bytes_are_read_or_refused(content: bytes, size: int) -> None:
    with contextlib.suppress(FileRefusedError):
        content.decode(encoding_of(content, size=size))
