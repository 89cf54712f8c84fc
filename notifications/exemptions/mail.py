"""Mail to whoever submitted an exemption that comes back to them."""

from django.urls import reverse

from insurers.team.people import people_with_role
from notifications.campaigns.mail import CONCERNED, mail_staff
from notifications.models import Exemption


def tell_submitter(*, exemption: Exemption) -> None:
    """Tell the one who submitted it and still may; the comment stays on the page."""
    people = people_with_role(insurer_id=exemption.insurer_id, roles=CONCERNED)
    mail_staff(
        people.filter(pk=exemption.submitted_by_id),
        message="exemption_returned",
        page=reverse("exemption", args=[exemption.affected_list_id]),
        context={"exemption": exemption},
    )
