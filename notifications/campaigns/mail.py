"""Mail to staff about a campaign that comes back to them, or that stopped."""

from collections.abc import Iterable
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
    _mail(campaign, "campaign_returned", people.filter(pk__in=prepared_by))


def tell_of_halt(*, campaign: Campaign) -> list[int]:
    """Mail a halt to the insurer's preparers and approvers; return whom, by account."""
    people = list(people_with_role(insurer_id=campaign.insurer_id, roles=CONCERNED))
    _mail(campaign, "campaign_halted", people)
    return sorted(person.pk for person in people)


def _mail(campaign: Campaign, message: str, people: Iterable[Any]) -> None:
    page = reverse("campaign", args=[campaign.pk])
    mail_staff(people, message=message, page=page, context={"campaign": campaign})


def mail_staff(people: Iterable[Any], *, message: str, page: str, context: dict[str, Any]) -> None:
    """Mail a message with the link to a page to some of an insurer's staff, once committed."""
    folder, context = f"{FOLDER}/{message}", {**context, "link": settings.PORTAL_URL + page}
    send_on_commit(
        [staff_message(folder=folder, context=context, to=person.email) for person in people]
    )
