"""Statements that are run for each message, past Django's cursors."""

from collections.abc import Iterator, Mapping
from itertools import count
from typing import Any

import psycopg
from django.db import connection
from psycopg import errors, pq
from psycopg.rows import dict_row

from notifications.cooperation import wait_readable, wait_writable

_numbers = count(1)


def first_row(statement: str, values: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the first row that a statement returns, by the names of its columns."""
    connection.ensure_connection()
    with (
        connection.wrap_database_errors,
        psycopg.Cursor(connection.connection, row_factory=dict_row) as cursor,
    ):
        return cursor.execute(statement.encode(), values).fetchone()


class PreparedStatement:
    """A statement of a connection, run hundreds of times a second: by libpq, without a cursor.

    A cursor takes 0.15 ms of the processor each time, as long as everything else that sending a
    message costs. Parameters ($1, $2) and columns are text, as PostgreSQL writes them. It is lost
    where psycopg prepares statements of its own: after a rollback it has PostgreSQL forget all
    (Django has it prepare none).
    """

    def __init__(self, wire: "psycopg.Connection[Any]", statement: str) -> None:
        self._wire, self._name = wire, b"prepared_%d" % next(_numbers)
        with wire.lock:
            self._checked(wire.pgconn.prepare(self._name, statement.encode()))

    def rows(self, *values: str) -> list[tuple[bytes | None, ...]]:
        """Run it while others go on, but not over this connection; raise psycopg's errors."""
        with self._wire.lock:  # Which psycopg's own cursors take.
            given = [value.encode() for value in values]
            self._wire.pgconn.send_query_prepared(self._name, given)
            results = list(self._results())  # All, or the next statement would find the rest.
            *_empty, found = map(self._checked, results)
        columns = range(found.nfields)
        return [tuple(found.get_value(row, n) for n in columns) for row in range(found.ntuples)]

    def _results(self) -> "Iterator[pq.abc.PGresult]":
        """Yield all that comes, up to the sign that it is committed (libpq, 32.4)."""
        wire = self._wire.pgconn
        while wire.flush():
            wait_writable(wire.socket)
        while True:
            while wire.is_busy():
                wait_readable(wire.socket)
                wire.consume_input()
            result = wire.get_result()
            if result is None:
                return
            yield result

    def _checked(self, result: "pq.abc.PGresult") -> "pq.abc.PGresult":
        if result.status in (pq.ExecStatus.TUPLES_OK, pq.ExecStatus.COMMAND_OK):
            return result
        if self._wire.pgconn.status == pq.ConnStatus.BAD:
            raise psycopg.OperationalError("PostgreSQL has closed the connection")
        raise errors.error_from_result(result)
