"""A notice saved while it is approved, and lists published while campaigns are decided."""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from threading import Event
from uuid import UUID

import pytest
from django.db import connection, transaction
from pytest_django.plugin import DjangoDbBlocker

from insurers.lists.acceptance import decide_to_accept, publish_list
from insurers.models import AffectedList, ListEffect, ListState
from insurers.row_security import set_row_scope
from notifications.campaigns.approving import approve_campaign, return_campaign
from notifications.campaigns.steps import CampaignRefused
from notifications.models import Campaign, CampaignState
from notifications.notices.content import NoticeContent
from notifications.notices.revising import revise
from notifications.outbox.building import build_outbox
from tests import cast
from tests.faults.stack import own_database
from tests.faults.test_effects_at_once import at_once
from tests.notifications.effects import check_figures
from tests.notifications.story import (
    EVERY_POINT,
    accepted_list,
    member,
    reviewed_list,
    submitted,
)


@pytest.fixture(autouse=True)
def _database(
    tmp_path: Path, django_db_setup: None, django_db_blocker: DjangoDbBlocker
) -> Iterator[None]:
    with django_db_blocker.unblock(), own_database(f"notices_at_once_{os.getpid()}", tmp_path):
        yield


def as_staff(work: Callable[[], object], *, person: int, place: UUID) -> None:
    """Do something as the web process does it for a person of the Phare, on this connection."""
    with connection.cursor() as cursor:
        cursor.execute("SET ROLE breachportal_web")
    try:
        with transaction.atomic():
            set_row_scope(insurers=[place], role="staff", user_id=person)
            work()
    finally:
        connection.close()


def approve(campaign: Campaign) -> Campaign:
    return approve_campaign(
        campaign_id=campaign.pk,
        approver_id=cast.armand().pk,
        checked_points=EVERY_POINT,
        shared_addresses_confirmed=False,
        now=cast.NOW,
    )


def save(campaign: Campaign) -> None:
    version = campaign.notice_version
    content = NoticeContent.from_json(version.content)
    revise(
        notice=version.notice,
        content=replace(
            content, fr=replace(content.fr, advice=f"{content.fr.advice} Et gardez ce message.")
        ),
        changes=version.number,
        author_id=cast.paule().pk,
        now=cast.NOW,
    )


def one_after_the_other(
    first: Callable[[], object], second: Callable[[], object]
) -> tuple[object, object]:
    """Begin `second` on another connection while the transaction of `first` is still open."""
    people = {"first": cast.armand().pk, "second": cast.paule().pk}
    place, begun, go_on = cast.phare().pk, Event(), Event()

    def hold() -> None:
        first()
        begun.set()
        assert go_on.wait(20)

    with ThreadPoolExecutor(2) as pool:
        early = pool.submit(as_staff, hold, person=people["first"], place=place)
        assert begun.wait(20)
        late = pool.submit(as_staff, second, person=people["second"], place=place)
        with suppress(TimeoutError):
            late.result(timeout=1)
        is_waiting = not late.done()
        go_on.set()
        assert is_waiting, "the second did not wait for the first"
        return early.exception(30), late.exception(30)


def test_what_was_saved_first_is_not_approved_unread() -> None:
    campaign = submitted(accepted_list([member(1, email="a@example.fr")]))
    saved, refused = one_after_the_other(partial(save, campaign), partial(approve, campaign))
    assert saved is None
    assert isinstance(refused, CampaignRefused)
    campaign.refresh_from_db()
    assert (campaign.state, campaign.approved_by_id) == (CampaignState.RETURNED, None)


def test_what_is_saved_after_an_approval_takes_it_back() -> None:
    campaign = submitted(accepted_list([member(1, email="a@example.fr")]))
    outcome = one_after_the_other(partial(approve, campaign), partial(save, campaign))
    assert outcome == (None, None)
    campaign.refresh_from_db()
    assert (campaign.state, campaign.approved_by_id) == (CampaignState.RETURNED, None)
    assert not build_outbox(campaign_id=campaign.pk, now=cast.NOW)


def test_deciding_while_a_list_is_published_never_locks_both_for_good() -> None:
    """Each takes its locks in the same order: a deadlock would raise here."""
    armand, paule, place = cast.armand().pk, cast.paule().pk, cast.phare().pk
    for number in range(6):
        found = accepted_list([member(number, email=f"p{number}@example.fr")])
        campaign = submitted(found)
        rows = [member(n, email=f"q{n}@example.fr") for n in range(number, number + 3)]
        replacing = reviewed_list(rows, effect=ListEffect.REPLACE)
        decide_to_accept(affected_list=replacing, decided_by=cast.paule(), now=cast.NOW)
        at_once(
            partial(publish_list, list_id=replacing.pk),
            partial(as_staff, partial(or_refused, approve, campaign), person=armand, place=place),
            partial(as_staff, partial(or_refused, save, campaign), person=paule, place=place),
            partial(build_outbox, campaign_id=campaign.pk, now=cast.NOW),
        )
        campaign.refresh_from_db()
        used = AffectedList.objects.get(pk=found.pk)
        if used.state == ListState.WITHDRAWN and campaign.state == CampaignState.APPROVED:
            assert used.is_in_use, "an approved campaign lost its list"
        check_figures()
        with suppress(CampaignRefused):
            return_campaign(
                campaign_id=campaign.pk, approver_id=cast.armand().pk, comment="Non", now=cast.NOW
            )


def or_refused(step: Callable[[Campaign], object], campaign: Campaign) -> None:
    """Take a step, which a rule may refuse; nothing else may go wrong."""
    with suppress(CampaignRefused):
        step(campaign)
