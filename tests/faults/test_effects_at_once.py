"""Lists published at the same moment, and people withdrawn while workers send to them."""

import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import psycopg
import pytest
from django.db import connection
from django.test import override_settings
from django.utils import timezone
from pytest_django.plugin import DjangoDbBlocker

from insurers.lists.acceptance import decide_to_accept, publish_list
from insurers.lists.withdrawal import decide_to_withdraw, withdraw_list
from insurers.models import AffectedList, ListEffect
from notifications.campaigns.stopping import pause_campaign
from notifications.models import Campaign, CampaignState, Notification, State
from notifications.outbox.building import build_outbox
from notifications.outbox.settling import settle_stale
from notifications.register.figures import campaign_figures
from notifications.sending.dispatch import dispatch_campaign
from notifications.states import Standing
from tests import cast
from tests.faults.stack import own_database
from tests.notifications.effects import add, check_figures, line, prepare, told_twice
from tests.notifications.story import approved, member, reviewed_list
from tests.smtp import Recorder, smtp_server


@pytest.fixture
def mail(
    tmp_path: Path, django_db_setup: None, django_db_blocker: DjangoDbBlocker
) -> Iterator[Recorder]:
    name = f"at_once_{os.getpid()}"
    with (
        smtp_server() as recorder,
        override_settings(EMAIL_HOST="127.0.0.1", EMAIL_PORT=recorder.port),
        django_db_blocker.unblock(),
        own_database(name, tmp_path),
    ):
        yield recorder


def at_once(*calls: Callable[[], object]) -> None:
    """Run each on a connection of its own, as workers do; raise what one of them raises."""

    def on_its_own(call: Callable[[], object]) -> None:
        try:
            with connection.cursor() as cursor:
                cursor.execute("SET ROLE breachportal_worker")
            call()
        finally:
            connection.close()

    with ThreadPoolExecutor(len(calls)) as pool:
        for done in [pool.submit(on_its_own, call) for call in calls]:
            done.result()


def decided(*numbers: int, effect: ListEffect = ListEffect.ADD) -> AffectedList:
    rows = [member(number, email=f"p{number}@example.fr") for number in numbers]
    found = reviewed_list(rows, effect=effect)
    decide_to_accept(affected_list=found, decided_by=cast.paule(), now=cast.NOW)
    return found


def publish(found: AffectedList) -> Callable[[], object]:
    return partial(publish_list, list_id=found.pk)


def until_built(campaign: Campaign) -> Callable[[], object]:
    """Make its outbox as the sweeps do: again, where another worker has the insurer's turn."""

    def build() -> None:
        limit = time.monotonic() + 60
        while not build_outbox(campaign_id=campaign.pk, now=cast.NOW):
            assert time.monotonic() < limit, "no turn came"
            time.sleep(0.05)

    return build


def test_lists_published_at_once_list_each_person_once(mail: Recorder) -> None:
    lists = [decided(*range(start, start + 100)) for start in (0, 50, 80)]
    at_once(*(publish(found) for found in lists))
    assert sum(AffectedList.objects.values_list("members", flat=True)) == 300  # each its own
    assert check_figures().listed == 180


def test_a_list_that_replaces_while_another_adds_leaves_figures_that_add_up(
    mail: Recorder,
) -> None:
    prepare(add(*(member(n, email=f"p{n}@example.fr") for n in range(100))))
    replacing, adding = decided(*range(50, 150), effect=ListEffect.REPLACE), decided(200, 201)
    at_once(publish(replacing), publish(adding))
    figures = check_figures()
    assert figures.listed in (100, 102)  # The two added are replaced too, or come after.


def test_an_outbox_built_while_its_people_are_withdrawn_writes_to_nobody_else(
    mail: Recorder,
) -> None:
    campaign = approved(add(*(member(n, email=f"p{n}@example.fr") for n in range(200))))
    leaving = decided(*range(100), effect=ListEffect.WITHDRAW)
    at_once(until_built(campaign), publish(leaving))
    check_figures()
    assert campaign_figures(campaign).cancelled_by_reason in ({}, {"withdrawn": 100})
    at_once(partial(dispatch_campaign, campaign_id=campaign.pk, seconds=60))
    assert sorted(mail.recipients) == sorted(f"p{n}@example.fr" for n in range(100, 200))


@pytest.mark.parametrize("by_whole", [False, True])
def test_a_campaign_is_paused_while_people_are_taken_out(mail: Recorder, by_whole: bool) -> None:
    campaign = prepare(add(*(member(n, email=f"p{n}@example.fr") for n in range(20))))
    if by_whole:
        whole = campaign.affected_list
        decide_to_withdraw(affected_list=whole, decided_by=cast.paule(), now=cast.NOW)
        take_out: Callable[[], object] = partial(withdraw_list, list_id=whole.pk)
    else:
        take_out = publish(decided(*range(10), effect=ListEffect.WITHDRAW))
    with as_another_worker() as other:
        other.execute("LOCK TABLE notifications_deliveryevent IN SHARE MODE")

        def pause_once_it_writes_its_events() -> None:
            limit = time.monotonic() + 60
            while not somebody_waits_to("INSERT INTO notifications_deliveryevent"):
                assert time.monotonic() < limit, "nothing was taken out"
            try:
                pause_campaign(
                    campaign_id=campaign.pk, person_id=cast.armand().pk, now=timezone.now()
                )
            finally:
                other.commit()

        at_once(take_out, pause_once_it_writes_its_events)
    campaign.refresh_from_db()
    assert campaign.state == CampaignState.PAUSED
    check_figures()


def as_another_worker() -> psycopg.Connection[tuple[object, ...]]:
    name = connection.settings_dict["NAME"]
    return psycopg.connect(host=os.environ["PORTAL_TEST_FOLDER"], user="postgres", dbname=name)


def somebody_waits_to(statement: str) -> bool:
    """Whether another connection of this database waits for a lock with that statement."""
    with connection.cursor() as cursor:
        cursor.execute("RESET ROLE")
        cursor.execute(
            "SELECT FROM pg_stat_activity WHERE datname = current_database()"
            " AND wait_event_type = 'Lock' AND strpos(query, %s) > 0"
            " AND pid <> pg_backend_pid()",
            [statement],
        )
        return cursor.fetchone() is not None


def test_a_withdrawal_while_workers_send_leaves_nobody_in_between(mail: Recorder) -> None:
    campaign = prepare(add(*(member(n, email=f"p{n}@example.fr") for n in range(1000))))
    leaving = decided(*range(0, 1000, 2), effect=ListEffect.WITHDRAW)

    def withdraw_in_the_middle() -> None:
        limit = time.monotonic() + 60
        while len(mail.received) < 150:
            assert time.monotonic() < limit, "nothing was sent"
            time.sleep(0.01)
        publish_list(list_id=leaving.pk)

    send = partial(dispatch_campaign, campaign_id=campaign.pk, seconds=120)
    at_once(send, send, withdraw_in_the_middle)
    at_once(send, partial(settle_stale, now=timezone.now()))
    at_once(partial(settle_stale, now=timezone.now()))  # Either may have had the other's turn.
    figures = check_figures()
    sent = set(mail.recipients)
    assert told_twice(mail.recipients) == []
    assert {f"p{n}@example.fr" for n in range(1, 1000, 2)} <= sent
    assert campaign_figures(campaign).people[Standing.TOLD] == len(sent) < 1000
    assert figures.people == line().figures.people
    assert figures.listed == len(sent)
    assert Campaign.objects.get().state == CampaignState.FINISHED
    assert not Notification.objects.filter(state__in=(State.PENDING, State.SENDING)).exists()
