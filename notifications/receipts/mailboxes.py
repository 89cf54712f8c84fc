"""Read the mailboxes that bounces come to: a Maildir of the portal's, IMAP for the insurers'.

A letter about a message of ours is applied, then removed; any other is left where it is, marked
as read, since the mailbox may serve a person too. A letter is removed after what it says is
committed: read twice, it changes nothing more.
"""

import imaplib
import mailbox
import ssl
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

from django.db.models import Q

from notifications.channels.connecting import TIMEOUT, connect, tls_context
from notifications.models import IdentityState, SendingIdentity
from notifications.receipts.bounces import LARGEST
from notifications.receipts.reports import apply_letter
from notifications.senders.choosing import PORTAL, account_of, open_credentials

AT_ONCE = 500
IMAPS = 993
LATEST = timedelta(days=30)


class MailboxError(Exception):
    """The mailbox cannot be read now: not there, not protected, or not for us."""


def read_maildir(*, folder: Path, now: datetime) -> int:
    """Read the new letters of a Maildir; return how many were about messages of ours."""
    box = mailbox.Maildir(folder, factory=None, create=False)
    applied = 0
    for key in sorted(box.keys())[:AT_ONCE]:
        letter = box.get_message(key)
        if "S" in letter.get_flags():
            continue
        with box.get_file(key) as file:
            content = file.read(LARGEST)
        if apply_letter(content=content, account=PORTAL, insurer_id=None, now=now):
            box.discard(key)
            applied += 1
        else:
            letter.set_subdir("cur")
            letter.add_flag("S")
            box[key] = letter
    return applied


class _ImapTls(imaplib.IMAP4):
    """IMAP over a connection that goes where it may; TLS from the start or by STARTTLS."""

    def __init__(self, host: str, port: int) -> None:
        self._where = (host, port)
        super().__init__(host, port, timeout=TIMEOUT)
        if port != IMAPS:
            self.starttls(tls_context())

    def _create_socket(self, timeout: float | None) -> ssl.SSLSocket:
        host, port = self._where
        wire = connect(host, port, timeout=timeout or TIMEOUT)
        if port != IMAPS:
            return wire  # type: ignore[return-value]
        return tls_context().wrap_socket(wire, server_hostname=host)


def mailboxes_to_read(*, now: datetime) -> list[UUID]:
    """Return the identities with a mailbox, those included that ended lately: bounces come late."""
    lately = Q(state=IdentityState.ENDED, decided_at__gte=now - LATEST)
    heard = SendingIdentity.objects.filter(Q(state=IdentityState.APPROVED) | lately)
    heard = heard.exclude(mailbox_host="")
    return list(heard.order_by("pk").values_list("pk", flat=True))


def read_imap(*, identity: SendingIdentity, now: datetime) -> int:
    """Read the unseen letters of an identity's mailbox; return how many were about its messages.

    Raises MailboxError.
    """
    credentials = open_credentials(identity)
    try:
        server = _ImapTls(identity.mailbox_host, identity.mailbox_port or IMAPS)
    except (OSError, imaplib.IMAP4.error) as error:
        raise MailboxError("no connection") from error
    try:
        server.login(credentials.get("mailbox_user", ""), credentials.get("mailbox_password", ""))
        server.select("INBOX")
        return _read_unseen(
            server,
            lambda content: apply_letter(
                content=content,
                account=account_of(identity),
                insurer_id=identity.insurer_id,
                now=now,
            ),
        )
    except (OSError, imaplib.IMAP4.error) as error:
        raise MailboxError("refused or broken off") from error
    finally:
        with suppress(OSError, imaplib.IMAP4.error):
            server.logout()


def _read_unseen(server: imaplib.IMAP4, apply: Callable[[bytes], bool]) -> int:
    _ok, found = server.uid("SEARCH", "UNSEEN")
    applied = []
    for uid in (found[0] or b"").split()[:AT_ONCE]:
        number = uid.decode()
        _ok, parts = server.uid("FETCH", number, f"(BODY.PEEK[]<0.{LARGEST}>)")
        content = b"".join(part[1] for part in parts if isinstance(part, tuple))
        if apply(content):
            server.uid("STORE", number, "+FLAGS.SILENT", r"(\Seen \Deleted)")
            applied.append(number)
        else:
            server.uid("STORE", number, "+FLAGS.SILENT", r"(\Seen)")
    if applied and "UIDPLUS" in server.capabilities:
        # Only ours: another program may have letters of its own that wait to be removed.
        server.uid("EXPUNGE", ",".join(applied))
    return len(applied)
