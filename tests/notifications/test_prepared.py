"""Statements that are run for each message, past Django's cursors."""

import pytest
from django.db import DatabaseError, connection, transaction

from notifications.prepared import PreparedStatement, first_row

pytestmark = pytest.mark.django_db


def test_it_gives_the_first_row_by_the_names_of_its_columns() -> None:
    found = first_row("SELECT %(number)s::int AS number, 'a' AS name", {"number": 7})
    assert found == {"number": 7, "name": "a"}
    assert first_row("SELECT 1 AS one WHERE %(given)s::bool", {"given": False}) is None


def test_after_an_error_the_next_statement_gets_its_own_answer() -> None:
    connection.ensure_connection()
    share = PreparedStatement(connection.connection, "SELECT 12 / $1::int, $2::text")
    assert share.rows("4", "first") == [(b"3", b"first")]
    with (
        pytest.raises(DatabaseError),
        transaction.atomic(),
        connection.wrap_database_errors,
    ):
        share.rows("0", "second")
    assert share.rows("6", "third") == [(b"2", b"third")]
