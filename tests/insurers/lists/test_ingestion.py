"""What a reading makes of good, bad and repeated rows."""

import pytest
from django.db import DatabaseError, connection

from audit.models import AuditEntry
from audit.trail import insurer_scope
from insurers.lists import cutting, ingestion, uploads
from insurers.lists.contacts import EMAIL_INVALID, PHONE_INVALID, open_contacts
from insurers.lists.ingestion import OperatorsNotAffiliatedError, ingest_list, prepare_list
from insurers.lists.keystore import KeyNotFoundError, key_store
from insurers.lists.locks import BLOCK_CLASS, held_lists
from insurers.lists.problems import Problem, Refusal
from insurers.lists.sealing import DamagedError
from insurers.lists.uploads import erase_chunks
from insurers.models import AffectedList, ListState
from tests import cast
from tests.conftest import as_role
from tests.insurers.lists.files import (
    HEADER,
    LISE,
    OMAR,
    accepted,
    csv_file,
    members_of,
    other_worker_holding,
    read,
    received,
    table_exists,
)

pytestmark = pytest.mark.django_db


def problems_of(affected_list: AffectedList) -> list[tuple[int, str, str]]:
    problems = affected_list.problems.order_by("row", "pk")
    return [(problem.row, problem.column, problem.code) for problem in problems]


def test_a_bad_identifier_rejects_its_row_and_says_where() -> None:
    affected_list = read(csv_file(LISE, "A1;31/02/1980;;;;", ";1980-01-01;;;;"))
    assert (affected_list.members, affected_list.rows_rejected) == (1, 2)
    assert problems_of(affected_list) == [
        (3, "birth_date", Problem.BIRTH_DATE_IMPOSSIBLE),
        (4, "member_number", Problem.MEMBER_NUMBER_MISSING),
    ]


def test_a_bad_contact_keeps_the_person() -> None:
    affected_list = accepted(csv_file("A1;1980-01-01;Marin;Lise;lise chez moi;01 42 34 56 78"))
    (member,) = members_of(affected_list)
    assert member.contact_flags == EMAIL_INVALID | PHONE_INVALID
    assert (member.email_fingerprint, member.phone_fingerprint) == (None, None)
    assert affected_list.members_without_contact == 1
    assert problems_of(affected_list) == [
        (2, "email", Problem.EMAIL_FORMAT),
        (2, "phone", Problem.PHONE_LANDLINE),
    ]


def test_a_row_with_too_many_cells_is_rejected() -> None:
    assert read(csv_file(LISE, OMAR + ";")).rows_rejected == 0
    affected_list = read(csv_file(LISE, OMAR + ";;x"))
    assert problems_of(affected_list) == [(3, "", Problem.TOO_MANY_CELLS)]


def test_the_header_may_stand_again_where_files_were_put_together() -> None:
    affected_list = read(csv_file(LISE, HEADER, OMAR, "A9;;;;;"))
    assert (affected_list.rows, affected_list.members, affected_list.rows_rejected) == (3, 2, 1)
    assert affected_list.problems.get().row == 5


@pytest.mark.parametrize(
    "total",
    [
        "Total;;;;;",
        "TOTAL GÉNÉRAL :;;2;;;",
        ";;;Nombre d’adhérents : 1 234;;",
        "Sous-total;total;;2,5;;",
        "Total : 2",
    ],
)
def test_a_line_of_totals_is_nobody(total: str) -> None:
    affected_list = read(csv_file(LISE, total, OMAR))
    assert (affected_list.rows, affected_list.members, affected_list.rows_rejected) == (2, 2, 0)
    assert problems_of(affected_list) == [(3, "", Problem.TOTAL)]


@pytest.mark.parametrize(
    "person",
    [
        "A9;;Total;;;",
        "12;;Nombre;;;",
        "Total;31/02/1980;;;;",
        "Totalenergies;;;;;",
        "Total;;Lise;;;",
        ";;;;total@example.fr;",
    ],
)
def test_somebody_who_may_be_a_person_is_rejected_and_counted(person: str) -> None:
    affected_list = read(csv_file(LISE, person, OMAR))
    assert (affected_list.rows, affected_list.rows_rejected) == (3, 1)


def test_a_row_without_its_last_cells_is_read() -> None:
    assert read(csv_file("A1;1980-01-01")).members == 1


def test_a_lone_nir_is_rejected_by_its_key_only() -> None:
    rows = [f"B{n};1980-01-01;;;;" for n in range(20)]
    by_chance, keyed = "1850375116001;1985-03-01;;;;", "255081416802538;1955-08-01;;;;"
    affected_list = read(csv_file(*rows, by_chance, keyed))
    assert problems_of(affected_list) == [(23, "member_number", Problem.MEMBER_NUMBER_NIR)]


def test_a_nir_in_wide_digits_is_a_nir() -> None:
    wide = "".join(chr(ord(digit) + 0xFEE0) for digit in "255081416802538")
    affected_list = read(csv_file(f"{wide};1955-08-01;;;;", OMAR))
    assert problems_of(affected_list) == [(2, "member_number", Problem.MEMBER_NUMBER_NIR)]


def test_a_nir_among_names_is_never_stored() -> None:
    affected_list = accepted(csv_file("A1;1980-01-01;255081416802538;Lise;;", OMAR))
    first, _omar = members_of(affected_list)
    assert open_contacts(affected_list).open(first.ordinal, first.contact).last_name == ""
    assert problems_of(affected_list) == [(2, "last_name", Problem.NAME_NIR)]


def test_twins_are_two_people() -> None:
    anne, zoe = "A1;2015-02-02;Marin;Anne;m@example.fr;", "A1;2015-02-02;Marin;Zoé;m@example.fr;"
    affected_list = accepted(csv_file(anne, zoe))
    first, second = members_of(affected_list)
    assert first.fingerprint == second.fingerprint
    assert first.name_tag != second.name_tag
    assert first.email_fingerprint == second.email_fingerprint


@pytest.mark.parametrize("nobody", ["-", "'-'", "?", "- -"])
def test_a_name_without_letters_makes_no_twin(nobody: str) -> None:
    row = "A1;2015-02-02;{name};{name};m@example.fr;"
    affected_list = read(csv_file(row.format(name=nobody), row.format(name="Marin")))
    assert (affected_list.members, affected_list.rows_duplicate) == (1, 1)


def test_an_identical_row_is_a_duplicate() -> None:
    affected_list = accepted(csv_file(LISE, OMAR, LISE))
    assert (affected_list.members, affected_list.rows_duplicate) == (2, 1)
    assert [member.ordinal for member in members_of(affected_list)] == [3, 4]
    assert problems_of(affected_list) == [(2, "", Problem.DUPLICATE)]


def test_the_last_of_two_contradictory_contacts_wins_and_is_reported() -> None:
    moved = LISE.replace("lise@", "lise.marin@")
    affected_list = accepted(csv_file(LISE, moved))
    (member,) = members_of(affected_list)
    contact = open_contacts(affected_list).open(member.ordinal, member.contact)
    assert contact.email == "lise.marin@courrier.example.fr"
    assert (affected_list.rows_conflicting, affected_list.rows_duplicate) == (1, 0)
    assert problems_of(affected_list) == [(2, "", Problem.CONFLICTING_CONTACT)]


def test_a_row_without_contact_contradicts_nothing() -> None:
    silent = "A00123;31/12/1980;MARIN;Lise;;"
    affected_list = accepted(csv_file(LISE, silent))
    (member,) = members_of(affected_list)
    assert member.ordinal == 2
    assert (affected_list.rows_duplicate, affected_list.rows_conflicting) == (1, 0)


def test_every_row_is_counted_once() -> None:
    other = LISE.replace("lise@", "autre@")
    affected_list = read(csv_file(LISE, OMAR, OMAR, other, "A9;;;;;"))
    assert affected_list.rows == 5
    assert affected_list.rows == (
        affected_list.members
        + affected_list.rows_rejected
        + affected_list.rows_duplicate
        + affected_list.rows_conflicting
    )


def test_no_identifier_or_contact_is_in_the_database() -> None:
    affected_list = accepted(csv_file(LISE))
    with connection.cursor() as cursor:
        cursor.execute("SELECT t::text, contact FROM members.affected_member AS t")
        ((row, contact),) = cursor.fetchall()
    for value in ("00123", "1980", "Marin", "lise@", "639980001"):
        assert value not in row
        assert value.encode() not in bytes(contact)
    assert affected_list.chunk_count == 0


def test_a_list_crosses_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "CHUNK_BYTES", 100)
    monkeypatch.setattr(cutting, "BLOCK_BYTES", 200)
    seen: list[int] = []
    affected_list = received(csv_file(*(f"A{n};1980-01-01;;;;" for n in range(100))))
    with as_role("worker"):
        ingest_list(list_id=affected_list.pk, now=cast.NOW, report=seen.append)
    affected_list.refresh_from_db()
    assert (affected_list.rows, affected_list.members) == (100, 100)
    assert len(seen) > 5
    assert affected_list.bytes_read == seen[-1] == affected_list.size_bytes


def test_a_reading_that_failed_goes_on_where_it_stopped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    affected_list = received(csv_file(LISE, "A9;;;;;"))
    with monkeypatch.context() as broken, as_role("worker"):
        broken.setattr(ingestion, "_finish", _fail)
        with pytest.raises(ConnectionError):
            ingest_list(list_id=affected_list.pk, now=cast.NOW)
    with as_role("worker"):
        ingest_list(list_id=affected_list.pk, now=cast.NOW)
    affected_list.refresh_from_db()
    assert (affected_list.state, affected_list.attempt) == (ListState.REVIEW, 1)
    assert (affected_list.members, affected_list.rows_rejected) == (1, 1)
    assert affected_list.problems.count() == 1


def test_a_list_that_can_never_be_read_is_refused_in_the_end() -> None:
    affected_list = received(csv_file(LISE))
    AffectedList.objects.filter(pk=affected_list.pk).update(attempt=ingestion.MAX_ATTEMPTS)
    with as_role("worker"):
        ingest_list(list_id=affected_list.pk, now=cast.NOW)
    affected_list.refresh_from_db()
    assert affected_list.refusal_code == Refusal.READING_FAILED


def test_a_list_held_by_another_worker_is_left_to_it() -> None:
    affected_list = received(csv_file(LISE))
    with other_worker_holding(affected_list.pk):
        assert held_lists() == {affected_list.pk}
        with as_role("worker"):
            ingest_list(list_id=affected_list.pk, now=cast.NOW)
    affected_list.refresh_from_db()
    assert affected_list.state == ListState.UPLOADED


def test_a_lost_piece_of_the_upload_refuses_the_list() -> None:
    affected_list = received(csv_file(LISE))
    erase_chunks(affected_list.upload_id)
    with as_role("worker"):
        ingest_list(list_id=affected_list.pk, now=cast.NOW)
    affected_list.refresh_from_db()
    assert affected_list.refusal_code == Refusal.UPLOAD_DAMAGED
    assert affected_list.sha256 is None  # That of half a file would be nobody's.


def test_a_refused_list_leaves_its_hash_and_counts_only() -> None:
    affected_list = read(csv_file("A9;;;;;"))
    assert (affected_list.rows, affected_list.rows_rejected) == (1, 1)
    assert affected_list.sha256 is not None
    assert affected_list.problems.count() == 0
    assert not table_exists(affected_list.pk)
    assert not key_store().exists(f"list/{affected_list.pk}/1")


def test_a_destroyed_key_opens_nothing() -> None:
    affected_list = accepted(csv_file(LISE))
    key_store().destroy(f"list/{affected_list.pk}/1")
    with pytest.raises(KeyNotFoundError):
        open_contacts(affected_list)


def test_a_contact_opens_in_its_own_row_only() -> None:
    affected_list = accepted(csv_file(LISE, OMAR))
    lise, omar = members_of(affected_list)
    opener = open_contacts(affected_list)
    with pytest.raises(DamagedError):
        opener.open(omar.ordinal, lise.contact)


@pytest.mark.parametrize("table", ["members.affected_member", "affected_member"])
def test_the_web_role_cannot_read_members(table: str) -> None:
    accepted(csv_file(LISE))
    with pytest.raises(DatabaseError, match=r"permission denied|does not exist"), as_role("web"):
        connection.cursor().execute(f"SELECT count(*) FROM {table}")


def test_operators_must_be_those_of_the_insurer() -> None:
    with pytest.raises(OperatorsNotAffiliatedError):
        received(csv_file(LISE), operators=[cast.operator("betapay")])


def test_the_trail_says_who_did_what() -> None:
    accepted(csv_file(LISE))
    entries = AuditEntry.objects.filter(scope=insurer_scope(cast.phare().pk))
    actions = [entry.action for entry in entries.filter(action__startswith="list.")]
    assert actions == ["list.uploaded", "list.ingested", "list.accepted", "list.published"]


def _fail(*args: object) -> None:
    raise ConnectionError


def test_a_reader_that_comes_late_does_not_read_a_text_that_was_replaced() -> None:
    affected_list = received(csv_file(LISE))
    with as_role("worker"):
        prepare_list(list_id=affected_list.pk, now=cast.NOW)
        late = AffectedList.objects.get(pk=affected_list.pk)
        AffectedList.objects.filter(pk=late.pk).update(text=ingestion.REWRITE)
        prepare_list(list_id=affected_list.pk, now=cast.NOW)
        assert not ingestion._read_blocks(late, None, None)
        assert late.blocks.get().attempts == 0
        ingest_list(list_id=affected_list.pk, now=cast.NOW)
    affected_list.refresh_from_db()
    assert (affected_list.state, affected_list.members) == (ListState.REVIEW, 1)


def test_a_list_that_an_earlier_release_began_to_read_is_read_anew() -> None:
    affected_list = received(csv_file(LISE, LISE, OMAR))
    with as_role("worker"):
        prepare_list(list_id=affected_list.pk, now=cast.NOW)
        present = AffectedList.objects.get(pk=affected_list.pk)
        assert not ingestion._read_blocks(present, None, None)
        affected_list.blocks.update(member_hashes=None, address_hashes=None)
        ingest_list(list_id=affected_list.pk, now=cast.NOW)
    affected_list.refresh_from_db()
    assert (affected_list.state, affected_list.attempt) == (ListState.REVIEW, 2)
    assert (affected_list.members, affected_list.rows_duplicate) == (2, 1)


def test_a_block_that_another_worker_reads_is_left_to_it() -> None:
    affected_list = received(csv_file(LISE))
    with as_role("worker"):
        prepare_list(list_id=affected_list.pk, now=cast.NOW)
        block = affected_list.blocks.get()
        with other_worker_holding(block.pk, lock_class=BLOCK_CLASS):
            ingest_list(list_id=affected_list.pk, now=cast.NOW)
    block.refresh_from_db()
    affected_list.refresh_from_db()
    assert (block.attempts, block.is_read) == (0, False)
    assert affected_list.state == ListState.INGESTING
