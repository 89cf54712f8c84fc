"""A pack of a million events: how long it takes, in how much memory; its check is as exact."""

import os
import resource
import subprocess
import sys
import threading
import time
from pathlib import Path
from zipfile import ZipFile

import pytest
from pytest_django.plugin import DjangoDbBlocker

from notifications.evidence import verify_evidence
from notifications.evidence.keys import published_keys
from notifications.evidence.packs import file_of
from notifications.models import EvidencePack
from tests.faults.stack import own_database
from tests.notifications.evidence.big import many_events
from tests.notifications.evidence.conftest import make_one, repack_without_an_event

EVENTS = 1_000_000
MOST_MEMORY_MB = 120
CHECKED = """
import re, runpy, sys
sys.argv = sys.argv[1:]
try:
    runpy.run_path(sys.argv[0], run_name="__main__")
finally:
    most = re.search(r"VmHWM:[^0-9]+([0-9]+)", open("/proc/self/status").read())
    print(int(most[1]) // 1024, file=sys.stderr)
"""


def checked(path: Path, key: str) -> tuple[int, str, int, float]:
    """Run the check in a clean interpreter; return its code, words, megabytes and seconds."""
    began = time.monotonic()
    script = verify_evidence.__file__
    done = subprocess.run(
        [sys.executable, "-I", "-c", CHECKED, script, str(path), "--key", key],
        capture_output=True,
        env={},
    )
    seconds = time.monotonic() - began
    return done.returncode, done.stdout.decode(), int(done.stderr), seconds


def resident_mb() -> int:
    fields = Path("/proc/self/statm").read_text().split()
    return int(fields[1]) * resource.getpagesize() // 2**20


class Watched:
    """How far this process's memory grows in a block, in megabytes."""

    def __enter__(self) -> "Watched":
        self._before, self.most, self._goes_on = resident_mb(), 0, True
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def _watch(self) -> None:
        while self._goes_on:
            self.most = max(self.most, resident_mb() - self._before)
            time.sleep(0.05)

    def __exit__(self, *_exception: object) -> None:
        self._goes_on = False
        self._thread.join()


@pytest.mark.full
def test_a_million_events_are_packed_and_checked_in_little_memory(
    tmp_path: Path,
    django_db_setup: None,
    django_db_blocker: DjangoDbBlocker,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with django_db_blocker.unblock(), own_database(f"evidence_full_{os.getpid()}", tmp_path):
        many_events(EVENTS)
        began = time.monotonic()
        with Watched() as memory:
            pack = make_one()
        making = time.monotonic() - began
        pack = EvidencePack.objects.get(pk=pack.pk)
        path, key = file_of(pack), published_keys()[0].fingerprint
        code, said, megabytes, seconds = checked(path, key)
        assert (code, said.startswith("Tout est exact")) == (0, True), said
        with ZipFile(path) as made:
            unpacked = sum(info.file_size for info in made.infolist())
        with capsys.disabled():
            print(  # noqa: T201 (goes to docs/evidence.md)
                f"\n{pack.rows_total:,} events: made in {making:.1f} s (+{memory.most} MB), "
                f"{pack.size_bytes / 1e6:.1f} MB zipped of {unpacked / 1e6:.1f}; "
                f"checked in {seconds:.1f} s ({megabytes} MB)"
            )
        assert max(memory.most, megabytes) < MOST_MEMORY_MB
        dropped = repack_without_an_event(path, tmp_path / "dropped.zip", rank=500_001)
        code, said, *_ = checked(dropped, key)
        assert (code, "événement 500001 manquant" in said) == (1, True), said
