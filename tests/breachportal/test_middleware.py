"""The staff middleware, on small views of this module."""

import logging
from datetime import timedelta

import pytest
from allauth.mfa.models import Authenticator
from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.contrib.sessions.models import Session
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template import engines
from django.template.response import TemplateResponse
from django.urls import include, path
from django.utils import timezone

from audit.models import AuditEntry, Outcome
from audit.trail import PORTAL, account, insurer_scope, record
from breachportal.models import User
from insurers.models import Membership, Role
from insurers.permissions import opens_its_own_transactions, require_role, staff_of
from tests import cast
from tests.conftest import WebClient

pytestmark = [pytest.mark.django_db, pytest.mark.urls(__name__)]


@login_not_required
def public(request: HttpRequest) -> HttpResponse:
    return HttpResponse("public")


def counted(request: HttpRequest) -> HttpResponse:
    return HttpResponse(f"{staff_of(request).role} {Membership.objects.count()}")


def counted_lazily(request: HttpRequest) -> HttpResponse:
    template = engines["django"].from_string("{% for one in rows %}row {% endfor %}")
    return TemplateResponse(request, template, {"rows": Membership.objects.all()})


def approve(request: HttpRequest, slug: str) -> HttpResponse:
    record(action="test.written", scope=PORTAL)
    require_role(staff_of(request), cast.insurer(slug).pk, Role.APPROVER)
    return HttpResponse("approved")


def forbidden(request: HttpRequest) -> HttpResponse:
    raise PermissionDenied


def failing(request: HttpRequest) -> HttpResponse:
    record(action="test.written", scope=PORTAL)
    return HttpResponse(status=503)


@opens_its_own_transactions
def long_upload(request: HttpRequest) -> HttpResponse:
    return HttpResponse(f"{staff_of(request).role} {Membership.objects.count()}")


urlpatterns = [
    path("public/", public),
    path("counted/", counted),
    path("lazily/", counted_lazily),
    path("approve/<slug:slug>/", approve, name="approve"),
    path("forbidden/", forbidden),
    path("failing/", failing),
    path("upload/", long_upload),
    path("compte/", include("allauth.urls")),
]


def signed_in(client: WebClient, person: User) -> WebClient:
    cast.sign_in(client, person)
    return client


def idle_for(client: WebClient, **lapse: int) -> None:
    """Bring the end of the client's session nearer, as if time had passed."""
    stored = Session.objects.get(pk=client.session.session_key)
    stored.expire_date -= timedelta(**lapse)
    stored.save(update_fields=["expire_date"])


def test_a_stranger_is_sent_to_sign_in_and_back(client: WebClient) -> None:
    assert client.get("/counted/").headers["Location"] == "/compte/login/?next=/counted/"


def test_a_fragment_asked_for_without_a_session_reloads_the_page(client: WebClient) -> None:
    answer = client.get("/counted/", headers={"HX-Request": "true"})
    assert (answer.status_code, answer.headers["HX-Refresh"]) == (200, "true")


def test_public_views_leave_the_session_alone(client: WebClient) -> None:
    signed_in(client, cast.paule())
    answer = client.get("/public/")
    assert "Set-Cookie" not in answer.headers
    assert not answer.cookies
    assert "Cookie" not in answer.headers.get("Vary", "")
    assert "Cache-Control" not in answer.headers


def test_public_views_ask_the_database_nothing(
    client: WebClient, django_assert_num_queries: object
) -> None:
    signed_in(client, cast.paule())
    # The two are the test client's own, to become the web role and back.
    with django_assert_num_queries(2):  # type: ignore[operator]
        client.get("/public/")


def test_without_a_second_factor_no_staff_page_opens(client: WebClient) -> None:
    paule = cast.paule()
    Authenticator.objects.filter(user=paule).exclude(type="recovery_codes").delete()
    signed_in(client, paule)
    assert client.get("/counted/").headers["Location"] == "/compte/2fa/"


def test_a_view_sees_the_rows_of_its_own_insurer(client: WebClient) -> None:
    cast.paule(), cast.armand(), cast.didier()
    assert signed_in(client, cast.didier()).get("/counted/").content == b"staff 1"


def test_a_lazy_template_is_rendered_within_the_scope(client: WebClient) -> None:
    cast.armand()
    answer = signed_in(client, cast.paule()).get("/lazily/")
    assert answer.content == b"row row "


def test_a_view_of_long_work_gets_its_scope_but_no_transaction(client: WebClient) -> None:
    answer = signed_in(client, cast.aude()).get("/upload/")
    assert answer.content.startswith(b"auditor")


def test_staff_pages_are_never_stored(client: WebClient) -> None:
    answer = signed_in(client, cast.paule()).get("/counted/")
    assert answer.headers["Cache-Control"] == "no-store"


def test_a_refusal_undoes_the_view_and_is_written_down(client: WebClient) -> None:
    paule = cast.paule()
    answer = signed_in(client, paule).get("/approve/mutuelle-du-phare/")
    assert answer.status_code == 403
    entry = AuditEntry.objects.get()
    assert entry.outcome == Outcome.REFUSED
    assert entry.action == "access.refused"
    assert entry.scope == insurer_scope(cast.phare().pk)
    assert (entry.actor, entry.subject) == (account(paule.pk), "page:approve")


@pytest.mark.parametrize("page", ["/approve/mutuelle-de-la-dune/", "/forbidden/"])
def test_a_refusal_elsewhere_goes_to_the_portal_chain(client: WebClient, page: str) -> None:
    cast.dune()
    signed_in(client, cast.paule()).get(page)
    assert AuditEntry.objects.get().scope == PORTAL


def test_a_view_that_answers_with_a_failure_leaves_nothing(
    client: WebClient, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.CRITICAL):
        assert signed_in(client, cast.paule()).get("/failing/").status_code == 503
    assert not AuditEntry.objects.exists()


def test_each_page_starts_the_thirty_idle_minutes_again(client: WebClient) -> None:
    signed_in(client, cast.paule())
    idle_for(client, minutes=29)
    client.get("/counted/")
    left = Session.objects.get().expire_date - timezone.now()
    assert timedelta(minutes=29) < left <= timedelta(minutes=30)


def test_the_session_is_written_again_only_when_the_minute_changed(client: WebClient) -> None:
    signed_in(client, cast.paule())
    client.get("/counted/")
    session = client.session
    session["minute"] += 1  # as if the clock had passed into the next one
    session.save()
    assert settings.SESSION_COOKIE_NAME in client.get("/counted/").cookies
    written = client.session["minute"]
    answer = client.get("/counted/")
    assert bool(answer.cookies) == (client.session["minute"] != written)


def test_after_thirty_idle_minutes_the_session_is_over(client: WebClient) -> None:
    signed_in(client, cast.paule())
    idle_for(client, minutes=30)
    assert client.get("/counted/").status_code == 302


def test_a_page_that_refreshes_itself_does_not_keep_the_session(client: WebClient) -> None:
    signed_in(client, cast.paule())
    idle_for(client, minutes=29)
    client.get("/counted/", headers={"HX-Request": "true"})
    assert Session.objects.get().expire_date - timezone.now() < timedelta(minutes=2)
