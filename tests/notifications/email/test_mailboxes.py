"""Bounces from real mailboxes, applied to the messages they are about, and to no other."""

import mailbox
from pathlib import Path

import pytest
from django.test import override_settings

from notifications.channels.connecting import ForbiddenAddressError
from notifications.models import (
    AnswerExample,
    DeliveryEvent,
    IdentityState,
    Notification,
    Receipt,
    SendingIdentity,
    State,
    Suppression,
)
from notifications.receipts.mailboxes import (
    MailboxError,
    mailboxes_to_read,
    read_imap,
    read_maildir,
)
from notifications.receipts.reports import apply_letter
from notifications.receipts.tokens import receipt_token
from notifications.references import message_id
from notifications.senders.choosing import PORTAL, account_of
from tests import cast
from tests.conftest import as_role
from tests.notifications.email import letters
from tests.notifications.email.imap import Inbox, imap_server
from tests.notifications.email.senders import identity
from tests.notifications.email.test_connecting import certificate

pytestmark = pytest.mark.django_db


def about(message: Notification, letter: bytes, *, account: str = PORTAL) -> bytes:
    """Return a letter that speaks of this message."""
    token = receipt_token(message.pk, account=account)
    letter = letter.replace(letters.TOKEN.encode(), token.encode())
    return letter.replace(letters.MESSAGE_ID.encode(), message_id(message.pk).encode())


def apply(letter: bytes, *, account: str = PORTAL) -> bool:
    with as_role("worker"):
        return apply_letter(content=letter, account=account, insurer_id=None, now=cast.NOW)


@pytest.mark.parametrize(
    ("letter", "state", "suppressed"),
    [
        (letters.postfix(), State.BOUNCED, 1),
        (letters.exim(), State.BOUNCED, 1),
        (letters.qmail(), State.BOUNCED, 1),
        (letters.exchange(), State.BOUNCED, 1),
        (letters.complaint(), State.COMPLAINED, 1),
        (letters.postfix("failed", "5.7.1"), State.FAILED, 0),
        (letters.postfix("failed", "5.2.2"), State.DEFERRED, 0),
        (letters.postfix("delayed", "4.4.1"), State.ACCEPTED, 0),
        (letters.postfix("delivered", "2.0.0"), State.DELIVERED, 0),
    ],
)
def test_a_letter_moves_its_message(
    sent: Notification, letter: bytes, state: State, suppressed: int
) -> None:
    assert apply(about(sent, letter))
    sent.refresh_from_db()
    assert sent.state == state
    assert Suppression.objects.count() == suppressed


def test_the_servers_words_are_kept_without_the_address(sent: Notification) -> None:
    said = letters.block("failed", "5.1.1", diagnostic="550 5.1.1 <camille@example.fr> no camille")
    assert apply(about(sent, letters.letter(letters.WORDS, letters.status(said))))
    example = AnswerExample.objects.get()
    assert (example.reason, example.text) == ("dsn-5.1.1", "550 5.1.1 <…> no …")


@pytest.mark.parametrize(
    "letter", [letters.out_of_office(), letters.human_reply(), letters.postfix(), b"", b"spam"]
)
def test_a_letter_about_no_message_of_ours_moves_nothing(sent: Notification, letter: bytes) -> None:
    assert not apply(letter)
    sent.refresh_from_db()
    assert sent.state == State.ACCEPTED


def test_an_address_alone_moves_nothing(sent: Notification) -> None:
    said = letters.status(letters.block("failed", "5.1.1"))
    assert not apply(letters.letter(letters.WORDS, said, to="bounce@example.fr"))
    assert not Suppression.objects.exists()


def test_a_token_of_another_account_moves_nothing(sent: Notification) -> None:
    dunes = account_of(identity(cast.dune()))
    letter = letters.letter(letters.WORDS, letters.status(letters.block("failed", "5.1.1")))
    assert not apply(about(sent, letter, account=dunes))


def test_the_same_letter_twice_is_one_receipt(sent: Notification) -> None:
    letter = about(sent, letters.postfix())
    assert apply(letter)
    assert apply(letter)
    assert (Receipt.objects.count(), Suppression.objects.count()) == (1, 1)
    (event,) = DeliveryEvent.objects.exclude(previous_state__in=("", "pending", "sending"))
    assert (event.notification_id, event.previous_state, event.state, event.messages) == (
        sent.pk,
        State.ACCEPTED,
        State.BOUNCED,
        1,
    )


def test_a_maildir_is_read_once_and_what_is_not_ours_stays(
    sent: Notification, tmp_path: Path
) -> None:
    box = mailbox.Maildir(tmp_path / "retours", factory=None)
    box.add(about(sent, letters.postfix()))
    box.add(letters.human_reply())
    with as_role("worker"):
        found = [read_maildir(folder=tmp_path / "retours", now=cast.NOW) for _ in range(2)]
    sent.refresh_from_db()
    assert (found, sent.state) == ([1, 0], State.BOUNCED)
    (left,) = mailbox.Maildir(tmp_path / "retours", factory=None)
    assert left["From"] == letters.ADDRESS


def with_mailbox(inbox: Inbox, state: str = "approved") -> SendingIdentity:
    return identity(
        mailbox_host="127.0.0.1",
        mailbox_port=inbox.port,
        credentials={"mailbox_user": inbox.login[0], "mailbox_password": inbox.login[1]},
        state=state,
    )


def test_an_insurers_mailbox_is_read_over_tls(
    sent: Notification, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = certificate(tmp_path, "127.0.0.1")
    monkeypatch.setenv("SSL_CERT_FILE", files[0])
    mine = account_of(identity(state=IdentityState.ENDED))
    inbox = Inbox({7: about(sent, letters.postfix(), account=mine), 8: letters.human_reply()})
    with imap_server(inbox, files):
        monkeypatch.setattr("notifications.receipts.mailboxes.IMAPS", inbox.port)
        phares = with_mailbox(inbox)
        with as_role("worker"):
            found = [read_imap(identity=phares, now=cast.NOW) for _ in range(2)]
    sent.refresh_from_db()
    assert (found, sent.state) == ([1, 0], State.BOUNCED)
    assert list(inbox.letters) == [8]
    assert inbox.flags[8] == {r"\Seen"}


def test_a_mailbox_that_refuses_us_is_a_problem_to_tell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = certificate(tmp_path, "127.0.0.1")
    monkeypatch.setenv("SSL_CERT_FILE", files[0])
    with imap_server(Inbox({}), files) as inbox:
        monkeypatch.setattr("notifications.receipts.mailboxes.IMAPS", inbox.port)
        mine = with_mailbox(inbox)
        inbox.login = ("retours", "un autre")
        with pytest.raises(MailboxError):
            read_imap(identity=mine, now=cast.NOW)


def test_a_mailbox_without_a_certificate_we_trust_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with imap_server(Inbox({}), certificate(tmp_path, "127.0.0.1")) as inbox:
        monkeypatch.setattr("notifications.receipts.mailboxes.IMAPS", inbox.port)
        with pytest.raises(MailboxError):
            read_imap(identity=with_mailbox(inbox), now=cast.NOW)


def test_a_mailbox_at_an_address_of_ours_is_not_read_outside_the_demo(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = certificate(tmp_path, "127.0.0.1")
    monkeypatch.setenv("SSL_CERT_FILE", files[0])
    with imap_server(Inbox({}), files) as inbox, override_settings(DEMO=False):
        monkeypatch.setattr("notifications.receipts.mailboxes.IMAPS", inbox.port)
        with pytest.raises(MailboxError) as refusal:
            read_imap(identity=with_mailbox(inbox), now=cast.NOW)
    assert isinstance(refusal.value.__cause__, ForbiddenAddressError)


@pytest.mark.parametrize(
    ("state", "count"), [("approved", 1), ("ended", 1), ("proposed", 0), ("refused", 0)]
)
def test_the_mailbox_of_an_identity_that_ended_lately_is_read_too(state: str, count: int) -> None:
    with_mailbox(Inbox({}, port=993), state=state)
    assert len(mailboxes_to_read(now=cast.NOW)) == count
