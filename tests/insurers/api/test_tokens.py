"""Tokens: shown once, stored as a hash, useless once revoked, expired or left alone."""

import logging
from datetime import timedelta

import pytest
from django.core import mail
from django.core.cache import cache
from django.db import IntegrityError
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django.fixtures import DjangoCaptureOnCommitCallbacks

from audit.models import AuditEntry, Outcome
from insurers.api.answers import FAILURES
from insurers.models import ApiToken, Membership, TokenScope
from tests import cast
from tests.conftest import WebClient, as_role
from tests.insurers.api.programs import Program, dune_token, new_token

pytestmark = pytest.mark.django_db


def page() -> str:
    return reverse("api_tokens", args=[cast.phare().slug])


@pytest.fixture
def armand(client: WebClient) -> Client:
    return cast.sign_in(client, cast.armand())


def made_by_page(client: Client) -> str:
    """Make a token as an approver does; return the page that shows it."""
    fields = {"name": "export de nuit", "scopes": ["lists:write"], "days": "90"}
    response = client.post(page(), fields)
    assert response.status_code == 201
    return response.content.decode()


def test_a_token_is_shown_once_and_stored_as_a_hash(armand: Client) -> None:
    html = made_by_page(armand)
    secret = html.split('value="bp1_')[1].split('"')[0]
    token = ApiToken.objects.get()
    assert secret.encode() not in bytes(token.secret_sha256)
    assert secret not in armand.get(page()).content.decode()
    assert Program(f"bp1_{secret}").send(b"x").status_code == 201


def test_making_and_revoking_are_in_the_trail_and_mailed(
    armand: Client, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        made_by_page(armand)
        token = ApiToken.objects.get()
        armand.post(reverse("api_token_revoke", args=[token.pk]))
    entries = AuditEntry.objects.filter(subject=f"token:{token.pk}").order_by("sequence")
    assert [entry.action for entry in entries] == ["token.created", "token.revoked"]
    assert [message.to for message in mail.outbox] == [[cast.armand().email]] * 2
    assert "bp1_" not in "".join(str(message.body) for message in mail.outbox)


def test_only_approvers_keep_tokens(client: WebClient) -> None:
    token = new_token().token
    for somebody in (cast.paule(), cast.vera(), cast.odile(), cast.aude()):
        cast.sign_in(client, somebody)
        assert client.get(page()).status_code == 403
        revoke = client.post(reverse("api_token_revoke", args=[token.pk]))
        assert revoke.status_code in (403, 404)


def test_the_token_of_another_insurer_does_not_exist(armand: Client) -> None:
    others = dune_token().token
    assert armand.post(reverse("api_token_revoke", args=[others.pk])).status_code == 404


def test_a_form_without_a_right_says_so(armand: Client) -> None:
    response = armand.post(page(), {"name": "export", "days": "90"})
    assert response.status_code == 422
    assert "Cochez au moins un droit" in response.content.decode()


def test_no_token_outlives_a_year() -> None:
    token = new_token().token
    with pytest.raises(IntegrityError, match="a_token_ends_within_a_year"):
        ApiToken.objects.filter(pk=token.pk).update(expires_at=timezone.now() + timedelta(days=400))


def test_a_revoked_token_opens_nothing(armand: Client) -> None:
    made = new_token()
    armand.post(reverse("api_token_revoke", args=[made.token.pk]))
    answer = Program(made.secret).call("GET", "/api/v1/lists/1")
    assert answer.status_code == 401
    assert "révoqué" in answer.json()["what"]
    assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_an_expired_token_opens_nothing() -> None:
    made = new_token(now=timezone.now() - timedelta(days=91))
    answer = Program(made.secret).call("GET", "/api/v1/lists/1")
    assert (answer.status_code, "expiré" in answer.json()["what"]) == (401, True)


def test_a_token_falls_with_the_role_of_the_person_who_made_it() -> None:
    made = new_token()
    Membership.objects.filter(user=cast.armand()).update(ended_at=timezone.now())
    answer = Program(made.secret).call("GET", "/api/v1/lists/1")
    assert (answer.status_code, "plus approbatrice" in answer.json()["what"]) == (401, True)


@pytest.mark.parametrize("secret", ["", "bp1_" + "x" * 43, "autre chose", "bp1_é"])
def test_what_is_no_token_opens_nothing_and_is_never_logged(
    secret: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        assert Program(secret).call("GET", "/api/v1/lists/1").status_code == 401
    assert not secret or secret not in caplog.text


def test_a_token_without_the_right_is_refused_and_written_down() -> None:
    made = new_token(scopes=[TokenScope.LISTS_READ])
    answer = Program(made.secret).send(b"x")
    assert (answer.status_code, "lists:write" in answer.json()["what"]) == (403, True)
    entry = AuditEntry.objects.get(action="access.refused")
    assert (entry.actor, entry.outcome) == (f"token:{made.token.pk}", Outcome.REFUSED)


def test_failures_of_a_network_are_limited_and_good_tokens_are_not() -> None:
    made = new_token()
    wrong = Program("bp1_" + "x" * 43)
    statuses = [
        wrong.call("GET", "/api/v1/lists/1").status_code for _ in range(FAILURES.at_most + 1)
    ]
    assert statuses == [401] * FAILURES.at_most + [429]
    assert Program(made.secret).call("GET", "/api/v1/lists/1").status_code == 404
    cache.clear()


def test_the_day_of_the_last_use_is_kept() -> None:
    made = new_token()
    Program(made.secret).call("GET", "/api/v1/lists/1")
    made.token.refresh_from_db()
    assert made.token.last_used_date == timezone.localdate()


def test_the_web_role_sees_no_token_but_the_one_presented() -> None:
    new_token()
    dune_token()
    with as_role("web"):
        assert not ApiToken.objects.exists()
