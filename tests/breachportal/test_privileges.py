"""`breachportal/privileges.py` says who holds what; PostgreSQL's catalogue must say the same."""

from typing import Any

import pytest
from django.db import ProgrammingError, connection

from breachportal.privileges import OWNER, PRIVILEGES, ROW_POLICIES, WEB, WORKER, apply_privileges
from tests.conftest import as_role

pytestmark = pytest.mark.django_db


def rows(query: str) -> set[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(query)
        return set(cursor.fetchall())


def test_every_table_is_named_and_every_name_is_a_table() -> None:
    tables = rows(
        "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace"
        " AND relkind IN ('r', 'p', 'f', 'm', 'v')"
    )
    assert {name for (name,) in tables} == set(PRIVILEGES)


def test_every_right_is_written_and_every_written_right_is_given() -> None:
    written = {
        (role, table, right)
        for table, rights in PRIVILEGES.items()
        for role, given in zip((WEB, WORKER), rights, strict=True)
        for right in (given or "").split(", ")
        if right
    }
    given = rows(
        "SELECT coalesce(rolname, 'PUBLIC'), relname, privilege_type"
        " FROM pg_class CROSS JOIN aclexplode(relacl) LEFT JOIN pg_roles ON pg_roles.oid = grantee"
        " WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'f', 'm', 'v')"
        f" AND coalesce(rolname, 'PUBLIC') IN ('{WEB}', '{WORKER}', 'PUBLIC')"
    )
    columns = rows(
        "SELECT rolname, relname, privilege_type || ' (' || attname || ')'"
        " FROM pg_attribute CROSS JOIN aclexplode(attacl) JOIN pg_class ON pg_class.oid = attrelid"
        " JOIN pg_roles ON pg_roles.oid = grantee"
        f" WHERE rolname IN ('{WEB}', '{WORKER}')"
    )
    assert given | columns == written


def test_row_policies_stand_on_the_tables_written_and_nowhere_else() -> None:
    forced = rows(
        "SELECT relname FROM pg_class WHERE relrowsecurity AND relforcerowsecurity"
        " AND relnamespace = 'public'::regnamespace"
    )
    assert {name for (name,) in forced} == set(ROW_POLICIES)
    policies = rows(
        "SELECT tablename, policyname, roles::text FROM pg_policies WHERE schemaname = 'public'"
    )
    assert policies == {
        (table, name, f"{{{roles}}}")
        for table in ROW_POLICIES
        for name, roles in (
            ("everything", f"{OWNER},{WORKER}"),
            ("seen", WEB),
            ("written_insert", WEB),
            ("written_update", WEB),
            ("written_delete", WEB),
        )
    }


def test_no_role_of_the_portal_goes_round_row_security() -> None:
    assert rows(
        "SELECT rolsuper, rolbypassrls, rolcreaterole, rolcreatedb FROM pg_roles"
        f" WHERE rolname IN ('{WEB}', '{WORKER}', '{OWNER}')"
    ) == {(False, False, False, False)}


@pytest.mark.parametrize(
    "table",
    [
        "insurers_addresskey",
        "insurers_fingerprintkey",
        "insurers_keyreport",
        "members.affected_member",
        "members.listing_mark",
        "notifications_notification",
        "notifications_notificationmember",
        "notifications_covered",
        "notifications_deliveryevent",
        "notifications_told",
        "audit_trailhead",
    ],
)
def test_the_web_role_cannot_read_people_and_messages(table: str) -> None:
    with pytest.raises(ProgrammingError, match="permission denied"), as_role("web"):
        rows(f"SELECT * FROM {table}")


@pytest.mark.parametrize("role", ["web", "worker"])
def test_neither_role_alters_tables_or_lifts_policies(role: str) -> None:
    with pytest.raises(ProgrammingError, match="must be owner"), as_role(role):
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE insurers_affectedlist DISABLE ROW LEVEL SECURITY")


def test_applying_twice_changes_nothing() -> None:
    grants = "SELECT grantee, table_name, privilege_type FROM information_schema.role_table_grants"
    before = rows(grants)
    with as_role("owner"):
        apply_privileges()
    assert rows(grants) == before
