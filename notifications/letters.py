"""Letters: the insurer asks for a file of those that are pending, the worker makes it, once.

The file names rows of the insurer's own lists and the reference to print; it is encrypted to an
age key of the insurer's, and its content goes when it is downloaded. Whoever is in it counts as
told. One transaction makes the file and moves its letters, so that neither is without the other.
"""

import hashlib
import io
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pyrage
from django.db import IntegrityError, connection, transaction
from django.db.models import Sum
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from audit.trail import account, insurer_scope, record
from notifications.channels.base import Outgoing
from notifications.channels.letter import EXPORTED, LetterChannel
from notifications.leases import STILL_LISTED
from notifications.models import (
    Campaign,
    CampaignState,
    Channel,
    DispatchBatch,
    LetterExport,
    State,
    Tally,
)
from notifications.references import derive, fingerprint, message_id
from notifications.rendering import Message

AT_MOST = 100_000  # letters in a file: some 10 MB, held whole while it is encrypted


class LettersRefused(Exception):  # noqa: N818 (a refusal is an answer, not an error)
    """The rule that forbids a step; `message` is for people."""

    def __init__(self, message: str | Promise) -> None:
        super().__init__("refused")
        self.message = message


def pending_letters(campaign: Campaign) -> int:
    """Return how many letters wait to be exported, from the tallies."""
    waiting = Tally.objects.filter(
        campaign=campaign, channel=Channel.LETTER, state__in=(State.PENDING, State.DEFERRED)
    )
    return waiting.aggregate(total=Sum("messages"))["total"] or 0


def checked_recipient(text: str) -> str:
    """Return an age public key (`age1…`), or raise LettersRefused."""
    try:
        return str(pyrage.x25519.Recipient.from_str(text.strip()))
    except pyrage.RecipientError as error:
        raise LettersRefused(
            _(
                "Ce n’est pas une clé publique age : elle commence par age1 et a 62 caractères."
                " La commande age-keygen l’affiche après « Public key »."
            )
        ) from error


@transaction.atomic
def ask_for_letters(
    *,
    campaign: Campaign,
    recipient: str,
    requested_by_id: int,
    now: datetime,
    repeats: LetterExport | None = None,
) -> LetterExport:
    """Have the worker make a file of the pending letters, or again one that was lost.

    Raises LettersRefused where there is nothing to export or a file is already being made.
    """
    if repeats is None and not pending_letters(campaign):
        raise LettersRefused(_("Aucune lettre n’attend."))
    if repeats is None and campaign.state != CampaignState.SENDING:
        raise LettersRefused(_("Les lettres se préparent pendant l’envoi de la campagne."))
    try:
        with transaction.atomic():
            export = LetterExport.objects.create(
                campaign=campaign,
                insurer_id=campaign.insurer_id,
                recipient=checked_recipient(recipient),
                requested_by_id=requested_by_id,
                requested_at=now,
                repeats=repeats,
            )
    except IntegrityError as error:
        raise LettersRefused(
            _("Un fichier est déjà en préparation : attendez qu’il soit prêt.")
        ) from error
    _record(
        export,
        "letters.asked" if repeats is None else "letters.asked_again",
        actor=account(requested_by_id),
        recipient=export.recipient,
    )
    return export


CLAIM = f"""
WITH picked AS (
    SELECT id, state, reason FROM notifications_notification
    WHERE campaign_id = %(campaign)s AND channel = 'letter' AND state IN ('pending', 'deferred')
        AND due_at <= %(now)s
        AND {STILL_LISTED}
    ORDER BY id LIMIT %(limit)s FOR UPDATE SKIP LOCKED
), moved AS (
    UPDATE notifications_notification AS n SET state = 'sending', reason = '', batch_id = %(batch)s
    FROM picked WHERE n.id = picked.id
    RETURNING n.people, n.uncounted, picked.state, picked.reason
)
INSERT INTO notifications_deliveryevent (campaign_id, channel, state, reason,
    previous_state, previous_reason, people, messages, uncounted, at)
SELECT %(campaign)s, 'letter', 'sending', '', state, reason, sum(people), count(*),
    sum(uncounted), %(now)s
FROM moved GROUP BY state, reason
"""

# Each letter with the rows of the source files that it covers.
ROWS = """
SELECT n.id, string_agg(encode(a.sha256, 'hex') || ':' || l.ordinal, ' '
    ORDER BY l.list_id, l.ordinal)
FROM notifications_notification n
JOIN notifications_covered l ON l.notification_id = n.id
JOIN insurers_affectedlist a ON a.id = l.list_id
WHERE n.batch_id = %(batch)s AND n.channel = 'letter' GROUP BY n.id ORDER BY n.id
"""

EXPORT = """
WITH told AS (
    SELECT * FROM unnest(%(ids)s::bigint[], %(fingerprints)s::bytea[]) AS t (id, fingerprint)
), moved AS (
    UPDATE notifications_notification AS n SET state = 'accepted', reason = %(reason)s,
        attempts = attempts + 1, due_at = %(now)s, reference_fingerprint = told.fingerprint
    FROM told WHERE n.id = told.id AND n.state = 'sending'
    RETURNING n.id, n.campaign_id, n.people, n.uncounted
)
INSERT INTO notifications_deliveryevent (campaign_id, notification_id, channel, state, reason,
    previous_state, previous_reason, people, messages, uncounted, at)
SELECT campaign_id, id, 'letter', 'accepted', %(reason)s, 'sending', '', people, 1, uncounted,
    %(now)s
FROM moved
"""


@transaction.atomic
def make_export(*, export_id: int, now: datetime) -> bool:
    """Make the file that was asked for (worker only); return whether it was to be made."""
    export = (
        LetterExport.objects.select_for_update(of=("self",), skip_locked=True)
        .select_related("repeats")
        .filter(pk=export_id, made_at=None)
        .first()
    )
    if export is None:
        return False
    export.batch = export.repeats.batch if export.repeats else _claimed(export, now)
    file = io.StringIO()
    outcomes = [
        outcome.notification_id for outcome in LetterChannel(file).send(_letters(export.batch_id))
    ]
    if export.repeats is None:
        _exported(outcomes, now)
    text = file.getvalue()
    export.letters = len(outcomes)
    export.rows = text.count("\n") - 1
    recipient = pyrage.x25519.Recipient.from_str(export.recipient)
    export.content = pyrage.encrypt(text.encode(), [recipient])
    export.sha256 = hashlib.sha256(export.content).digest()
    export.made_at = now
    export.save(update_fields=["batch", "letters", "rows", "content", "sha256", "made_at"])
    _record(
        export,
        "letters.exported",
        sha256=export.sha256.hex(),
        letters=export.letters,
        rows=export.rows,
    )
    return True


@transaction.atomic
def download_letters(*, export_id: int, downloaded_by_id: int, now: datetime) -> bytes:
    """Return a file's content and erase it: it leaves once. Raises LettersRefused."""
    export = LetterExport.objects.select_for_update().get(pk=export_id)
    if export.made_at is None:
        raise LettersRefused(_("Ce fichier n’est pas encore prêt."))
    if export.downloaded_at is not None:
        raise LettersRefused(
            _("Ce fichier a déjà été téléchargé, et effacé. S’il est perdu, demandez-le à nouveau.")
        )
    content = bytes(export.content)
    export.content = b""
    export.downloaded_by_id = downloaded_by_id
    export.downloaded_at = now
    export.save(update_fields=["content", "downloaded_by", "downloaded_at"])
    _record(
        export,
        "letters.downloaded",
        actor=account(downloaded_by_id),
        sha256=bytes(export.sha256).hex(),
    )
    return content


def _claimed(export: LetterExport, now: datetime) -> DispatchBatch:
    """Take the pending letters; the batch, closed at once, says later which they were."""
    batch = DispatchBatch.objects.create(
        campaign_id=export.campaign_id, channel=Channel.LETTER, claimed_at=now, closed_at=now
    )
    values: dict[str, Any] = {"campaign": export.campaign_id, "batch": batch.pk}
    values |= {"limit": AT_MOST, "now": now}
    with connection.cursor() as cursor:
        cursor.execute(CLAIM, values)
    return batch


def _letters(batch_id: int | None) -> Iterator[Outgoing]:
    with connection.cursor() as cursor:
        cursor.execute(ROWS, {"batch": batch_id})
        rows = cursor.fetchall()
    for notification_id, places in rows:
        yield Outgoing(
            notification_id=notification_id,
            address=places,
            sender_name="",
            reply_to="",
            message=Message(subject="", text=derive(notification_id)),
            message_id=message_id(notification_id),
        )


def _exported(ids: list[int], now: datetime) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            EXPORT,
            {
                "ids": ids,
                "fingerprints": [fingerprint(derive(number)) for number in ids],
                "reason": EXPORTED,
                "now": now,
            },
        )


def _record(export: LetterExport, action: str, *, actor: str = "system", **detail: object) -> None:
    record(
        action=action,
        scope=insurer_scope(export.insurer_id),
        actor=actor,
        subject=f"campaign:{export.campaign_id}",
        detail={"export": export.pk, **detail},
    )
