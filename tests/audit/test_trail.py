"""The trail: chained by the database, closed to every change, and checked from the outside."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, transaction

from audit.heads import read_heads
from audit.models import AuditEntry
from audit.trail import PORTAL, account, insurer_scope, record, scopes, verify
from tests.audit.tampering import behind_its_back, execute
from tests.conftest import as_role

pytestmark = pytest.mark.django_db

PHARE = insurer_scope("0c7b5a52-6b4e-4c07-9a55-5f3d2a3d9f01")


@pytest.fixture
def _three_entries() -> None:
    for number in (1, 2, 3):
        record(action="list.accepted", scope=PHARE, actor=account(number), detail={"rows": number})


@pytest.mark.usefixtures("_three_entries")
def test_entries_are_chained_from_the_first() -> None:
    first, second, third = AuditEntry.objects.order_by("sequence")
    assert [one.sequence for one in (first, second, third)] == [1, 2, 3]
    assert bytes(first.previous_hash) == b""
    assert bytes(second.previous_hash) == bytes(first.hash)
    assert bytes(third.previous_hash) == bytes(second.hash)
    assert verify(scope=PHARE) is None


def test_each_scope_has_its_own_chain() -> None:
    record(action="list.accepted", scope=PHARE)
    record(action="user.changed", scope=PORTAL)
    assert [entry.sequence for entry in AuditEntry.objects.all()] == [1, 1]
    assert scopes() == [PHARE, PORTAL]


def test_accents_and_empty_details_verify() -> None:
    record(action="campaign.returned", scope=PORTAL, detail={"motif": "à compléter « été » 🙂"})
    record(action="campaign.returned", scope=PORTAL)
    assert verify(scope=PORTAL) is None


def test_an_entry_goes_with_the_transaction_that_wrote_it() -> None:
    with transaction.atomic():
        record(action="list.accepted", scope=PHARE)
        transaction.set_rollback(True)
    assert not AuditEntry.objects.exists()
    record(action="list.refused", scope=PHARE)
    assert verify(scope=PHARE) is None


@pytest.mark.usefixtures("_three_entries")
@pytest.mark.parametrize("role", ["web", "worker", "owner"])
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_auditentry SET actor = 'account:9'",
        "DELETE FROM audit_auditentry",
        "TRUNCATE audit_auditentry",
    ],
)
def test_no_role_changes_the_trail(role: str, statement: str) -> None:
    refusal = "append-only" if role == "owner" else "permission denied"
    with pytest.raises(DatabaseError, match=refusal), as_role(role):
        execute(statement)


@pytest.mark.parametrize("role", ["web", "worker"])
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_trailhead SET sequence = 0",
        "DELETE FROM audit_trailhead",
        "INSERT INTO audit_trailhead VALUES ('portal', 7, '')",
        "ALTER TABLE audit_auditentry DISABLE TRIGGER ALL",
        "SET session_replication_role = replica",
    ],
)
def test_neither_role_touches_heads_or_triggers(role: str, statement: str) -> None:
    with pytest.raises(DatabaseError, match=r"permission denied|must be owner"), as_role(role):
        execute(statement)


@pytest.mark.parametrize("role", ["web", "worker"])
def test_a_forged_rank_date_or_hash_is_overwritten(role: str) -> None:
    with as_role(role):
        execute(
            "INSERT INTO audit_auditentry (scope, sequence, at, actor, action, subject, outcome,"
            " detail, previous_hash, hash) VALUES ('portal', 99, '2001-01-01', 'account:1',"
            " 'list.accepted', '', 'done', '{}', 'x', 'x')"
        )
    entry = AuditEntry.objects.get()
    assert (entry.sequence, entry.at.year > 2001) == (1, True)
    assert verify(scope=PORTAL) is None


@pytest.mark.usefixtures("_three_entries")
@pytest.mark.parametrize(
    ("tampering", "sequence", "reason"),
    [
        ("UPDATE audit_auditentry SET actor = 'account:9' WHERE sequence = 2", 2, "changed"),
        ("UPDATE audit_auditentry SET detail = '{}' WHERE sequence = 3", 3, "changed"),
        ("UPDATE audit_auditentry SET at = at - interval '1 day' WHERE sequence = 1", 1, "changed"),
        ("DELETE FROM audit_auditentry WHERE sequence = 2", 2, "missing"),
        ("DELETE FROM audit_auditentry WHERE sequence = 3", 3, "cut"),
        ("DELETE FROM audit_auditentry", 1, "cut"),
        (
            "UPDATE audit_auditentry SET sequence = sequence + 1 WHERE sequence = 3;"
            " INSERT INTO audit_auditentry (scope, sequence, at, actor, action, subject, outcome,"
            " detail, previous_hash, hash) SELECT scope, 3, at, actor, 'list.refused', subject,"
            " outcome, detail, hash, hash FROM audit_auditentry WHERE sequence = 2",
            3,
            "changed",
        ),
        (
            "UPDATE audit_auditentry SET sequence = -2 WHERE sequence = 2;"
            " UPDATE audit_auditentry SET sequence = 2 WHERE sequence = 3;"
            " UPDATE audit_auditentry SET sequence = 3 WHERE sequence = -2",
            2,
            "does not follow",
        ),
    ],
    ids=["author", "detail", "date", "one deleted", "last deleted", "all", "inserted", "reordered"],
)
def test_what_is_changed_behind_its_back_is_found(
    tampering: str, sequence: int, reason: str
) -> None:
    with behind_its_back():
        execute(tampering)
    fault = verify(scope=PHARE)
    assert fault is not None
    assert fault.sequence == sequence
    assert reason in fault.reason


@pytest.mark.usefixtures("_three_entries")
def test_the_command_counts_what_it_checked() -> None:
    out = StringIO()
    with as_role("worker"):
        call_command("verify_trail", stdout=out)
    assert out.getvalue() == "3 entries in 1 chains: nothing was changed.\n"


@pytest.mark.usefixtures("_three_entries")
def test_the_command_fails_and_names_the_bad_entry() -> None:
    with behind_its_back():
        execute("DELETE FROM audit_auditentry WHERE sequence = 2")
    errors = StringIO()
    with pytest.raises(CommandError) as failure:
        call_command("verify_trail", stderr=errors)
    assert failure.value.returncode == 2
    assert errors.getvalue() == f"{PHARE}: entry 2: entry missing or out of order\n"


def test_a_workers_temporary_table_cannot_stand_in_for_the_heads() -> None:
    record(action="a.done", scope="insurer:1")
    with as_role("worker"), connection.cursor() as cursor:
        cursor.execute("CREATE TEMPORARY TABLE audit_trailhead (LIKE public.audit_trailhead)")
        cursor.execute("INSERT INTO pg_temp.audit_trailhead VALUES ('insurer:1', 7, 'x')")
        record(action="b.done", scope="insurer:1")
        cursor.execute("DROP TABLE pg_temp.audit_trailhead")
    assert verify(scope="insurer:1") is None


def test_the_web_role_cannot_write_into_another_insurers_chain() -> None:
    with pytest.raises(Exception, match="row-level security"), transaction.atomic():
        with as_role("web"):
            record(action="campaign.approved", scope="insurer:elsewhere")


def test_an_entry_chooses_no_number_of_its_own() -> None:
    record(action="a.done", scope="portal")
    taken = AuditEntry.objects.latest("pk").pk
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO audit_auditentry (id, scope, actor, action, subject, outcome, detail)"
            " VALUES (%s, 'portal', 'x', 'x', 'x', 'done', '{}')",
            [taken + 50],
        )
    assert AuditEntry.objects.latest("sequence").pk < taken + 50


@pytest.mark.usefixtures("_three_entries")
@pytest.mark.parametrize("moment", ["infinity", "20000-01-01", "0044-03-15 BC"])
def test_a_time_that_python_cannot_read_is_named(moment: str) -> None:
    with behind_its_back():
        execute(f"UPDATE audit_auditentry SET at = '{moment}' WHERE sequence = 3")
    fault = verify(scope=PHARE)
    assert fault is not None
    assert (fault.sequence, fault.reason) == (3, "changed after it was written")
    assert [head.at for head in read_heads()] == [None]
    with behind_its_back():
        execute("UPDATE audit_auditentry SET actor = 'x' WHERE sequence = 2")
    fault = verify(scope=PHARE)
    assert fault is not None
    assert fault.sequence == 2
