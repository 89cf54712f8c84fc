"""How answers leave: by which sender and channel, what they say, and what follows a refusal."""

from collections.abc import Iterator
from datetime import timedelta
from email.message import EmailMessage
from pathlib import Path

import pytest
from django.db import connection
from django.utils import timezone
from pytest_django.fixtures import Settings

from insurers.lists.keystore import StoreUnreachableError, WrongKeyError
from insurers.models import Advice
from notifications.channels import ChannelDownError, Outcome
from notifications.models import Channel, ReceiptKind, Reply, State, Suppression
from notifications.receipts.applying import record_receipt
from notifications.references import derive, fingerprint
from notifications.replies import sending
from notifications.replies.outcomes import mark_in_doubt, number_of, record
from notifications.replies.sending import send_replies
from notifications.sending.pacing import rest
from notifications.verifying.sent import find_message
from tests import cast
from tests.conftest import as_role
from tests.notifications.replies.asking import answer, asked
from tests.notifications.story import accepted_list, member
from tests.smtp import Recorder

pytestmark = pytest.mark.django_db


@pytest.fixture
def sms(settings: Settings, tmp_path: Path) -> Path:
    settings.SMS_OUTBOX_DIR = tmp_path / "sms"
    settings.SMS_ACCOUNT = {"provider": "folder", "sender": "PORTAIL"}
    return tmp_path / "sms"


def send(*channels: Channel) -> bool:
    with as_role("worker"):
        return send_replies(seconds=5, channels=channels or sending.SENT_BY)


def body(message: EmailMessage, kind: str = "plain") -> str:
    part = message.get_body(preferencelist=(kind,))
    assert part is not None
    return str(part.get_content())


def make(number: int = 7, **contact: str) -> Reply:
    accepted_list([member(number, **(contact or {"email": "camille@example.fr"}))])
    asked(number)
    answer()
    return Reply.objects.get()


def test_the_answer_goes_to_the_address_that_the_insurer_gave(mail: Recorder) -> None:
    reply = make()
    send()
    (message,) = mail.messages
    assert mail.recipients == ["camille@example.fr"]
    assert "Mutuelle du Phare" in message["From"]
    assert message["Reply-To"] == "dpo@phare.example.fr"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["List-Unsubscribe"] is None
    for kind in ("plain", "html"):
        text = body(message, kind)
        for said in (
            reply.code,
            derive(number_of(reply)),
            "Violation Alphapay et Betapay (fictive)",
            "Date de naissance",
            "Coordonnées bancaires",
            "Ce message ne contient aucun lien",
            "01 99 00 00 01",
        ):
            assert said in text, said
        for unsaid in ("000000007", "12/03/1980", "1980-03-12", "http"):
            assert unsaid not in text.replace("https://www.w3.org", ""), unsaid
    reply.refresh_from_db()
    assert reply.state == State.ACCEPTED
    assert bytes(reply.reference_fingerprint or b"") == fingerprint(derive(number_of(reply)))


def test_the_answer_says_what_the_directory_advises(mail: Recorder) -> None:
    Advice.objects.create(
        code="no_click",
        text_fr="N’ouvrez aucun lien.",
        text_en="Open no link.",
        population=cast.insured_people(),
    )
    make()
    send()
    assert "N’ouvrez aucun lien." in body(mail.messages[0])


def test_a_question_in_english_is_answered_in_english(mail: Recorder) -> None:
    accepted_list([member(7, email="camille@example.fr")])
    asked(7, language="en")
    answer()
    send()
    text = body(mail.messages[0])
    assert "Alphapay and Betapay breach (fictional)" in text
    assert "Date of birth" in text
    assert "Votre" not in mail.messages[0]["Subject"]


def test_an_answer_by_sms_has_the_code_and_the_reference(sms: Path) -> None:
    reply = make(mobile="0639980007")
    send()
    (sent,) = sms.iterdir()
    content = sent.read_text(encoding="utf-8")
    assert reply.code in content
    assert derive(number_of(reply)) in content
    assert "+33639980007" in content


def test_a_refused_address_is_left_out_and_the_sms_follows(mail: Recorder, sms: Path) -> None:
    mail.answers["camille@example.fr"] = "550 5.1.1 no such user"
    reply = make(email="camille@example.fr", mobile="0639980007")
    send(Channel.EMAIL)
    reply.refresh_from_db()
    assert (reply.state, reply.channels) == (State.PENDING, [Channel.SMS])
    assert Suppression.objects.count() == 1
    send()
    reply.refresh_from_db()
    assert reply.state == State.ACCEPTED
    assert len(list(sms.iterdir())) == 1


def test_without_another_channel_it_has_failed(mail: Recorder) -> None:
    mail.answers["camille@example.fr"] = "550 5.1.1 no such user"
    reply = make()
    send()
    reply.refresh_from_db()
    assert (reply.state, reply.reason) == (State.BOUNCED, "smtp-550")


def test_a_temporary_refusal_is_tried_again_for_half_an_hour(mail: Recorder) -> None:
    mail.answers["camille@example.fr"] = "451 4.3.0 later"
    reply = make()
    send()
    reply.refresh_from_db()
    assert reply.state == State.DEFERRED
    assert not send()
    assert mail.received == []
    Reply.objects.update(due_at=timezone.now())
    mail.answers.clear()
    send()
    assert mail.recipients == ["camille@example.fr"]


def test_after_half_an_hour_it_is_given_up(mail: Recorder) -> None:
    mail.answers["camille@example.fr"] = "451 4.3.0 later"
    reply = make()
    Reply.objects.update(made_at=timezone.now() - timedelta(minutes=31))
    send()
    reply.refresh_from_db()
    assert reply.state == State.FAILED


def test_a_server_that_is_down_is_tried_again_soon(
    mail: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    reply = make()

    class Down:
        def send(self, messages: Iterator[object]) -> Iterator[None]:
            next(messages)
            raise ChannelDownError("away")
            yield

    with monkeypatch.context() as broken:
        broken.setattr(sending, "channel_for", lambda *_, **__: Down())
        send()
    reply.refresh_from_db()
    assert reply.state == State.DEFERRED
    assert reply.due_at <= timezone.now() + timedelta(seconds=30)


def test_a_message_in_doubt_is_not_sent_again(mail: Recorder) -> None:
    reply = make()
    Reply.objects.update(state=State.SENDING, due_at=timezone.now() + timedelta(minutes=10))
    assert mark_in_doubt(now=timezone.now()) == 0
    assert mark_in_doubt(now=timezone.now() + timedelta(minutes=11)) == 1
    send()
    reply.refresh_from_db()
    assert (reply.state, mail.received) == (State.UNCERTAIN, [])


def test_a_connection_lost_after_the_message_leaves_it_in_doubt(mail: Recorder) -> None:
    mail.drop_at = 1
    reply = make()
    send()
    send()
    reply.refresh_from_db()
    assert reply.state == State.UNCERTAIN
    assert len(mail.received) == 1


def test_nobody_is_answered_from_a_list_that_left(mail: Recorder) -> None:
    from insurers.models import AffectedList, ListState

    reply = make()
    AffectedList.objects.update(state=ListState.WITHDRAWN)
    send()
    reply.refresh_from_db()
    assert (reply.state, mail.received) == (State.CANCELLED, [])


def test_several_leave_over_one_connection(mail: Recorder) -> None:
    accepted_list([member(n, email=f"p{n}@example.fr") for n in range(1, 6)])
    for number in range(1, 6):
        asked(number)
    answer()
    send()
    assert sorted(mail.recipients) == [f"p{n}@example.fr" for n in range(1, 6)]


@pytest.mark.parametrize(
    ("kind", "state"),
    [
        (ReceiptKind.DELIVERED, State.DELIVERED),
        (ReceiptKind.HARD, State.BOUNCED),
        (ReceiptKind.COMPLAINED, State.COMPLAINED),
    ],
)
def test_a_receipt_finds_its_answer(mail: Recorder, kind: ReceiptKind, state: State) -> None:
    reply = make()
    send()
    for _ in range(2):
        record_receipt(
            sender="email:portal",
            kind=kind,
            receipt_id="one",
            notification_id=number_of(reply),
            now=timezone.now(),
        )
    reply.refresh_from_db()
    assert reply.state == state
    assert Suppression.objects.exists() == (state != State.DELIVERED)


def test_a_bounce_that_comes_later_has_the_sms_follow(mail: Recorder, sms: Path) -> None:
    reply = make(email="camille@example.fr", mobile="0639980007")
    send()
    record_receipt(
        sender="email:portal",
        kind=ReceiptKind.HARD,
        receipt_id="one",
        notification_id=number_of(reply),
        now=timezone.now(),
    )
    send()
    assert len(list(sms.iterdir())) == 1


def test_a_receipt_that_comes_before_the_answer_of_the_server_waits_for_it(mail: Recorder) -> None:
    reply = make()
    Reply.objects.update(state=State.SENDING)
    record_receipt(
        sender="email:portal",
        kind=ReceiptKind.HARD,
        receipt_id="one",
        notification_id=number_of(reply),
        now=timezone.now(),
    )
    reply.refresh_from_db()
    assert reply.state == State.SENDING
    taken = Outcome(number_of(reply), State.ACCEPTED, "smtp-250")
    record(reply, taken, sender="email:portal", now=timezone.now())
    reply.refresh_from_db()
    assert reply.state == State.BOUNCED


def test_the_reference_of_an_answer_can_be_checked(mail: Recorder) -> None:
    reply = make()
    reference = derive(number_of(reply))
    with as_role("web"):
        assert find_message(reference=reference) is None  # It has not left yet.
    send()
    with as_role("web"):
        found = find_message(reference=reference)
    assert found is not None
    assert found.is_answer
    assert (found.insurer, found.channel) == (cast.phare(), Channel.EMAIL)
    assert [text.language for text in found.texts] == ["fr", "en"]
    sent, compared = body(mail.messages[0]), found.texts[0].text
    for line in ("OUI, VOUS ÊTES CONCERNÉ", "- Date de naissance", reference):
        assert line in sent
        assert line in compared
    assert "Camille" not in compared
    assert reply.code not in compared
    assert "\ue000" not in compared + found.texts[0].sms


def test_a_server_that_rests_is_left_alone(mail: Recorder) -> None:
    reply = make()
    now = timezone.now()
    rest(sender="email:portal", until=now + timedelta(minutes=1), now=now)
    assert not send()
    rest(sender="email:portal", until=now, now=now)
    assert mail.received == []
    send()
    reply.refresh_from_db()
    assert reply.state == State.ACCEPTED


def test_a_receipt_that_waited_for_a_worker_that_died_is_applied(mail: Recorder) -> None:
    reply = make()
    Reply.objects.update(state=State.SENDING, due_at=timezone.now())
    record_receipt(
        sender="email:portal",
        kind=ReceiptKind.DELIVERED,
        receipt_id="one",
        notification_id=number_of(reply),
        now=timezone.now(),
    )
    assert mark_in_doubt(now=timezone.now() + timedelta(seconds=1)) == 1
    reply.refresh_from_db()
    assert (reply.state, reply.receipts_wait) == (State.DELIVERED, False)


@pytest.mark.parametrize("error", [StoreUnreachableError, WrongKeyError])
def test_an_answer_whose_key_is_out_of_reach_is_tried_again(
    mail: Recorder, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    reply = make()

    def away(_list: object) -> None:
        raise error("list/1/1")

    with monkeypatch.context() as without:
        without.setattr(sending, "open_contacts", away)
        send()
    reply.refresh_from_db()
    assert (reply.state, reply.reason) == (State.DEFERRED, "unmade")
    assert reply.due_at <= timezone.now() + timedelta(seconds=30)
    Reply.objects.update(due_at=timezone.now())
    send()
    assert mail.recipients == ["camille@example.fr"]


def test_a_contact_that_does_not_open_stops_nobody(mail: Recorder) -> None:
    accepted_list([member(n, email=f"p{n}@example.fr") for n in (6, 7, 8)])
    for number in (6, 7, 8):
        asked(number)
    answer()
    damaged = Reply.objects.order_by("pk")[0]
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE affected_member SET contact = overlay(contact PLACING '\\x00' FROM 20)"
            " WHERE list_id = %s AND ordinal = %s",
            [damaged.list_id, damaged.ordinal],
        )
    send()
    send()
    assert len(mail.received) == 2
    Reply.objects.update(made_at=timezone.now() - timedelta(minutes=31), due_at=timezone.now())
    send()
    damaged.refresh_from_db()
    assert (damaged.state, damaged.reason) == (State.FAILED, "unmade")
