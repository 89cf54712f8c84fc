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

from notifications.channels.providers import PROVIDERS
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


def by_password(client: Client, identity: SendingIdentity, body: object, *, secret: str) -> int:
    login = base64.b64encode(f"{USER}:{secret}".encode()).decode()
    return client.post(
        reverse("provider_webhook", args=[identity.pk]),
        json.dumps(body),
        content_type="application/json",
        HTTP_AUTHORIZATION=f"Basic {login}",
    ).status_code


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
    answers = [by_password(client, mine, body, secret=one) for one in ("wrong", SIGNING_KEY)]
    apply()
    sent.refresh_from_db()
    assert (answers, sent.state) == ([403, 200], State.BOUNCED)


def said_by(transport: str, what: str, token: str) -> object:
    """A provider's webhook as it documents it: `hard`, `soft`, `delivered` or `complained`."""
    custom = json.dumps({"receipt": token})
    if transport == "brevo":
        names = {"hard": "hard_bounce", "soft": "soft_bounce", "complained": "spam"}
        return {
            "event": names.get(what, what),
            "X-Mailin-custom": custom,
            "ts_epoch": 1772445600000,
        }
    if transport == "mailjet":
        bounce = {"event": "bounce", "hard_bounce": what == "hard", "error": "user unknown"}
        if what == "soft":
            bounce["error"] = "quota exceeded"
        others = {"delivered": {"event": "sent"}, "complained": {"event": "spam"}}
        return [{"time": 1772445600, "MessageID": 7, "Payload": custom} | others.get(what, bounce)]
    if transport == "postmark":
        kinds = {"hard": "HardBounce", "soft": "SoftBounce", "complained": "SpamComplaint"}
        record = {"delivered": "Delivery", "complained": "SpamComplaint"}.get(what, "Bounce")
        return {"RecordType": record, "Type": kinds.get(what, ""), "Metadata": {"receipt": token}}
    names = {"delivered": "delivery", "complained": "spam_complaint"}
    event: dict[str, object] = {"type": names.get(what, "bounce"), "rcpt_meta": {"receipt": token}}
    if what in ("hard", "soft"):
        event["bounce_class"] = "10" if what == "hard" else "22"
    return [{"msys": {"message_event": event}}]


@pytest.mark.parametrize(
    ("what", "state", "suppressed"),
    [
        ("delivered", State.DELIVERED, 0),
        ("hard", State.BOUNCED, 1),
        ("soft", State.DEFERRED, 0),
        ("complained", State.COMPLAINED, 1),
    ],
)
@pytest.mark.parametrize("transport", [n for n, one in PROVIDERS.items() if not one.signing_key])
def test_what_each_provider_says_moves_its_message_and_a_soft_bounce_suppresses_nobody(
    client: WebClient, sent: Notification, transport: str, what: str, state: State, suppressed: int
) -> None:
    mine = identity(transport=transport)
    body = said_by(transport, what, receipt_token(sent.pk, account=account_of(mine)))
    assert by_password(client, mine, body, secret="wrong") == 403
    assert by_password(client, mine, body, secret=SIGNING_KEY) == 200
    assert apply() == 1
    sent.refresh_from_db()
    assert (sent.state, Suppression.objects.count()) == (state, suppressed)


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
