"""A connection of the pool is handed out only while it lives: a question now and then, not always.

Django's CONN_HEALTH_CHECKS asks PostgreSQL at every request, a fifth of what a short one costs.
But a server that ends says so, and closes: an idle connection on which nothing came in is alive.
"""

import select
import time
from typing import Any

import psycopg
from django.db.backends.postgresql import base
from psycopg_pool import ConnectionPool

ASK_EVERY = 30.0  # seconds: a firewall forgets a silent connection and tells nobody


class DatabaseWrapper(base.DatabaseWrapper):
    """Takes connections of the pool until one lives; those that do not are replaced."""

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        while True:
            connection = super().get_new_connection(conn_params)
            if _is_alive(connection):
                return connection
            connection.close()
            self.pool.putconn(connection)


def _is_alive(connection: Any) -> bool:
    now = time.monotonic()
    if not _has_news(connection) and now - getattr(connection, "alive_at", 0.0) < ASK_EVERY:
        return True
    try:
        ConnectionPool.check_connection(connection)
    except psycopg.OperationalError:
        return False
    connection.alive_at = now
    return True


def _has_news(connection: Any) -> bool:
    """Whether the server sent something, or closed, while nobody used the connection."""
    waiting = select.poll()
    waiting.register(connection.fileno(), select.POLLIN)
    return bool(waiting.poll(0))
