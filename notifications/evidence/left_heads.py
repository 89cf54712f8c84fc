"""The trail beside the heads that left into `TRAIL_HEADS_DIR`, as the daily check reads them.

A head that left after a rewrite agrees with it. So all files of two days are read, which the
check before this one has not all seen, and one of each earlier day.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path

from django.conf import settings

from audit.checking import signed_away
from audit.heads import Comparison, UntrustedHeadsError, read_signed
from notifications.evidence.heads import EVERY
from notifications.evidence.keys import published_keys

LATE = 3 * EVERY
READ_ALL = 48  # of the newest: two days of an hourly file
_NAME = re.compile(r"trail-(\d{8})-(\d{8})T\d{6}Z\.heads", re.ASCII)


@dataclass(frozen=True)
class LeftHeads:
    """The trail beside the files, the keys they may be signed with, and what is wrong with them.

    `faults` are "heads" where none left lately, "heads:9" where file 9 is missing, damaged or
    signed by another key.
    """

    comparison: Comparison
    fingerprints: frozenset[str]
    faults: tuple[str, ...]


def compare_with_left_heads(*, now: datetime) -> LeftHeads | None:
    """Compare the trail with the files in the folder (worker); None where there is no folder."""
    if settings.TRAIL_HEADS_DIR is None:
        return None
    keys = frozenset(key.fingerprint for key in published_keys())
    comparison = Comparison(signed_away(keys))
    found = _files(settings.TRAIL_HEADS_DIR)
    faults = [f"heads:{number}" for number in _missing([one[0] for one in found])]
    newest = None
    for number, _day, path in _read(found):
        try:
            signed = read_signed(path.read_bytes(), fingerprints=keys)
        except (UntrustedHeadsError, OSError):
            faults.append(f"heads:{number}")
        else:
            comparison.add(signed)
            newest = datetime.fromisoformat(signed.signed_at)
    if newest is None or now - newest >= LATE:
        faults.append("heads")
    return LeftHeads(comparison, keys, tuple(faults))


def _files(folder: Path) -> list[tuple[int, str, Path]]:
    """Return the files with their numbers and days, the oldest first."""
    named = ((_NAME.fullmatch(path.name), path) for path in folder.glob("trail-*.heads"))
    return sorted((int(name[1]), name[2], path) for name, path in named if name)


def _missing(numbers: Sequence[int]) -> Iterator[int]:
    """Yield the first of each run of numbers between others that is not there."""
    for before, after in pairwise(numbers):
        if after > before + 1:
            yield before + 1


def _read(found: list[tuple[int, str, Path]]) -> list[tuple[int, str, Path]]:
    """Return which of the files are read: the newest, and of each day before the last."""
    of_days = {day: (number, day, path) for number, day, path in found[:-READ_ALL]}
    return [*of_days.values(), *found[-READ_ALL:]]
