"""Session advisory locks on lists and their blocks; PostgreSQL frees those of a dead worker."""

from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import blake2b
from uuid import UUID

from django.db import connection

from insurers.lists.memory import take_memory_to_join

# The first number of the lock's two; others in the portal use one number or another class.
LIST_CLASS = 7401
PUBLICATION_CLASS = 7402
BLOCK_CLASS = 7403
FINGERPRINTS_CLASS = 7404
ROTATION_CLASS = 7405
ADDRESS_KEY_CLASS = 7406


@contextmanager
def list_lock(list_id: int, *, wait: bool = False, shared: bool = False) -> Iterator[bool]:
    """Hold a list for the block; yield False where another worker holds it (never if `wait`).

    Those who hold it `shared` read its blocks side by side; nobody else holds it then.
    """
    with session_lock(LIST_CLASS, list_id, wait=wait, mode="_shared" if shared else "") as held:
        yield held


@contextmanager
def block_lock(block_id: int) -> Iterator[bool]:
    """Hold a block of a list; yield False where another worker holds it."""
    with session_lock(BLOCK_CLASS, block_id % 2**31) as held:
        yield held


@contextmanager
def rotation_lock(breach_id: int) -> Iterator[bool]:
    """Hold the rotation of a breach's key; yield False where another worker holds it."""
    with session_lock(ROTATION_CLASS, breach_id) as held:
        yield held


@contextmanager
def fingerprints_lock(breach_id: int, insurer_id: UUID) -> Iterator[None]:
    """Keep an insurer's fingerprints in a breach from being compared, for the block; waits.

    Whoever compares fingerprints of different rows asks `fingerprints_stand_still` first.
    """
    with session_lock(FINGERPRINTS_CLASS, _hash(f"{breach_id} {insurer_id}"), wait=True):
        yield


def fingerprints_stand_still(breach_id: int, insurer_id: UUID) -> bool:
    """Whether nobody rewrites them; if so, until the end of the transaction. Never waits."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_try_advisory_xact_lock_shared(%s, %s)",
            [FINGERPRINTS_CLASS, _hash(f"{breach_id} {insurer_id}")],
        )
        return bool(cursor.fetchone() == (True,))


def hold_address_key(insurer_id: UUID) -> None:
    """Let one worker at a time take or retire an insurer's address key; until commit."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_advisory_xact_lock(%s, %s)", [ADDRESS_KEY_CLASS, _hash(str(insurer_id))]
        )


def _hash(text: str) -> int:
    return int.from_bytes(blake2b(text.encode(), digest_size=4).digest(), "big", signed=True)


@contextmanager
def session_lock(
    lock_class: int, number: int, *, wait: bool = False, mode: str = ""
) -> Iterator[bool]:
    """Hold an advisory lock of the session, for the block; yield False where another holds it.

    `mode` is "_shared" for those who may hold it side by side.
    """
    verb = f"pg_advisory_lock{mode}" if wait else f"pg_try_advisory_lock{mode}"
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {verb}(%s, %s)", [lock_class, number])
        held = wait or cursor.fetchone() == (True,)
    try:
        yield held
    finally:
        if held and connection.is_usable():
            with connection.cursor() as cursor:
                cursor.execute(f"SELECT pg_advisory_unlock{mode}(%s, %s)", [lock_class, number])


def held_lists() -> set[int]:
    """Return the lists that some living worker holds."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT objid FROM pg_locks WHERE locktype = 'advisory' AND classid = %s"
            " AND objsubid = 2 AND granted"
            " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
            [LIST_CLASS],
        )
        return {row[0] for row in cursor.fetchall()}


def take_turn(insurer_id: UUID, *, wait: bool = True) -> bool:
    """Let one worker at a time change who is listed and told of an insurer's people.

    Held until the transaction ends; taken before any row is locked. Returns False where another
    one has it, which may be for minutes (never if `wait`). What follows joins millions of rows,
    so it gets the memory for that.
    """
    try_or_wait = "pg_advisory_xact_lock" if wait else "pg_try_advisory_xact_lock"
    with connection.cursor() as cursor:
        take_memory_to_join(cursor)
        cursor.execute(
            f"SELECT {try_or_wait}(%s, hashtext(%s))", [PUBLICATION_CLASS, str(insurer_id)]
        )
        return wait or (cursor.fetchone() or (False,))[0]
