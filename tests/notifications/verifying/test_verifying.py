"""A reference tells whoever holds it what was sent with it, and nothing about anybody."""

import json
import re
from dataclasses import replace
from datetime import timedelta

import pytest
from django.db import ProgrammingError, connection
from django.utils import timezone

from breachportal.privileges import CALLS, OWNER
from insurers.lists.purging import purge_contacts, purge_list, run_purge
from insurers.models import AffectedList
from notifications.campaigns.cancelling import cancel_messages
from notifications.campaigns.stopping import cancel_campaign, pause_campaign
from notifications.channels import Outcome
from notifications.models import (
    Campaign,
    Channel,
    DeliveryEvent,
    Notification,
    ReceiptKind,
    SenderPace,
    State,
)
from notifications.notices.content import NoticeContent, NoticeTexts
from notifications.notices.placeholders import EXPLAINED
from notifications.receipts.applying import record_receipt
from notifications.references import derive, fingerprint
from notifications.sending.doubts import DOUBT_DELAY, resolve_doubts
from notifications.sending.leases import claim_batch
from notifications.sending.outcomes import record_outcome
from notifications.verifying.sent import SentMessage, find_message, sent_texts
from tests import cast
from tests.audit.tampering import behind_its_back
from tests.conftest import as_role
from tests.notifications.letters.test_letters import lettered, made
from tests.notifications.story import built, member, send
from tests.smtp import Recorder

pytestmark = pytest.mark.django_db
CAMILLE = member(1, email="camille@example.fr", name="Hublot;Camille")
LOUP = member(2, mobile="0639980002", name="Vigie;Loup")


def checked(message: Notification) -> SentMessage | None:
    """Check a message's reference as the web process does."""
    with as_role("web"):
        return find_message(reference=derive(message.pk))


def told(message: Notification) -> SentMessage:
    found = checked(message)
    assert found is not None
    return found


def only(campaign: Campaign) -> Notification:
    return Notification.objects.get(campaign=campaign)


def answered(campaign: Campaign, state: State) -> Notification:
    """Have its one message answered so, as if a worker had sent it."""
    now = timezone.now()
    channel = Channel(only(campaign).channel)
    batch = claim_batch(campaign_id=campaign.pk, channel=channel, now=now)
    assert batch is not None
    outcome = Outcome(only(campaign).pk, state, "smtp-450")
    with as_role("worker"):
        record_outcome(batch_id=batch, outcome=outcome, now=now)
    return only(campaign)


def test_who_sent_what_how_and_when(mail: Recorder) -> None:
    campaign = built([CAMILLE])
    send(campaign)
    found = told(only(campaign))
    assert (found.insurer, found.breach, found.channel) == (cast.phare(), cast.breach(), "email")
    assert found.first_date == found.last_date == timezone.localdate()
    assert not found.has_second_copy


def test_the_text_is_the_one_that_arrived_but_for_what_differs_by_person(mail: Recorder) -> None:
    campaign = built([CAMILLE])
    send(campaign)
    body = mail.messages[0].get_body(("plain",))
    assert body is not None
    text = told(only(campaign)).texts[0]
    greeting, covered, rest = text.text.split("\n\n", 2)
    arrived = body.get_content().replace("\r\n", "\n").split("\n\n", 2)
    assert arrived[2].split() == rest.split()
    assert greeting == "[Bonjour et votre nom, ou Madame, Monsieur,]"
    assert covered == "[Combien de personnes assurées ce message concerne.]"
    assert mail.messages[0]["Subject"] == text.subject


def test_nothing_is_said_of_the_people(mail: Recorder) -> None:
    campaign = built([CAMILLE, member(3, email="camille@example.fr", name="Hublot;Zoé")])
    send(campaign)
    shown = repr(told(only(campaign)))
    for secret in ("Hublot", "Camille", "Zoé", "2 personnes", "camille@", "\ue000"):
        assert secret not in shown


def test_what_a_notice_calls_its_reader_stands_in_brackets() -> None:
    words = "".join(f"<{written}>" for written, _meaning in EXPLAINED)
    content = replace(NoticeContent(), fr=NoticeTexts(subject="Avis", advice=words, sms=words))
    (text,) = sent_texts(content, reference=derive(1), has_plain_sms=False)
    assert "<[votre prénom]><[votre nom]>" in text.text
    assert "<[nombre de personnes]>" in text.text
    assert derive(1) in text.text
    assert not re.search("[\ue000-\uf8ff]", text.subject + text.text)


def test_an_sms_is_shown_as_it_was_sent(mail: Recorder) -> None:
    campaign = built([LOUP])
    send(campaign)
    found = told(only(campaign))
    assert found.channel == Channel.SMS
    assert derive(only(campaign).pk) in found.texts[0].sms


def test_a_letter_is_known_once_its_file_is_made() -> None:
    campaign = lettered(1)
    assert checked(only(campaign)) is None
    made(campaign)
    assert told(only(campaign)).channel == Channel.LETTER


@pytest.mark.parametrize("state", [State.BOUNCED, State.FAILED, State.UNCERTAIN, State.DEFERRED])
def test_what_a_server_refused_was_sent_all_the_same(state: State) -> None:
    message = answered(built([CAMILLE]), state)
    assert told(message).first_date == timezone.localdate()


def test_what_bounced_later_stays_known(mail: Recorder) -> None:
    campaign = built([CAMILLE])
    send(campaign)
    receive(only(campaign), ReceiptKind.HARD)
    assert only(campaign).state == State.BOUNCED
    assert told(only(campaign))


def test_what_only_a_receipt_tells_of_is_known() -> None:
    """A worker ended after it had sent more than it could say: the message waits, and is there."""
    message = only(built([CAMILLE]))
    receive(message, ReceiptKind.DELIVERED)
    message.refresh_from_db()
    assert message.state == State.DELIVERED
    assert told(message).first_date == timezone.localdate()


def receive(message: Notification, kind: ReceiptKind) -> None:
    with as_role("worker"):
        record_receipt(
            sender="email:phare",
            kind=kind,
            receipt_id="1",
            notification_id=message.pk,
            now=timezone.now(),
        )


def test_a_second_copy_after_a_doubt_is_told_with_both_days(mail: Recorder) -> None:
    mail.drop_at = 1
    campaign = built([CAMILLE])
    send(campaign)
    with behind_its_back():  # An event never changes; two days pass.
        DeliveryEvent.objects.update(at=timezone.now() - timedelta(days=2))
    with as_role("worker"):
        resolve_doubts(now=timezone.now() + DOUBT_DELAY + timedelta(seconds=1))
    Notification.objects.filter(state=State.PENDING).update(due_at=timezone.now())
    SenderPace.objects.update(rests_until_at=None)
    send(campaign)
    found = told(only(campaign))
    assert found.has_second_copy
    assert found.last_date - found.first_date == timedelta(days=2)


def test_what_was_never_sent_is_unknown() -> None:
    waiting = built([CAMILLE])
    assert checked(only(waiting)) is None
    pause_campaign(campaign_id=waiting.pk, person_id=cast.paule().pk, now=cast.NOW)
    cancel_campaign(campaign_id=waiting.pk, approver_id=cast.armand().pk, now=cast.NOW)
    with as_role("worker"):
        cancel_messages(campaign_id=waiting.pk, now=cast.NOW)
    assert only(waiting).state == State.CANCELLED
    assert checked(only(waiting)) is None


def test_what_was_put_aside_before_it_left_is_unknown() -> None:
    message = answered(built([CAMILLE]), State.SUPPRESSED)
    assert message.reference_fingerprint is not None
    assert checked(message) is None


def test_what_was_cancelled_after_an_attempt_is_known() -> None:
    """A server said « later »; it may have kept the message, and only who saw it can ask."""
    message = answered(built([CAMILLE]), State.DEFERRED)
    cancel_campaign(campaign_id=message.campaign_id, approver_id=cast.armand().pk, now=cast.NOW)
    with as_role("worker"):
        cancel_messages(campaign_id=message.campaign_id, now=cast.NOW)
    message.refresh_from_db()
    assert message.state == State.CANCELLED
    assert told(message)


def purged(found: AffectedList, *, whole: bool) -> None:
    ask = purge_list if whole else purge_contacts
    purge = ask(affected_list=found, requested_by=None, now=cast.NOW)
    with as_role("worker"):
        run_purge(purge_id=purge.pk, now=cast.NOW)


@pytest.mark.parametrize("whole", [False, True])
def test_the_answer_stays_after_a_purge(mail: Recorder, whole: bool) -> None:
    campaign = built([CAMILLE])
    send(campaign)
    before = told(only(campaign))
    purged(campaign.affected_list, whole=whole)
    assert told(only(campaign)) == before


@pytest.mark.parametrize("table", ["notifications_notification", "notifications_deliveryevent"])
def test_the_web_role_may_call_the_function_and_read_no_message(mail: Recorder, table: str) -> None:
    campaign = built([CAMILLE])
    send(campaign)
    assert told(only(campaign))
    with as_role("web"), connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM notifications_campaign")
        assert cursor.fetchone() == (0,)  # by row-level security
        with pytest.raises(ProgrammingError, match="permission denied"):
            cursor.execute(f"SELECT * FROM {table}")


def test_the_worker_has_no_use_for_it() -> None:
    with pytest.raises(ProgrammingError, match="permission denied"), as_role("worker"):
        find_message(reference=derive(1))


def test_what_the_function_gives_is_this_and_nothing_of_people(mail: Recorder) -> None:
    campaign = built([CAMILLE, member(3, email="camille@example.fr", name="Hublot;Zoé")])
    send(campaign)
    wanted = fingerprint(derive(only(campaign).pk))
    with as_role("web"), connection.cursor() as cursor:
        cursor.execute("SELECT * FROM notifications_find_reference(%s)", [wanted])
        assert [column.name for column in cursor.description] == [
            "insurer_id",
            "breach_id",
            "channel",
            "first_date",
            "last_date",
            "has_second_copy",
            "content",
            "has_plain_sms",
        ]
        row = cursor.fetchone()
    assert row is not None
    approved = campaign.notice_version.content
    assert json.loads(row[6]) == {
        name: value for name, value in approved.items() if name != "unreachable_plan"
    }


def test_every_function_with_its_owners_rights_is_written_down() -> None:
    """Triggers apart, which nobody calls."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT p.oid::regprocedure::text, pg_get_userbyid(p.proowner), p.proconfig::text,"
            " array(SELECT grantee::regrole::text FROM aclexplode(p.proacl)"
            "   WHERE grantee <> p.proowner)"
            " FROM pg_proc p WHERE p.prosecdef AND p.prorettype <> 'trigger'::regtype"
            " AND p.pronamespace = 'public'::regnamespace"
        )
        found = cursor.fetchall()
    assert sorted(found) == [
        (name, OWNER, '{"search_path=pg_catalog, public, pg_temp"}', [role])
        for name, role in sorted(CALLS.items())
    ]


def test_a_look_up_reads_one_row_by_its_index(mail: Recorder) -> None:
    campaign = built([member(n, email=f"p{n}@example.fr") for n in range(40)])
    send(campaign)
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute(
            "EXPLAIN SELECT id FROM notifications_notification WHERE reference_fingerprint = %s",
            [fingerprint(derive(1))],
        )
        assert "each_reference_once" in str(cursor.fetchall())
