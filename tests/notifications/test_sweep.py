"""What the sweep queues again and again, for workers that may be busy for many minutes."""

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from notifications import tasks
from notifications.models import CrowdedAddress, CrowdedChoice, LetterExport, ListReach
from tests import cast
from tests.conftest import as_role
from tests.notifications.effects import add
from tests.notifications.story import approved, member

pytestmark = pytest.mark.django_db


def test_what_it_queues_again_and_again_expires_lest_it_pile_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    queued: dict[str, float | None] = {}

    def note(task: Any, *, expires: float | None = None, **ids: object) -> None:
        queued[task.__name__] = expires

    campaign = approved(add(member(0, email="p0@example.fr")))
    ListReach.objects.all().delete()
    address = CrowdedAddress.objects.create(
        campaign=campaign, address_fingerprint="00000000-0000-0000-0000-000000000001"
    )
    CrowdedChoice.objects.create(
        id=address.pk, campaign=campaign, people=9, first_rows=[], confirmed_at=cast.NOW
    )
    LetterExport.objects.create(
        campaign=campaign,
        insurer=cast.phare(),
        recipient="age1",
        requested_by=cast.paule(),
        requested_at=cast.NOW,
    )
    monkeypatch.setattr(tasks, "enqueue", note)
    with as_role("worker"):
        tasks.resume_campaigns()
    names = ("start_campaign", "tell_crowded", "reach", "make_letters")
    assert queued == dict.fromkeys(names, tasks.SWEPT_FOR)


def test_a_list_is_counted_once_however_often_that_is_queued() -> None:
    found = add(member(0, email="p0@example.fr"))
    with as_role("worker"):
        tasks.reach(list_id=found.pk)
        with CaptureQueriesContext(connection) as queries:
            tasks.reach(list_id=found.pk)
    assert not [query for query in queries if "affected_member" in query["sql"]]
    assert ListReach.objects.filter(affected_list=found).count() == 1
