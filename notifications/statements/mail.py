"""Mail to those who wrote a public statement that comes back to them."""

from django.conf import settings
from django.urls import reverse

from insurers.staff_mail import send_on_commit, staff_message
from insurers.team.people import people_with_role
from notifications.campaigns.mail import CONCERNED, FOLDER
from notifications.models import Publication


def tell_authors(*, publication: Publication, authors: set[int]) -> None:
    """Tell those who wrote it and still may; the comment stays on the page."""
    statement = publication.statement
    people = people_with_role(insurer_id=publication.insurer_id, roles=CONCERNED)
    address = reverse("statement", args=[statement.breach.slug, statement.insurer.slug])
    context = {"publication": publication, "link": settings.PORTAL_URL + address}
    folder = f"{FOLDER}/statement_returned"
    send_on_commit(
        [
            staff_message(folder=folder, context=context, to=person.email)
            for person in people.filter(pk__in=authors)
        ]
    )
