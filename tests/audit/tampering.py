"""What somebody with every right on the database can do to the trail."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection

# A chain made anew from entry %s on, hashes and head included: nothing inside tells.
_REWRITE = """
DO $$
DECLARE one audit_auditentry; before bytea := ''; rank bigint := 0;
BEGIN
    FOR one IN SELECT * FROM audit_auditentry WHERE scope = '{scope}' ORDER BY sequence LOOP
        rank := rank + 1;
        UPDATE audit_auditentry SET sequence = rank, previous_hash = before, hash = sha256(
            audit_field(before) || audit_field(convert_to(scope, 'UTF8'))
            || audit_field(convert_to(rank::text, 'UTF8'))
            || audit_field(convert_to(
                to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), 'UTF8'))
            || audit_field(convert_to(actor, 'UTF8')) || audit_field(convert_to(action, 'UTF8'))
            || audit_field(convert_to(subject, 'UTF8')) || audit_field(convert_to(outcome, 'UTF8'))
            || audit_field(convert_to(detail, 'UTF8')))
            WHERE id = one.id RETURNING hash INTO before;
    END LOOP;
    DELETE FROM audit_trailhead WHERE scope = '{scope}';
    IF rank > 0 THEN INSERT INTO audit_trailhead VALUES ('{scope}', rank, before); END IF;
END $$
"""


@contextmanager
def behind_its_back() -> Iterator[None]:
    """Act as the cluster's superuser, with the trail's triggers off."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        yield
        cursor.execute("SET LOCAL session_replication_role = origin")


def execute(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


def rewrite_chain(scope: str) -> None:
    """Give every entry its place, its hash and the hash before it, as the trigger would have."""
    execute(_REWRITE.replace("{scope}", scope))
