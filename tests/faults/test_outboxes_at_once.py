"""Outboxes made at the same moment: the constraint decides who tells whom, not a query before."""

import time
from functools import partial

import pytest
from django.db import OperationalError, connection

from insurers.lists.locks import PUBLICATION_CLASS
from insurers.models import AffectedMember, ListingMark
from notifications.models import Campaign, CampaignState, Notification, Tally, Told
from notifications.outbox.building import build_outbox
from notifications.outbox.settling import settle_stale
from notifications.register.figures import campaign_figures
from notifications.sending.dispatch import dispatch_campaign
from notifications.states import Standing
from tests import cast
from tests.faults.test_effects_at_once import (
    as_another_worker,
    at_once,
    mail,  # noqa: F401 (a fixture)
    somebody_waits_to,
    until_built,
)
from tests.notifications.effects import add, check_figures, prepare, withdraw
from tests.notifications.story import approved, member
from tests.smtp import Recorder

COPY_PEOPLE = """
UPDATE members.affected_member m SET fingerprint = o.fingerprint, name_tag = o.name_tag
FROM members.affected_member o
WHERE m.list_id = %s AND o.list_id = %s AND m.ordinal = o.ordinal
"""
CLAIM = """
INSERT INTO notifications_told
    (breach_id, insurer_id, operator_id, fingerprint, key_version, name_tag, campaign_id, list_id,
     ordinal)
SELECT %s, %s, %s, fingerprint, key_version, name_tag, 0, 0, ordinal
FROM members.affected_member WHERE list_id = %s ORDER BY ordinal LIMIT 20
"""


def campaign_over(*numbers: int) -> Campaign:
    return approved(add(*(member(n, email=f"p{n}@example.fr") for n in numbers)))


def build(campaign: Campaign) -> partial[bool]:
    return partial(build_outbox, campaign_id=campaign.pk, now=cast.NOW)


def test_two_campaigns_over_the_same_people_tell_each_once(mail: Recorder) -> None:  # noqa: F811
    first, second = campaign_over(*range(300)), campaign_over(*range(1000, 1300))
    with connection.cursor() as cursor:
        cursor.execute(COPY_PEOPLE, [second.affected_list_id, first.affected_list_id])
    at_once(until_built(first), until_built(second))
    assert (Told.objects.count(), Notification.objects.count()) == (300, 300)
    for campaign in Campaign.objects.all():
        assert campaign_figures(campaign).adds_up


def test_nobody_waits_for_an_outbox_that_is_being_made(mail: Recorder) -> None:  # noqa: F811
    running = prepare(add(*(member(n, email=f"p{n}@example.fr") for n in range(30))))
    approved_now = campaign_over(*range(100, 110))
    somebody = AffectedMember.objects.filter(list_id=running.affected_list_id).first()
    assert somebody is not None
    ListingMark.objects.create(
        list_id=somebody.list_id, ordinal=somebody.ordinal, is_counted=True, is_stale=True
    )
    sweep = partial(settle_stale, now=cast.NOW)
    as_superuser(f"ALTER DATABASE {connection.settings_dict['NAME']} SET lock_timeout = '5s'")
    with as_another_worker() as other:
        turn = "SELECT pg_advisory_xact_lock(%s, hashtext(%s))"
        other.execute(turn, [PUBLICATION_CLASS, str(running.insurer_id)])
        at_once(sweep, partial(dispatch_campaign, campaign_id=running.pk, seconds=20))
        at_once(build(approved_now))
        assert len(mail.recipients) == 30
        assert ListingMark.objects.filter(is_stale=True).exists()
        assert Campaign.objects.get(pk=approved_now.pk).state == CampaignState.APPROVED
    at_once(sweep)
    at_once(until_built(approved_now))
    assert not ListingMark.objects.filter(is_stale=True).exists()
    assert Notification.objects.filter(campaign=approved_now).count() == 10


def test_claims_that_nobody_can_see_yet_are_respected(mail: Recorder) -> None:  # noqa: F811
    campaign = campaign_over(*range(50))
    place = (campaign.breach_id, campaign.insurer_id, cast.operator().pk)
    with as_another_worker() as other:
        other.execute(CLAIM, [*place, campaign.affected_list_id])

        def commit_once_the_outbox_waits() -> None:
            deadline = time.monotonic() + 60
            while not somebody_waits_to("INSERT INTO notifications_told"):
                assert time.monotonic() < deadline
            other.commit()

        at_once(build(campaign), commit_once_the_outbox_waits)
    figures = campaign_figures(Campaign.objects.get())
    assert (figures.people[Standing.TOLD_ALREADY], Notification.objects.count()) == (20, 30)
    assert figures.adds_up


DIE_WHEN_SENDING = """
CREATE FUNCTION public.die() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    AS 'BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NEW; END';
CREATE TRIGGER die BEFORE UPDATE ON public.notifications_campaign
    FOR EACH ROW WHEN (NEW.state = 'sending') EXECUTE FUNCTION public.die();
"""


def test_messages_committed_before_a_kill_are_nobodys_and_are_made_anew(
    mail: Recorder,  # noqa: F811
) -> None:
    rows = [member(n, email=f"p{n // 3}@example.fr") for n in range(30)]
    campaign = approved(add(*rows))
    as_superuser(DIE_WHEN_SENDING)
    with pytest.raises(OperationalError):
        at_once(build(campaign))
    left = set(Notification.objects.values_list("pk", flat=True))
    assert left
    assert (Told.objects.count(), Tally.objects.count()) == (0, 0)

    withdraw(member(0))
    at_once(
        partial(settle_stale, now=cast.NOW),
        partial(dispatch_campaign, campaign_id=campaign.pk, seconds=1),
    )
    assert (mail.recipients, Tally.objects.count()) == ([], 0)

    as_superuser("DROP FUNCTION public.die() CASCADE")
    at_once(build(campaign))
    messages = Notification.objects.all()
    assert left.isdisjoint(messages.values_list("pk", flat=True))
    assert sorted(messages.values_list("people", flat=True)) == [2] + [3] * 9
    check_figures()


def as_superuser(statements: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("RESET ROLE")
        cursor.execute(statements)
