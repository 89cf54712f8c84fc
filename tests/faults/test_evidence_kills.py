"""SIGKILL of a worker that makes a pack of evidence: no half pack is ever offered."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings
from pytest_django.plugin import DjangoDbBlocker

from audit.models import AuditEntry
from notifications.evidence.keys import published_keys
from notifications.evidence.packs import ask_for_evidence, file_of
from notifications.evidence.verify_evidence import check
from notifications.models import EvidencePack, PackState
from tests import cast
from tests.faults.stack import Stack, own_database
from tests.notifications.evidence.big import many_events

EVENTS = 150_000  # a second or two of writing, in which to be killed


@pytest.fixture
def stack(
    tmp_path: Path, django_db_setup: None, django_db_blocker: DjangoDbBlocker
) -> Iterator[Stack]:
    name = f"evidence_kills_{os.getpid()}"
    with django_db_blocker.unblock(), own_database(name, tmp_path):
        stack = Stack(tmp_path, name=name, redis_db=11, smtp_port=1, processes=1)
        try:
            yield stack
        finally:
            stack.stop()


def drafts() -> list[Path]:
    return list(settings.EVIDENCE_DIR.glob("*.draft"))


def test_a_kill_half_way_offers_nothing_and_the_next_worker_begins_anew(stack: Stack) -> None:
    many_events(EVENTS)
    pack = ask_for_evidence(
        breach=cast.breach(), insurer=cast.phare(), requested_by_id=cast.aude().pk, now=cast.NOW
    )

    def now() -> EvidencePack:
        return EvidencePack.objects.get(pk=pack.pk)

    stack.start_worker()
    stack.send("notifications.tasks.resume_campaigns")
    stack.wait_for(lambda: 0 < now().rows_done < EVENTS, what="a pack half-way", every=0.005)
    stack.kill_worker()
    assert len(drafts()) == 1
    assert (now().state, file_of(pack).exists()) == (PackState.ASKED, False)

    stack.start_worker()
    deadline = time.monotonic() + 60
    while now().state != PackState.READY and time.monotonic() < deadline:
        stack.send("notifications.tasks.resume_campaigns")
        time.sleep(1)
    made = now()
    assert (made.state, made.failures, drafts()) == (PackState.READY, 0, [])
    found = check(
        file_of(made), key=published_keys()[0].fingerprint, sha256=bytes(made.sha256).hex()
    )
    assert list(found) == []
    assert AuditEntry.objects.filter(action="evidence.made").count() == 1
