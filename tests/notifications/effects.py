"""Lists that follow one another, their campaigns sent, and figures checked after every step."""

from collections import Counter
from collections.abc import Sequence

from django.db.models import Sum
from django.utils import timezone

from insurers.lists.withdrawal import decide_to_withdraw, withdraw_list
from insurers.models import AffectedList, ListEffect, ListingMark, ListState
from notifications.models import Campaign, CampaignKind, CoveredMember, Notification, Tally
from notifications.outbox.building import build_outbox
from notifications.outbox.settling import settle_stale
from notifications.register.figures import (
    BUILT,
    Figures,
    campaign_figures,
    list_figures,
)
from notifications.register.glance import Line, lines_of
from notifications.sending.dispatch import dispatch_campaign
from tests import cast
from tests.conftest import as_role
from tests.notifications.story import accepted_list, approved


def line() -> Line:
    return lines_of(breach=cast.breach(), insurers=[cast.phare().pk])[0]


def check_figures() -> Figures:
    """Assert that the equation holds for each list, campaign and register line; return the line.

    And that each message covers, once each, as many members as it says.
    """
    covered = list(CoveredMember.objects.values_list("notification_id", "list_id", "ordinal"))
    assert len(covered) == len(set(covered))
    people = Notification.objects.exclude(people=0).values_list("pk", "people")
    assert Counter(message for message, *_ in covered) == dict(people)
    for campaign in Campaign.objects.all():
        figures = campaign_figures(campaign)
        assert figures.adds_up, (campaign, figures)
        assert all(people >= 0 for people in figures.people.values()), figures
    for found in AffectedList.objects.that_list_people():
        assert list_figures(found).adds_up, found
        marks = ListingMark.objects.filter(list_id=found.pk)
        if found.state == ListState.WITHDRAWN and not found.is_in_use:
            assert found.members_ended == found.members_uncounted == found.members
            assert not marks.exists()
            continue
        assert found.members_ended == marks.exclude(ended="").count()
        assert found.members_uncounted == marks.filter(is_counted=False).count()
    for campaign in Campaign.objects.filter(kind=CampaignKind.NOTICE, state__in=BUILT):
        uncounted = Tally.objects.filter(campaign=campaign).aggregate(total=Sum("uncounted"))
        assert (uncounted["total"] or 0) == campaign.affected_list.members_uncounted, campaign
    figures = line().figures
    assert figures.adds_up, figures
    assert all(people >= 0 for people in figures.people.values()), figures
    return figures


def add(*rows: str, operators: Sequence[str] = ("alphapay",)) -> AffectedList:
    return _checked(accepted_list(rows, operators=operators))


def replace(*rows: str) -> AffectedList:
    return _checked(accepted_list(rows, effect=ListEffect.REPLACE))


def withdraw(*rows: str) -> AffectedList:
    return _checked(accepted_list(rows, effect=ListEffect.WITHDRAW))


def withdraw_whole(found: AffectedList) -> None:
    decide_to_withdraw(affected_list=found, decided_by=cast.paule(), now=cast.NOW)
    with as_role("worker"):
        withdraw_list(list_id=found.pk)
    _checked(found)


def prepare(found: AffectedList) -> Campaign:
    """Have a campaign approved and its outbox built."""
    campaign = approved(found)
    with as_role("worker"):
        build_outbox(campaign_id=campaign.pk, now=cast.NOW)
    check_figures()
    campaign.refresh_from_db()
    return campaign


def send(campaign: Campaign) -> Campaign:
    """Send what is due, and have the sweep settle the rest."""
    with as_role("worker"):
        dispatch_campaign(campaign_id=campaign.pk, seconds=30)
        settle_stale(now=timezone.now())
    check_figures()
    campaign.refresh_from_db()
    return campaign


def told_twice(recipients: Sequence[str]) -> list[str]:
    return [address for address, times in Counter(recipients).items() if times > 1]


def _checked(found: AffectedList) -> AffectedList:
    check_figures()
    found.refresh_from_db()
    return found
