"""Whatever a killed worker had built of a list's indexes, the next one ends with both."""

import os
from collections.abc import Collection
from pathlib import Path

from django.db import connection
from pytest_django.plugin import DjangoDbBlocker

from insurers.lists.tables import _indexes, attach_table, indexes_built, make_table
from tests.faults.stack import own_database

_OF_PARTITION = """
SELECT count(*), count(inhparent) FROM pg_index
LEFT JOIN pg_inherits ON inhrelid = indexrelid WHERE indrelid = %s::regclass AND indisvalid
"""


def test_indexes_that_a_killed_worker_left_are_completed(
    tmp_path: Path, django_db_setup: None, django_db_blocker: DjangoDbBlocker
) -> None:
    name = f"index_kills_{os.getpid()}"
    with django_db_blocker.unblock(), own_database(name, tmp_path):
        left: tuple[Collection[int], ...] = ((), (0,), (1,), (0, 1))
        found = [indexes_after(list_id, built) for list_id, built in enumerate(left, 1)]
    assert found == [(2, 2)] * len(left)


def indexes_after(list_id: int, built: Collection[int]) -> tuple[int, int]:
    """Return how many indexes a partition has in the end, and how many are its parent's."""
    make_table(list_id)
    with connection.cursor() as cursor:
        for place in built:
            cursor.execute(_indexes(list_id)[place])
    for _reading in ("the next", "one killed after its last index"):
        with indexes_built(list_id):
            pass
    attach_table(list_id)
    with connection.cursor() as cursor:
        cursor.execute(_OF_PARTITION, [f"members.list_{list_id}"])
        return cursor.fetchone() or (0, 0)
