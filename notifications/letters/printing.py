"""Letters as PDF to print, 500 a file, of those whose list gives a postal address.

The worker lays out what waits while it holds no row: that takes seconds. Then one transaction
claims exactly these letters, counts them as gone and keeps the file, or, where one of them
changed meanwhile, nothing: it starts over. So a worker that is killed leaves no letter half-way.
Each file asks for the next one in the same transaction.
"""

from dataclasses import dataclass, field
from datetime import datetime
from operator import itemgetter
from typing import Any

from django.db import connection, transaction
from django.utils import timezone

from insurers.lists.contacts import HAS_POSTAL_ADDRESS, open_contacts
from insurers.lists.keystore import KeyNotFoundError
from insurers.lists.locks import session_lock
from notifications.letters.exports import (
    claim_letters,
    encrypted,
    export_letters,
    keep_file,
    record_letters,
    unmade,
)
from notifications.letters.pdf import AT_MOST, Letter, LetterError, lay_out_letters, letter_pdf
from notifications.models import Campaign, CampaignState, LetterExport
from notifications.models.letters import TRIES
from notifications.notices.content import NoticeContent
from notifications.references import derive
from notifications.sending.leases import STILL_LISTED

LOCK_SPACE = 36  # first half of the advisory lock's key; the second is the file

_ADDRESSED = f"""
FROM notifications_notification JOIN affected_member m
    ON m.list_id = notifications_notification.list_id
    AND m.ordinal = notifications_notification.ordinal
    AND m.contact_flags & {HAS_POSTAL_ADDRESS} <> 0
"""
_WAITING = f"""
{_ADDRESSED} WHERE campaign_id = %(campaign)s AND channel = 'letter'
    AND state IN ('pending', 'deferred') AND due_at <= %(now)s AND {STILL_LISTED}
"""
_LETTER = "SELECT notifications_notification.id, people, m.ordinal, m.contact"
NEXT = f"{_LETTER} {_WAITING} ORDER BY due_at, id LIMIT %(limit)s"
COUNT = f"SELECT count(*) {_WAITING}"
OF_BATCH = f"{_LETTER} {_ADDRESSED} WHERE batch_id = %(batch)s AND channel = 'letter'"


@dataclass(frozen=True)
class Waiting:
    """A letter to print: whom it covers, and where the contact of its address is sealed."""

    notification_id: int
    people: int
    ordinal: int
    contact: bytes = field(repr=False)


def make_pdf(*, export_id: int, now: datetime) -> bool:
    """Make a file that was asked for (worker only); return whether there is another to make.

    A campaign that is paused or halted has its files made once it goes on; of one that ended
    nothing is left to print, and the file stays empty. Raises LetterError where its letters could
    not be laid out; after `TRIES` times nobody tries by himself, and the letters go on waiting.
    """
    with session_lock(LOCK_SPACE, export_id % 2**31) as is_ours:
        export = LetterExport.objects.filter(pk=export_id, made_at=None).first()
        if not is_ours or export is None:
            return False
        state = _state_of(export)
        if export.repeats_id is None and state in (CampaignState.PAUSED, CampaignState.HALTED):
            return False
        try:
            if export.repeats_id is not None:
                return _make_again(export, now)
            return _make(export, now, is_sending=state == CampaignState.SENDING)
        except LetterError:
            _count_failure(export.pk, now)
            raise


@transaction.atomic
def _count_failure(export_id: int, now: datetime) -> None:
    """Note that a file could not be made; at last it is kept as it is, of nothing."""
    export = unmade(export_id)
    if export is None:
        return
    export.failures += 1
    export.save(update_fields=["failures"])
    if export.failures >= TRIES:
        export.made_at = now
        export.save(update_fields=["made_at"])
        record_letters(export, "letters.failed", tries=export.failures)


def _make(export: LetterExport, now: datetime, *, is_sending: bool) -> bool:
    letters: list[Waiting] = []
    if is_sending:
        _count_total(export, now)
        letters = _read(NEXT, campaign=export.campaign_id, now=now, limit=AT_MOST)
    content = _laid_out(export, letters, now) if letters else b""
    with transaction.atomic():
        locked = unmade(export.pk)
        if locked is None:
            return False
        if letters:
            if _state_of(locked) != CampaignState.SENDING:
                return False  # Stopped meanwhile: nothing more leaves.
            ids = [letter.notification_id for letter in letters]
            locked.batch = claim_letters(
                locked, which="id = ANY (%(ids)s)", ids=ids, limit=AT_MOST, now=now
            )
            if _read(OF_BATCH, batch=locked.batch.pk) != letters:
                transaction.set_rollback(True)
                return True  # One was withdrawn, or covers somebody else: anew.
            export_letters(ids, now=now)
        keep_file(locked, content=content, letters=len(letters), rows=0, now=now)
        return bool(letters) and _ask_for_next(locked, now)


def _state_of(export: LetterExport) -> str:
    return Campaign.objects.values_list("state", flat=True).get(pk=export.campaign_id)


def _make_again(export: LetterExport, now: datetime) -> bool:
    """Lay the letters of a lost file out once more; none where the contacts are purged."""
    assert export.repeats
    assert export.repeats.batch
    batch = export.repeats.batch
    letters = _read(OF_BATCH, batch=batch.pk)
    try:
        content = _laid_out(export, letters, batch.claimed_at)
    except KeyNotFoundError:
        letters, content = [], b""
    with transaction.atomic():
        locked = unmade(export.pk)
        if locked is not None:
            locked.batch = batch
            keep_file(locked, content=content, letters=len(letters), rows=0, now=now)
    return False


def _laid_out(export: LetterExport, letters: list[Waiting], dated: datetime) -> bytes:
    """Return the letters as an encrypted PDF; no row is locked meanwhile."""
    related = ("notice_version", "affected_list")
    campaign = Campaign.objects.select_related(*related).get(pk=export.campaign_id)
    contacts = open_contacts(campaign.affected_list)
    content = NoticeContent.from_json(campaign.notice_version.content)
    pdf = letter_pdf(
        lay_out_letters(content, dated=timezone.localdate(dated)),
        [
            Letter(
                contact=contacts.open(letter.ordinal, letter.contact),
                people=letter.people,
                reference=derive(letter.notification_id),
            )
            for letter in letters
        ],
    )
    return encrypted(pdf, recipient=export.recipient)


def _read(statement: str, **values: Any) -> list[Waiting]:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        rows = cursor.fetchall()
    return [
        Waiting(number, people, ordinal, bytes(contact))
        for number, people, ordinal, contact in sorted(rows, key=itemgetter(0))
    ]


def _count_total(export: LetterExport, now: datetime) -> None:
    if export.first_id is None and not export.total:
        with connection.cursor() as cursor:
            cursor.execute(COUNT, {"campaign": export.campaign_id, "now": now})
            export.total = (cursor.fetchone() or (0,))[0]
        export.save(update_fields=["total"])


def _ask_for_next(export: LetterExport, now: datetime) -> bool:
    """Ask for the next file, where letters remain; in the transaction that keeps this one."""
    if not _read(NEXT, campaign=export.campaign_id, now=now, limit=1):
        return False
    LetterExport.objects.create(
        campaign_id=export.campaign_id,
        insurer_id=export.insurer_id,
        kind=export.kind,
        recipient=export.recipient,
        requested_by_id=export.requested_by_id,
        requested_at=export.requested_at,
        first_id=export.first_id or export.pk,
    )
    return True
