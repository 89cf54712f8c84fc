"""Providers' webhooks: signed or refused, sealed by the web process, applied by the worker."""

import json
import tracemalloc
from dataclasses import replace
from uuid import uuid4

import pytest
from django.db import ProgrammingError, connection
from django.urls import reverse

from notifications.channels.providers import PROVIDERS
from notifications.models import Notification, SealedReceipt, SendingIdentity, State, Suppression
from notifications.receipts.reports import apply_sealed_receipts
from notifications.receipts.tokens import receipt_token
from notifications.receipts.webhooks import webhook_address
from notifications.senders.choosing import account_of
from tests import cast
from tests.conftest import WebClient, as_role
from tests.notifications.email.posts import PROOFS, SAID, Post, deliver, identity_at, proved
from tests.notifications.email.senders import SIGNING_KEY, identity

pytestmark = pytest.mark.django_db
over_providers = pytest.mark.parametrize("transport", PROVIDERS)


def event(
    mine: SendingIdentity, name: str, *, reason: str = "bounce", secret: str = SIGNING_KEY
) -> Post:
    """Mailgun's webhook about the first message, signed."""
    number = Notification.objects.order_by("pk").values_list("pk", flat=True)[0]
    said = SAID["mailgun"](name, receipt_token(number, account=account_of(mine)))
    if name == "hard":
        said["event-data"]["reason"] = reason
    return proved(mine, said, secret=secret)


def test_every_provider_that_is_offered_is_described() -> None:
    assert set(SAID) == set(PROOFS) == set(PROVIDERS)


def apply() -> int:
    with as_role("worker"):
        return apply_sealed_receipts(now=cast.NOW)


@pytest.mark.parametrize(
    ("reason", "suppressed"), [("bounce", 1), ("suppress-bounce", 1), ("generic", 0)]
)
def test_an_address_that_bounces_is_suppressed_a_policy_is_not(
    client: WebClient, sent: Notification, reason: str, suppressed: int
) -> None:
    mine = identity()
    deliver(client, mine, event(mine, "hard", reason=reason))
    apply()
    assert Suppression.objects.count() == suppressed


def test_an_unknown_identity_is_refused(client: WebClient, sent: Notification) -> None:
    mine = identity()
    said = event(mine, "hard")
    SendingIdentity.objects.update(state="refused")
    assert deliver(client, mine, said) == 403


@over_providers
@pytest.mark.parametrize(
    ("what", "state", "suppressed"),
    [
        ("delivered", State.DELIVERED, 0),
        ("hard", State.BOUNCED, 1),
        ("soft", State.DEFERRED, 0),
        ("delayed", State.ACCEPTED, 0),
        ("complained", State.COMPLAINED, 1),
        ("opened", State.ACCEPTED, 0),
        ("refused", State.FAILED, 0),
    ],
)
def test_what_each_provider_says_moves_its_message_and_a_soft_bounce_suppresses_nobody(
    client: WebClient, sent: Notification, transport: str, what: str, state: State, suppressed: int
) -> None:
    mine = identity_at(transport)
    said = SAID[transport](what, receipt_token(sent.pk, account=account_of(mine)))
    assert deliver(client, mine, proved(mine, said)) == 200
    assert apply() == 1
    sent.refresh_from_db()
    assert (sent.state, Suppression.objects.count()) == (state, suppressed)
    assert not SealedReceipt.objects.exists()


@over_providers
def test_what_is_not_proved_is_refused_and_nothing_is_kept(
    client: WebClient, sent: Notification, transport: str
) -> None:
    mine = identity_at(transport)
    said = SAID[transport]("hard", receipt_token(sent.pk, account=account_of(mine)))
    unproved = replace(proved(mine, said), headers={})
    if transport == "mailgun":
        unproved = Post(json.dumps(said))
    answers = [
        deliver(client, mine, proved(mine, said, secret="another key")),
        deliver(client, mine, unproved),
    ]
    assert answers == [403, 403]
    assert not SealedReceipt.objects.exists()


@over_providers
def test_a_receipt_of_another_account_moves_nothing(
    client: WebClient, sent: Notification, transport: str
) -> None:
    mine, dunes = identity_at(transport), identity_at(transport, place=cast.dune())
    said = SAID[transport]("hard", receipt_token(sent.pk, account=account_of(mine)))
    assert deliver(client, dunes, proved(dunes, said)) == 200
    apply()
    sent.refresh_from_db()
    assert (sent.state, Suppression.objects.count()) == (State.ACCEPTED, 0)


# Mailgun signs a token of its own, and no word of the event.
@pytest.mark.parametrize("transport", ["mailtrap", "mandrill", "sendgrid"])
def test_a_signature_is_of_what_was_said(
    client: WebClient, sent: Notification, transport: str
) -> None:
    mine = identity_at(transport)
    said = SAID[transport]("hard", receipt_token(sent.pk, account=account_of(mine)))
    post = proved(mine, said)
    assert post.altered() != post
    assert deliver(client, mine, post.altered()) == 403


@pytest.mark.parametrize("transport", ["mandrill"])
def test_a_signature_is_of_the_address_where_the_provider_signs_it(
    client: WebClient, sent: Notification, transport: str
) -> None:
    mine = identity_at(transport)
    said = SAID[transport]("hard", receipt_token(sent.pk, account=account_of(mine)))
    elsewhere = webhook_address(uuid4())
    assert deliver(client, mine, proved(mine, said, address=elsewhere)) == 403


@over_providers
def test_a_proof_of_strange_characters_is_refused(client: WebClient, transport: str) -> None:
    mine = identity_at(transport)
    post = proved(mine, SAID[transport]("hard", "0" * 32))
    headers = dict.fromkeys(post.headers, "\xe9\xff")
    content = post.content.replace('"signature": "', '"signature": "é')
    assert deliver(client, mine, replace(post, content=content, headers=headers)) == 403


@pytest.mark.parametrize(
    ("category", "state", "suppressed"),
    [("overquota", State.DEFERRED, 0), ("spam", State.FAILED, 0), (None, State.BOUNCED, 1)],
)
def test_mailtrap_says_in_a_category_why_it_gave_up(
    client: WebClient, sent: Notification, category: str | None, state: State, suppressed: int
) -> None:
    mine = identity_at("mailtrap")
    said = SAID["mailtrap"]("hard", receipt_token(sent.pk, account=account_of(mine)))
    said["events"][0]["bounce_category"] = category
    deliver(client, mine, proved(mine, said))
    apply()
    sent.refresh_from_db()
    assert (sent.state, Suppression.objects.count()) == (state, suppressed)


@pytest.mark.parametrize(
    ("bounce", "state", "suppressed"),
    [
        ({"type": "Undetermined", "message": "sent a bounce message"}, State.DEFERRED, 0),
        (
            {"type": "Permanent", "subType": "Suppressed", "message": "suppressed sending to"},
            State.FAILED,
            0,
        ),
    ],
)
def test_resend_bounces_of_unknown_cause_are_tried_again_and_its_own_list_suppresses_nobody(
    client: WebClient,
    sent: Notification,
    bounce: dict[str, str],
    state: State,
    suppressed: int,
) -> None:
    mine = identity_at("resend")
    said = SAID["resend"]("hard", receipt_token(sent.pk, account=account_of(mine)))
    said["data"]["bounce"] = bounce
    deliver(client, mine, proved(mine, said))
    apply()
    sent.refresh_from_db()
    assert (sent.state, Suppression.objects.count()) == (state, suppressed)


# anymail refuses mail that came in, or fails over it, where the insurer mixed its webhooks up.
UNREADABLE = {
    "mailtrap": {"events": [{"event": "inbound.message_received"}]},
    "mandrill": [{"event": "inbound", "msg": {}}, {"event": "open", "msg": {}}],
    "postmark": {"RecordType": "Inbound", "FromFull": {}},
    "resend": {"type": "email.bounced", "data": []},
    "sendgrid": ["x"],
    "sparkpost": [{"msys": {"message_event": "x"}}],
}


@pytest.mark.parametrize("transport", UNREADABLE)
def test_what_cannot_be_read_keeps_nobody_else_waiting(
    client: WebClient, sent: Notification, transport: str, caplog: pytest.LogCaptureFixture
) -> None:
    mine = identity_at(transport)
    good = SAID[transport]("hard", receipt_token(sent.pk, account=account_of(mine)))
    assert deliver(client, mine, proved(mine, UNREADABLE[transport])) == 200
    assert deliver(client, mine, proved(mine, good)) == 200
    assert apply() == 2
    sent.refresh_from_db()
    assert sent.state == State.BOUNCED
    assert str(mine.pk) in caplog.text


@pytest.mark.parametrize("words", ["550 \x00 unknown", "550 \ud800 unknown"])
def test_words_that_postgresql_cannot_keep_keep_nobody_waiting(
    client: WebClient, sent: Notification, words: str
) -> None:
    mine = identity_at("mailtrap")
    said = SAID["mailtrap"]("hard", receipt_token(sent.pk, account=account_of(mine)))
    said["events"][0] |= {"response": words, "event_id": words}
    assert deliver(client, mine, proved(mine, said)) == 200
    assert apply() == 1
    sent.refresh_from_db()
    assert sent.state == State.BOUNCED


def test_metadata_of_another_form_keep_nobody_waiting(
    client: WebClient, sent: Notification
) -> None:
    mine = identity_at("sparkpost")
    said = SAID["sparkpost"]("hard", receipt_token(sent.pk, account=account_of(mine)))
    odd = SAID["sparkpost"]("hard", "")
    odd[0]["msys"]["message_event"]["rcpt_meta"] = ["x"]
    deliver(client, mine, proved(mine, odd))
    deliver(client, mine, proved(mine, said))
    assert apply() == 2
    sent.refresh_from_db()
    assert sent.state == State.BOUNCED


@over_providers
def test_a_webhook_that_comes_again_after_another_attempt_moves_nothing(
    client: WebClient, sent: Notification, transport: str
) -> None:
    mine = identity_at(transport)
    said = SAID[transport]("soft", receipt_token(sent.pk, account=account_of(mine)))
    post = proved(mine, said)
    for state in (State.DEFERRED, State.ACCEPTED):
        deliver(client, mine, post)
        assert apply() == 1
        sent.refresh_from_db()
        assert sent.state == state
        Notification.objects.update(state=State.ACCEPTED)


def test_large_webhooks_are_not_all_held_in_memory(client: WebClient, sent: Notification) -> None:
    mine = identity_at("sparkpost")
    said = SAID["sparkpost"]("hard", receipt_token(sent.pk, account=account_of(mine)))
    said[0]["msys"]["message_event"]["rcpt_tags"] = 4 * 1024**2 * "x"
    for _ in range(20):
        assert deliver(client, mine, proved(mine, said)) == 200
    tracemalloc.start()
    try:
        assert apply() == 20
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 80 * 1024**2
    sent.refresh_from_db()
    assert sent.state == State.BOUNCED


NO_WEBHOOKS = ["[]", "null", '{"signature": []}', "[" * 100_000, '{"signature":' * 100_000]


@pytest.mark.parametrize("content", NO_WEBHOOKS, ids=lambda content: content[:16])
def test_what_mailgun_cannot_have_signed_is_refused(client: WebClient, content: str) -> None:
    assert deliver(client, identity_at("mailgun"), Post(content)) == 403


def test_what_is_kept_shows_no_address_and_the_web_role_cannot_read_it(
    client: WebClient, sent: Notification
) -> None:
    mine = identity()
    deliver(client, mine, event(mine, "hard"))
    assert b"camille" not in bytes(SealedReceipt.objects.get().sealed)
    with pytest.raises(ProgrammingError, match="permission denied"), as_role("web"):
        SealedReceipt.objects.first()


def test_what_is_no_json_of_the_provider_is_dropped_by_the_worker(
    client: WebClient, sent: Notification, caplog: pytest.LogCaptureFixture
) -> None:
    mine = identity()
    said = {"event-data": {"recipient": "camille@example.fr"}}
    assert deliver(client, mine, proved(mine, said)) == 200
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
