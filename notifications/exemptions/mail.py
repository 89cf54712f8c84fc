"""Mail to whoever submitted an exemption that comes back to them."""

from django.conf import settings
from django.urls import reverse

from insurers.staff_mail import send_on_commit, staff_message
from insurers.team.people import people_with_role
from notifications.campaigns.mail import CONCERNED, FOLDER
from notifications.models import Exemption


def tell_submitter(*, exemption: Exemption) -> None:
    """Tell the one who submitted it and still may; the comment stays on the page."""
    people = people_with_role(insurer_id=exemption.insurer_id, roles=CONCERNED)
    link = settings.PORTAL_URL + reverse("exemption", args=[exemption.affected_list_id])
    send_on_commit(
        [
            staff_message(
                folder=f"{FOLDER}/exemption_returned",
                context={"exemption": exemption, "link": link},
                to=person.email,
            )
            for person in people.filter(pk=exemption.submitted_by_id)
        ]
    )
