"""Mail to staff about a campaign that comes back to them, or that stopped."""

from typing import Any

from django.conf import settings
from django.urls import reverse

from insurers.models import Role
from insurers.staff_mail import send_on_commit, staff_message
from insurers.team.people import people_with_role
from notifications.models import Campaign

FOLDER = "notifications/messages"
CONCERNED = [Role.PREPARER, Role.APPROVER]


def tell_preparers(*, campaign: Campaign, prepared_by: set[int]) -> None:
    """Mail a returned campaign to those who prepared it and still may, once it is committed.

    The comment stays on the page: it is free text, and mail is no place for what it may quote.
    """
    people = people_with_role(insurer_id=campaign.insurer_id, roles=CONCERNED)
    _mail(campaign, "campaign_returned", list(people.filter(pk__in=prepared_by)))


def tell_of_halt(*, campaign: Campaign) -> list[int]:
    """Mail a halt to the insurer's preparers and approvers; return whom, by account."""
    people = list(people_with_role(insurer_id=campaign.insurer_id, roles=CONCERNED))
    _mail(campaign, "campaign_halted", people)
    return sorted(person.pk for person in people)


def _mail(campaign: Campaign, message: str, people: list[Any]) -> None:
    link = settings.PORTAL_URL + reverse("campaign", args=[campaign.pk])
    context = {"campaign": campaign, "link": link}
    folder = f"{FOLDER}/{message}"
    send_on_commit(
        [staff_message(folder=folder, context=context, to=person.email) for person in people]
    )
