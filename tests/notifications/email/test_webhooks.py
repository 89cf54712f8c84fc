"""Providers' webhooks: signed or refused, sealed by the web process, applied by the worker."""

import base64
import hashlib
import hmac
import json
import time

import pytest
from django.db import ProgrammingError, connection
from django.test import Client
from django.urls import reverse

from notifications.models import Notification, SealedReceipt, SendingIdentity, State, Suppression
from notifications.receipts.reports import apply_sealed_receipts
from notifications.receipts.tokens import receipt_token
from notifications.receipts.webhooks import USER
from notifications.senders.choosing import account_of
from tests import cast
from tests.conftest import WebClient, as_role
from tests.notifications.email.senders import SIGNING_KEY, identity

pytestmark = pytest.mark.django_db


def event(
    identity: SendingIdentity,
    name: str,
    *,
    severity: str = "permanent",
    reason: str = "bounce",
    key: str = SIGNING_KEY,
    notification_id: int | None = None,
) -> dict[str, object]:
    """Mailgun's webhook about the first message, signed."""
    if notification_id is None:
        notification_id = Notification.objects.order_by("pk").values_list("pk", flat=True)[0]
    timestamp, token = str(int(time.time())), hashlib.sha256(name.encode()).hexdigest()
    signature = hmac.new(key.encode(), f"{timestamp}{token}".encode(), hashlib.sha256).hexdigest()
    return {
        "signature": {"timestamp": timestamp, "token": token, "signature": signature},
        "event-data": {
            "event": name,
            "timestamp": time.time(),
            "recipient": "camille@example.fr",
            "severity": severity,
            "reason": reason,
            "delivery-status": {"message": "550 camille@example.fr unknown"},
            "user-variables": {
                "receipt": receipt_token(notification_id, account=account_of(identity))
            },
        },
    }


def post(client: Client, identity: SendingIdentity, body: object) -> int:
    url = reverse("provider_webhook", args=[identity.pk])
    answer = client.post(url, json.dumps(body), content_type="application/json")
    return answer.status_code


def apply() -> int:
    with as_role("worker"):
        return apply_sealed_receipts(now=cast.NOW)


@pytest.mark.parametrize(
    ("name", "severity", "state"),
    [
        ("delivered", "", State.DELIVERED),
        ("failed", "permanent", State.BOUNCED),
        ("complained", "", State.COMPLAINED),
        ("failed", "temporary", State.ACCEPTED),
        ("opened", "", State.ACCEPTED),
    ],
)
def test_a_signed_webhook_moves_its_message(
    client: WebClient, sent: Notification, name: str, severity: str, state: State
) -> None:
    mine = identity()
    assert post(client, mine, event(mine, name, severity=severity)) == 200
    assert apply() == 1
    sent.refresh_from_db()
    assert sent.state == state
    assert not SealedReceipt.objects.exists()


@pytest.mark.parametrize(
    ("reason", "suppressed"), [("bounce", 1), ("suppress-bounce", 1), ("generic", 0)]
)
def test_an_address_that_bounces_is_suppressed_a_policy_is_not(
    client: WebClient, sent: Notification, reason: str, suppressed: int
) -> None:
    mine = identity()
    post(client, mine, event(mine, "failed", reason=reason))
    apply()
    assert Suppression.objects.count() == suppressed


def test_a_wrong_signature_is_refused_and_nothing_is_kept(
    client: WebClient, sent: Notification
) -> None:
    mine = identity()
    assert post(client, mine, event(mine, "failed", key="another key")) == 403
    assert not SealedReceipt.objects.exists()


def test_an_unknown_identity_is_refused(client: WebClient, sent: Notification) -> None:
    mine = identity()
    body = event(mine, "failed")
    SendingIdentity.objects.update(state="refused")
    assert post(client, mine, body) == 403


def test_a_receipt_of_another_account_moves_nothing(client: WebClient, sent: Notification) -> None:
    dunes = identity(cast.dune())
    assert post(client, dunes, event(identity(), "failed")) == 200
    apply()
    sent.refresh_from_db()
    assert sent.state == State.ACCEPTED


def test_a_provider_that_does_not_sign_presents_its_password(
    client: WebClient, sent: Notification
) -> None:
    mine = identity(transport="postmark")
    token = receipt_token(sent.pk, account=account_of(mine))
    body = {
        "RecordType": "Bounce",
        "Type": "HardBounce",
        "ID": 42,
        "Email": "camille@example.fr",
        "BouncedAt": "2026-03-02T10:00:00Z",
        "Metadata": {"receipt": token},
    }
    url = reverse("provider_webhook", args=[mine.pk])
    answers = []
    for secret in ("wrong", SIGNING_KEY):
        login = base64.b64encode(f"{USER}:{secret}".encode()).decode()
        answer = client.post(
            url,
            json.dumps(body),
            content_type="application/json",
            HTTP_AUTHORIZATION=f"Basic {login}",
        )
        answers.append(answer.status_code)
    apply()
    sent.refresh_from_db()
    assert (answers, sent.state) == ([403, 200], State.BOUNCED)


def test_what_is_kept_shows_no_address_and_the_web_role_cannot_read_it(
    client: WebClient, sent: Notification
) -> None:
    mine = identity()
    post(client, mine, event(mine, "failed"))
    assert b"camille" not in bytes(SealedReceipt.objects.get().sealed)
    with pytest.raises(ProgrammingError, match="permission denied"), as_role("web"):
        SealedReceipt.objects.first()


def test_what_is_no_json_of_the_provider_is_dropped_by_the_worker(
    client: WebClient, sent: Notification, caplog: pytest.LogCaptureFixture
) -> None:
    mine = identity()
    body = event(mine, "failed")
    body["event-data"] = {"recipient": "camille@example.fr"}
    assert post(client, mine, body) == 200
    assert apply() == 1
    assert str(mine.pk) in caplog.text
    assert "camille" not in caplog.text


def test_a_webhook_sees_its_own_identity_only(client: WebClient) -> None:
    mine, dunes = identity(), identity(cast.dune())
    with as_role("web"), connection.cursor() as cursor:
        cursor.execute("SELECT set_config('portal.webhook', %s, true)", [str(mine.pk)])
        assert list(SendingIdentity.objects.values_list("pk", flat=True)) == [mine.pk]
    assert dunes.pk != mine.pk


def test_a_get_is_not_a_webhook_and_a_head_is_answered(client: WebClient) -> None:
    url = reverse("provider_webhook", args=[identity().pk])
    assert client.get(url).status_code == 405
    assert client.head(url).status_code == 200
