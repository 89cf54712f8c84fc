"""Letters: the insurer asks for those that are pending, the worker makes files, each once.

A file is encrypted to an age key of the insurer's, and its content goes when it is downloaded.
Whoever is in it counts as told: one transaction keeps the file and moves its letters, so that
neither is without the other. `rows.py` and `printing.py` make what is in it.
"""

import hashlib
from datetime import datetime
from typing import Any

import pyrage
from django.db import IntegrityError, connection, transaction
from django.db.models import Sum
from django.utils.translation import gettext_lazy as _

from audit.trail import account, insurer_scope, record
from notifications.campaigns.refusals import StepRefused
from notifications.channels.letter import EXPORTED
from notifications.models import (
    Campaign,
    CampaignState,
    Channel,
    DispatchBatch,
    LetterExport,
    LetterKind,
    State,
    Tally,
)
from notifications.references import derive, fingerprint
from notifications.sending.leases import STILL_LISTED
from notifications.sending.outcomes import note_sending


class LettersRefused(StepRefused):
    """The rule that forbids a step, for people."""


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
    kind: LetterKind = LetterKind.ROWS,
    repeats: LetterExport | None = None,
) -> LetterExport:
    """Have the worker make files of the pending letters, or again one that was lost.

    Raises LettersRefused where there is nothing to export or a file is already being made.
    """
    if repeats is None and not pending_letters(campaign):
        raise LettersRefused(_("Aucune lettre n’attend."))
    if repeats is None and campaign.state != CampaignState.SENDING:
        raise LettersRefused(_("Les lettres se préparent pendant l’envoi de la campagne."))
    if repeats is not None and repeats.kind == LetterKind.PDF and _contacts_are_going(campaign):
        raise LettersRefused(_("Les contacts de la liste sont effacés : rien ne s’imprime plus."))
    try:
        with transaction.atomic():
            export = LetterExport.objects.create(
                campaign=campaign,
                insurer_id=campaign.insurer_id,
                kind=repeats.kind if repeats else kind,
                recipient=checked_recipient(recipient),
                requested_by_id=requested_by_id,
                requested_at=now,
                repeats=repeats,
            )
    except IntegrityError as error:
        raise LettersRefused(
            _("Un fichier est déjà en préparation : attendez qu’il soit prêt.")
        ) from error
    record_letters(
        export,
        "letters.asked" if repeats is None else "letters.asked_again",
        actor=account(requested_by_id),
        kind=export.kind,
        recipient=export.recipient,
    )
    return export


def _contacts_are_going(campaign: Campaign) -> bool:
    return campaign.affected_list.purges.exists()


# Of the letters that wait, those that `which` names.
CLAIM = f"""
WITH picked AS (
    SELECT id, state, reason FROM notifications_notification
    WHERE campaign_id = %(campaign)s AND channel = 'letter' AND state IN ('pending', 'deferred')
        AND due_at <= %(now)s AND {STILL_LISTED} AND {{which}}
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


def claim_letters(
    export: LetterExport, *, which: str, limit: int, now: datetime, **values: Any
) -> DispatchBatch:
    """Take pending letters, in the transaction that keeps their file (worker only).

    `which` is an SQL condition on their rows. The batch, closed at once, says later which they
    were.
    """
    batch = DispatchBatch.objects.create(
        campaign_id=export.campaign_id, channel=Channel.LETTER, claimed_at=now, closed_at=now
    )
    values |= {"campaign": export.campaign_id, "batch": batch.pk, "limit": limit, "now": now}
    with connection.cursor() as cursor:
        cursor.execute(CLAIM.format(which=which), values)
    return batch


def export_letters(ids: list[int], *, now: datetime) -> None:
    """Count the letters of a batch as gone, and those whom they cover as told."""
    fingerprints = [fingerprint(derive(number)) for number in ids]
    values: dict[str, Any] = {"ids": ids, "fingerprints": fingerprints}
    with connection.cursor() as cursor:
        cursor.execute(EXPORT, values | {"reason": EXPORTED, "now": now})


def unmade(export_id: int) -> LetterExport | None:
    """Lock a file that is to be made; None where it is made, or another worker keeps it now."""
    exports = LetterExport.objects.select_for_update(of=("self",), skip_locked=True)
    return exports.select_related("repeats").filter(pk=export_id, made_at=None).first()


def encrypted(content: bytes, *, recipient: str) -> bytes:
    """Return a content that the recipient alone opens."""
    return bytes(pyrage.encrypt(content, [pyrage.x25519.Recipient.from_str(recipient)]))


def keep_file(
    export: LetterExport, *, content: bytes, letters: int, rows: int, now: datetime
) -> None:
    """Keep an encrypted file until somebody downloads it; in the transaction of its letters.

    Letters leave with it: they are among the first and last messages of their campaign.
    """
    if letters and export.repeats is None:
        note_sending(campaign_id=export.campaign_id, now=now)
    export.letters, export.rows = letters, rows
    export.content, export.sha256 = content, hashlib.sha256(content).digest()
    export.made_at = now
    export.save(update_fields=["batch", "letters", "rows", "content", "sha256", "made_at"])
    record_letters(
        export, "letters.exported", sha256=export.sha256.hex(), letters=letters, rows=rows
    )


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
    record_letters(
        export,
        "letters.downloaded",
        actor=account(downloaded_by_id),
        sha256=bytes(export.sha256).hex(),
    )
    return content


def record_letters(
    export: LetterExport, action: str, *, actor: str = "system", **detail: object
) -> None:
    """Keep in the trail what was done with a file."""
    record(
        action=action,
        scope=insurer_scope(export.insurer_id),
        actor=actor,
        subject=f"campaign:{export.campaign_id}",
        detail={"export": export.pk, **detail},
    )
