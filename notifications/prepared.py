"""Statements that are run for each message: planned once per connection.

Planning takes PostgreSQL nearly as long as the statement itself.
"""

from collections.abc import Mapping
from typing import Any

import psycopg
from django.db import connection
from psycopg.rows import dict_row


def first_row(statement: str, values: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the first row that a statement returns, by the names of its columns."""
    connection.ensure_connection()
    with (
        connection.wrap_database_errors,
        psycopg.Cursor(connection.connection, row_factory=dict_row) as cursor,
    ):
        return cursor.execute(statement.encode(), values, prepare=True).fetchone()
