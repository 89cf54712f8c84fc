"""A machine that is gone without a word is missed within a minute: its locks are free then."""

import pytest
from django.db import connection
from psycopg.conninfo import conninfo_to_dict

pytestmark = pytest.mark.django_db

NAMES = ("keepalives_idle", "keepalives_interval", "keepalives_count", "tcp_user_timeout")


def test_postgresql_misses_it() -> None:
    with connection.cursor() as cursor:
        # On a socket of one machine they show as 0: only what was asked for is told.
        cursor.execute("SELECT name, reset_val::int FROM pg_settings WHERE name LIKE 'tcp_%'")
        asked = dict(cursor.fetchall())
    assert 0 < seconds({name: asked[f"tcp_{name.removeprefix('tcp_')}"] for name in NAMES}) <= 60


def test_a_process_misses_postgresql() -> None:
    assert connection.connection is not None
    said = conninfo_to_dict(connection.connection.info.dsn)
    assert 0 < seconds({name: int(str(said[name])) for name in NAMES}) <= 60


def seconds(kept: dict[str, int]) -> float:
    """Return how long an absence may last, whether an answer is waited for or not."""
    idle = kept["keepalives_idle"] + kept["keepalives_interval"] * kept["keepalives_count"]
    return max(idle, kept["tcp_user_timeout"] / 1000) if kept["tcp_user_timeout"] else 0
