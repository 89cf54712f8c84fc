"""The key of waiting addresses, in the key store: made at the first use, never twice (worker)."""

from collections.abc import Iterator
from datetime import datetime

from insurers.lists.fingerprint_keys import open_key, store_new_key
from lookup.models import WaitingKey

FIRST = 1


def waiting_key(*, now: datetime) -> bytes:
    """Return the key, made where there was none.

    Raises KeyNotFoundError, WrongKeyError or StoreUnreachableError, which name it.
    """
    row = WaitingKey.objects.first()
    if row is None:
        made = WaitingKey(number=FIRST, proof=store_new_key(_name(FIRST)), created_at=now)
        WaitingKey.objects.bulk_create([made], ignore_conflicts=True)
        row = WaitingKey.objects.get(pk=FIRST)
    return open_key(_name(row.number), row.proof)


def expected_keys() -> Iterator[tuple[str, bytes | memoryview | None]]:
    """Yield the name and the proof of each key that must exist."""
    for number, proof in WaitingKey.objects.values_list("number", "proof"):
        yield _name(number), proof


def _name(number: int) -> str:
    return f"waiting/{number}"
