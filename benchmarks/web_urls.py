"""The portal's addresses, and so many constant bytes: the floor of `benchmarks/web.py`."""

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.urls import path

from breachportal.urls import *  # noqa: F403
from breachportal.urls import urlpatterns as portal


@login_not_required
def constant(request: HttpRequest, size: int) -> HttpResponse:
    """Answer with bytes that cost nothing to make."""
    return HttpResponse(b"x" * size, content_type="text/html; charset=utf-8")


urlpatterns = [path("constant/<int:size>/", constant), *portal]
