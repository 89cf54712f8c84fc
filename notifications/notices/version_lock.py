"""One person at a time adds a version, to a notice or to a public statement."""

from typing import Literal

from django.db import connection

# The first number of an advisory lock's two.
CLASSES = {"notice": 7431, "statement": 7432}


def hold_versions(of: Literal["notice", "statement"], number: int) -> None:
    """Let nobody else add a version to it, until the transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [CLASSES[of], number])
