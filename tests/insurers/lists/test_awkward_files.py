"""Each awkward file has one exact outcome: read as meant, or refused with a place and a way on."""

import hashlib
from pathlib import Path

import pytest
from pytest_django.fixtures import Settings

from insurers.lists.contacts import open_contacts
from insurers.lists.problems import Problem, Refusal
from insurers.lists.refusing import why_refused
from insurers.models import AffectedList, ListState
from tests import cast
from tests.insurers.lists.files import (
    HEADER,
    LISE,
    OMAR,
    accepted,
    csv_file,
    members_of,
    read,
    table_exists,
)

pytestmark = pytest.mark.django_db

ACCENTS = "N° adhérent;Né le;Prénom;Mail\nA1;31/12/1980;Zoé;zoe@example.fr\n"
COMMAS = "numero adherent,date de naissance,prénom,mail\nA1,31/12/1980,Zoé,zoe@example.fr\n"
EVERYTHING = "member_number,birth_date,email|phone"
OPENED = 'A1;31/12/1980;"Marin;Zoé;zoe@example.fr;'
CLOSED = 'A2;31/12/1980;Belair";Omar;omar@example.fr;'
NIRS = "".join(f"A{n};31/12/1980;a@example.fr;1 80 12 75 116 {n:03d}\n" for n in range(1, 6))


@pytest.mark.parametrize(
    "content",
    [
        ACCENTS.encode(),
        ACCENTS.encode("utf-8-sig"),
        ACCENTS.encode("cp1252"),
        ACCENTS.encode("cp850"),
        ACCENTS.encode("utf-16"),
        ACCENTS.encode("utf-16-le"),
        ACCENTS.encode("utf-16-be"),
        ACCENTS.replace("\n", "\r\n").encode(),
        ACCENTS.replace("\n", "\r").encode(),
        ACCENTS.rstrip("\n").encode(),
        ACCENTS.rstrip("\n").encode("cp1252"),
        COMMAS.encode(),
        COMMAS.replace(",", "\t").encode(),
        COMMAS.replace(",", "|").encode(),
        ACCENTS.replace("Zoé", '"Zoé"').encode(),
        ACCENTS.replace("Zoé", '"\r\nZoé"').encode(),
        ("sep=;\n" + ACCENTS).encode(),
        (ACCENTS + "\x1a").encode("cp850"),
        ("\n\n" + ACCENTS + "\n;;;\n\n").encode(),
        ACCENTS.replace("\n", ";;\n").encode(),
        ACCENTS.replace(".fr\n", ".fr; \n").encode(),
        ACCENTS.replace("Mail", "Mail;Commentaire").encode(),
    ],
    ids=[
        "utf-8",
        "utf-8 with a mark",
        "windows-1252",
        "cp850",
        "utf-16",
        "utf-16 without a mark",
        "utf-16 big endian without a mark",
        "crlf",
        "cr",
        "no last newline",
        "windows-1252 without last newline",
        "commas",
        "tabs",
        "pipes",
        "quotes",
        "newline in quotes",
        "sep line",
        "end of file of dos",
        "blank rows",
        "trailing empty columns",
        "a blank after the last column",
        "unknown column",
    ],
)
def test_a_file_that_spreadsheets_write_is_read(content: bytes) -> None:
    affected_list = accepted(content)
    (member,) = members_of(affected_list)
    contact = open_contacts(affected_list).open(member.ordinal, member.contact)
    assert (contact.first_name, contact.email) == ("Zoé", "zoe@example.fr")
    assert affected_list.rows_rejected == 0


@pytest.mark.parametrize(
    ("content", "code", "row", "column"),
    [
        (b"", Refusal.EMPTY, None, ""),
        (b"\xef\xbb\xbf\n \n", Refusal.EMPTY, None, ""),
        (b"PK\x03\x04" + bytes(100), Refusal.ARCHIVE_DAMAGED, None, ""),
        (b"%PDF-1.7" + bytes(100), Refusal.NOT_CSV, None, ""),
        (ACCENTS.encode("utf-16")[:-1], Refusal.UNDECODABLE, 2, "#4"),
        (csv_file(LISE, "A1\0;B"), Refusal.NUL_BYTES, 3, "#1"),
        (csv_file(LISE) + b"A1;\xc3", Refusal.UNDECODABLE, 3, "#2"),
        (ACCENTS.encode("utf-8-sig")[:-2] + b"\xc3", Refusal.UNDECODABLE, 2, "#4"),
        (csv_file(LISE) + b"A\xe9;\n", Refusal.UNDECODABLE, 3, "#1"),
        (b"N adherent;N\xe9 le;Mail\nA1;\x81;\n", Refusal.UNDECODABLE, 2, "#2"),
        (csv_file(LISE, "x" * 10_000_000), Refusal.RECORD_TOO_LONG, 3, ""),
        (b"x" * 10_000_000, Refusal.RECORD_TOO_LONG, 1, ""),
        (csv_file(LISE, '"A1;\n', *["x;" * 40] * 1000), Refusal.RECORD_TOO_LONG, 3, ""),
        (csv_file(LISE, '"A1;31/12/1980'), Refusal.BROKEN_QUOTES, 3, ""),
        (csv_file(OPENED, CLOSED), Refusal.BROKEN_QUOTES, 2, ""),
        (csv_file(OPENED, LISE, CLOSED.replace('";Omar', ';Omar"')), Refusal.BROKEN_QUOTES, 2, ""),
        (csv_file(LISE, '"A1"x;31/12/1980'), Refusal.BROKEN_QUOTES, 3, ""),
        (
            csv_file(*['A1;31/12/1980;"Le "Phare";Zoé;z@example.fr;'] * 2),
            Refusal.BROKEN_QUOTES,
            2,
            "",
        ),
        (csv_file(header="Nom;Né le;Mail"), Refusal.MISSING_COLUMNS, 1, "member_number"),
        (csv_file(header=HEADER + ";Mail"), Refusal.NO_ROWS, None, ""),
        (csv_file(OMAR, header=LISE), Refusal.NO_HEADER, 1, ""),
        (csv_file("Bonjour,", header="Madame"), Refusal.MISSING_COLUMNS, 1, EVERYTHING),
        ((f"N° Police;Jour;Mail;Code\n{NIRS * 4}").encode(), Refusal.NIR_COLUMN, None, "#4"),
        (csv_file(header=HEADER), Refusal.NO_ROWS, None, ""),
        (csv_file("A1;;;;;", ";1980-12-31;;;;"), Refusal.NO_VALID_ROW, 2, "birth_date"),
        (csv_file(header=HEADER + ";N° sécu"), Refusal.NIR_COLUMN, 1, "nir"),
        ((f"N° adhérent;Né le;Mail;Code\n{NIRS}").encode(), Refusal.NIR_COLUMN, None, "#4"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_whole(
    content: bytes, code: Refusal, row: int | None, column: str
) -> None:
    affected_list = read(content)
    assert (affected_list.state, affected_list.refusal_code) == (ListState.REFUSED, code)
    assert (affected_list.refusal_row, affected_list.refusal_column) == (row, column)
    assert bytes(affected_list.sha256 or b"") == hashlib.sha256(content).digest()
    assert said_of(affected_list)


@pytest.mark.parametrize(
    ("row", "reason", "to_do"),
    [
        ("1,23457E+11;31/12/1980;;;;", "du type 1E+11", "\u00a0Texte\u00a0»"),
        ("A1;31/12/80;;;;", "l’année de naissance n’a que deux chiffres", "quatre chiffres"),
        ("A1;31/02/1980;;;;", "la date de naissance n’existe pas", "fichier d’exemple"),
    ],
)
def test_a_file_without_a_usable_row_says_what_is_wrong_with_the_first(
    row: str, reason: str, to_do: str
) -> None:
    said = why_refused(read(csv_file(row, row)))
    assert said is not None
    assert "ligne 2" in said.what
    assert reason in said.what
    assert to_do in said.to_do


def test_member_numbers_that_are_nirs_refuse_the_file() -> None:
    rows = [f"185037511600{n};1985-03-01;;;a@example.fr;" for n in range(3)]
    affected_list = read(csv_file(*rows))
    assert affected_list.refusal_code == Refusal.NIR_COLUMN
    assert affected_list.refusal_column == "member_number"


@pytest.mark.parametrize(
    ("place", "column"),
    list(
        enumerate(
            ("member_number", "birth_date", "last_name", "first_name", "email", "phone", "#7")
        )
    ),
)
@pytest.mark.parametrize("number", ["1 85 03 75 116 001 20", "2 85 07 2B 004 120", "1850375116000"])
def test_nirs_in_any_column_refuse_the_file_and_name_it(
    place: int, column: str, number: str
) -> None:
    rows = []
    for order in range(6):
        cells = [f"A{order}", "31/12/1980", "Marin", "Lise", "lise@example.fr", "0612345678", ""]
        cells[place] = number[:-1] + str(order)
        rows.append(";".join(cells))
    affected_list = read(csv_file(*rows, header=HEADER + ";Note"))
    assert affected_list.refusal_code == Refusal.NIR_COLUMN
    assert affected_list.refusal_column == column
    assert not table_exists(affected_list.pk)


@pytest.mark.parametrize(
    ("number", "email", "column"),
    [
        ("A{0}", "185037511600{0}@example.fr", "email"),
        ("NIR185037511600{0}", "lise@example.fr", "member_number"),
        ("185037511600{0}x", "lise@example.fr", "member_number"),
    ],
)
def test_what_stands_around_a_nir_does_not_hide_it(number: str, email: str, column: str) -> None:
    row = f"{number};31/12/1980;Marin;Lise;{email};"
    affected_list = read(csv_file(*(row.format(order) for order in range(6))))
    assert affected_list.refusal_code == Refusal.NIR_COLUMN
    assert affected_list.refusal_column == column


def test_a_member_number_that_looks_like_a_nir_by_chance_is_kept() -> None:
    rows = [f"{9000000000000 + n};31/12/1980;l{n}@example.fr" for n in range(5)]
    content = csv_file(*rows, "1850375116001;31/12/1980;x@example.fr", header="Id;Né le;Mail")
    affected_list = read(content)
    assert (affected_list.members, affected_list.rows_rejected) == (6, 0)


def test_a_nir_in_a_name_is_dropped_and_the_person_kept() -> None:
    row = "A1;31/12/1980;Marin 1 85 03 75 116 001;Zoé;zoe@example.fr;"
    affected_list = accepted(csv_file(row, LISE, OMAR))
    member = members_of(affected_list)[0]
    contact = open_contacts(affected_list).open(member.ordinal, member.contact)
    assert (contact.last_name, contact.first_name) == ("", "Zoé")
    assert affected_list.problems.get().code == Problem.NAME_NIR


def test_a_setting_admits_nirs(settings: Settings) -> None:
    settings.NIR_ALLOWED = True
    rows = [f"185037511600{n};1985-03-01;a@example.fr" for n in range(3)]
    assert read(csv_file(*rows, header="NIR;Né le;Mail")).members == 3


def test_the_same_file_twice_names_the_first_list() -> None:
    first = read(csv_file(LISE))
    second = read(csv_file(LISE))
    assert second.refusal_code == Refusal.ALREADY_UPLOADED
    assert f"n° {first.pk}, du 02/03/2026" in said_of(second)


def test_the_same_file_for_another_operator_is_another_list() -> None:
    both = [cast.operator(), cast.operator("betapay")]
    cast.phare().affiliations.create(operator=both[1], source=cast.source())
    states = [read(csv_file(LISE), operators=some).state for some in (both[:1], both[1:], both)]
    assert states == [ListState.REVIEW] * 3
    assert read(csv_file(LISE), operators=both[::-1]).refusal_code == Refusal.ALREADY_UPLOADED


def test_a_file_can_come_back_once_it_was_refused() -> None:
    assert read(csv_file("A1;;;;;")).state == ListState.REFUSED
    assert read(csv_file("A1;;;;;")).refusal_code == Refusal.NO_VALID_ROW


def test_the_sample_that_people_download_is_read_whole() -> None:
    affected_list = read(Path("static/samples/liste-exemple.csv").read_bytes())
    assert (affected_list.members, affected_list.problems.count()) == (4, 0)


def test_rows_are_numbered_as_the_spreadsheet_shows_them() -> None:
    newline_in_a_cell = 'A1;31/12/1980;"Le\nPhare";;;'
    affected_list = read(csv_file(newline_in_a_cell, "", OMAR, "A9;;;;;"))
    assert [problem.row for problem in affected_list.problems.all()] == [5]


def said_of(affected_list: AffectedList) -> str:
    said = why_refused(affected_list)
    assert said is not None
    assert "{" not in said.what
    return said.what + said.to_do


@pytest.mark.parametrize("encoding", ["cp1252", "iso8859-15"])
@pytest.mark.parametrize("first_name", ["Lœtitia", "Rémi", "Žofia", "Ÿvette"])
def test_a_name_keeps_its_letters_in_either_western_encoding(
    encoding: str, first_name: str
) -> None:
    affected_list = accepted(ACCENTS.replace("Zoé", first_name).encode(encoding))
    (member,) = members_of(affected_list)
    contact = open_contacts(affected_list).open(member.ordinal, member.contact)
    assert contact.first_name == first_name
