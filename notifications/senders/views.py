"""The sender of an insurer's e-mail, as its approvers see it: in service, proposed, ended."""

from uuid import UUID

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from insurers.models import Insurer, Role
from insurers.permissions import require_role, staff_of
from insurers.queueing import enqueue
from notifications.channels.providers import PROVIDERS
from notifications.models import SendingIdentity
from notifications.receipts.webhooks import USER, webhook_address
from notifications.senders.forms import IdentityForm
from notifications.senders.identities import propose_identity
from notifications.tasks import check_sender_domain


@require_http_methods(["GET", "HEAD", "POST"])
def sending_identities(request: HttpRequest, slug: str) -> HttpResponse:
    """List an insurer's sending identities and propose one, whose password is shown once."""
    insurer = get_object_or_404(Insurer, slug=slug)
    scope = staff_of(request)
    require_role(scope, insurer.pk, Role.APPROVER)
    form = IdentityForm(request.POST or None, initial={"from_name": insurer.name[:80]})
    if request.method == "POST" and form.is_valid():
        made = propose_identity(
            insurer=insurer,
            proposal=form.proposal(),
            proposed_by_id=scope.user_id,
            now=timezone.now(),
        )
        enqueue(check_sender_domain, identity_id=str(made.identity.pk))
        context = {
            "insurer": insurer,
            "identity": made.identity,
            "password": made.webhook_password,
            "user": USER,
            "webhook": webhook_address(made.identity.pk),
            "has_webhook": made.identity.transport in PROVIDERS,
        }
        return render(request, "notifications/identity_proposed.html", context, status=201)
    number = form["number"].value()
    is_number = number and "number" not in form.errors
    context = {
        "insurer": insurer,
        "form": form,
        "webhook": webhook_address(UUID(str(number))) if is_number else "",
        "identities": SendingIdentity.objects.filter(insurer=insurer).select_related(
            "check_of_domain"
        )[:20],
        "portal_address": settings.DEFAULT_FROM_EMAIL,
    }
    status = 422 if form.errors else 200
    return render(request, "notifications/sending_identities.html", context, status=status)
