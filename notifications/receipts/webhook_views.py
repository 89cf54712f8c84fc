"""Where providers tell what became of messages."""

from uuid import UUID

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from notifications.receipts.webhooks import WebhookRefused, take_webhook


@csrf_exempt
@login_not_required
@require_http_methods(["POST", "HEAD"])
def provider_webhook(request: HttpRequest, identity_id: UUID) -> HttpResponse:
    """Take a signed webhook: 200 once it is kept, 403 where it is not the provider's."""
    if request.method == "HEAD":
        return HttpResponse()  # Some providers ask so while they are being set up.
    try:
        take_webhook(identity_id=identity_id, request=request, now=timezone.now())
    except WebhookRefused:
        return HttpResponse(status=403)
    return HttpResponse()
