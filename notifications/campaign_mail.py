"""Mail to staff about a campaign that comes back to them."""

from django.conf import settings
from django.urls import reverse

from insurers.models import Role
from insurers.staff_mail import send_on_commit, staff_message
from insurers.team.people import people_with_role
from notifications.models import Campaign

FOLDER = "notifications/messages/campaign_returned"


def tell_preparers(*, campaign: Campaign, prepared_by: set[int]) -> None:
    """Mail a returned campaign to those who prepared it and still may, once it is committed.

    The comment stays on the page: it is free text, and mail is no place for what it may quote.
    """
    link = settings.PORTAL_URL + reverse("campaign", args=[campaign.pk])
    context = {"campaign": campaign, "link": link}
    people = people_with_role(
        insurer_id=campaign.insurer_id, roles=[Role.PREPARER, Role.APPROVER]
    ).filter(pk__in=prepared_by)
    send_on_commit(
        [staff_message(folder=FOLDER, context=context, to=person.email) for person in people]
    )
