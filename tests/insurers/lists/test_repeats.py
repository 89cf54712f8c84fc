"""Repeated members and shared addresses, from the hashes that blocks keep."""

import struct

import pytest
from django.db import connection

from insurers.lists import repeats
from insurers.models import AffectedList, ListBlock
from tests.insurers.lists.files import LISE, csv_file, received

pytestmark = pytest.mark.django_db

PLACEHOLDER = 7
"""The hash of an address that stands on row after row."""


def list_of(*blocks: list[int]) -> AffectedList:
    """Return a list whose blocks keep these hashes, of members and of addresses alike."""
    found = received(csv_file(LISE))
    found.rows = sum(map(len, blocks))
    first_row = 2
    for number, hashes in enumerate(blocks):
        kept = struct.pack(f"<{len(hashes)}Q", *hashes)
        ListBlock.objects.create(
            list=found,
            number=number,
            start=0,
            end=1,
            first_row=first_row,
            records=len(hashes),
            member_hashes=kept,
            address_hashes=kept,
        )
        first_row += len(hashes)
    return found


def repeated_rows(found: AffectedList) -> list[int]:
    repeats.note_repeated_rows(found)
    with connection.cursor() as cursor:
        cursor.execute("SELECT ordinal FROM repeated_row ORDER BY ordinal")
        return [row[0] for row in cursor.fetchall()]


@pytest.mark.parametrize("slice_rows", [1, 3, 100])
def test_rows_are_repeated_within_a_block_or_in_several(
    slice_rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repeats, "SLICE_ROWS", slice_rows)
    found = list_of([11, 12, 12, 0], [13, 11, 0], [14, 2**63 + 1], [15, 2**63 + 1, 11])
    assert repeated_rows(found) == [2, 3, 4, 7, 10, 12, 13]


def test_a_list_without_repetitions_notes_no_row() -> None:
    assert repeated_rows(list_of([11, 12, 0], [13, 0, 0])) == []


@pytest.mark.parametrize("slice_rows", [1, 3, 100])
def test_who_shares_an_address_counts_unless_the_row_is_gone(
    slice_rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repeats, "SLICE_ROWS", slice_rows)
    found = list_of([11, 12, 12, 0], [13, 11, 0], [14, 15], [15, 11])
    with connection.cursor() as cursor:
        cursor.execute("CREATE TEMPORARY TABLE gone_row (ordinal integer) ON COMMIT DROP")
        cursor.execute("INSERT INTO gone_row VALUES (3), (12)")
    assert repeats.shared_addresses(found) == (2, 4)


def test_an_address_on_every_row_takes_no_memory_for_each() -> None:
    found = list_of(*[[PLACEHOLDER] * 1000] * 5)
    (kept,) = repeats._slices(found, "address_hashes")
    assert (len(kept.hashes), kept.more) == (5 * repeats.MANY, 5 * (1000 - repeats.MANY))
    with connection.cursor() as cursor:
        cursor.execute("CREATE TEMPORARY TABLE gone_row (ordinal integer) ON COMMIT DROP")
    assert repeats.shared_addresses(found) == (1, 5000)
