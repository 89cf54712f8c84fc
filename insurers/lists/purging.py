"""Purge a list or its contacts: the key goes first, then the rows; a proof stays.

Without the data key no dump of the database opens a contact, so what a kill leaves between the
steps is unreadable already; the sweep goes on with it. Once no contact of an insurer is left,
its address key goes as well.
"""

from datetime import datetime

from django.contrib.auth.models import AbstractBaseUser
from django.db import connection, transaction
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from audit.trail import SYSTEM, account, insurer_scope, record
from insurers.lists.contacts import (
    EMAIL_ERASED,
    HAS_POSTAL_ADDRESS,
    PHONE_ERASED,
    data_key_name,
    destroy_data_keys,
)
from insurers.lists.fingerprint_keys import retire_address_key
from insurers.lists.locks import list_lock
from insurers.lists.rewriting import patiently, rewrite_table
from insurers.lists.tables import drop_table, member_columns
from insurers.models import (
    AffectedList,
    ListEffect,
    ListingMark,
    ListPurge,
    ListState,
    PurgeKind,
)
from insurers.signals import address_key_destroyed, contacts_going, contacts_gone, purge_asked

# What stands in the rewritten table for a column of the old one, where it is not itself.
WITHOUT_CONTACTS = {
    "email_fingerprint": "NULL",
    "phone_fingerprint": "NULL",
    "contact": "NULL",
    "contact_flags": f"""(contact_flags & ~{HAS_POSTAL_ADDRESS}
        | CASE WHEN email_fingerprint IS NULL THEN 0 ELSE {EMAIL_ERASED} END
        | CASE WHEN phone_fingerprint IS NULL THEN 0 ELSE {PHONE_ERASED} END)::smallint""",
}


class PurgeRefusedError(Exception):
    """The list may not be purged now; `message` says to people why and what to do."""

    def __init__(self, message: str | Promise) -> None:
        super().__init__("refused")
        self.message = message


def purge_contacts(
    *, affected_list: AffectedList, requested_by: AbstractBaseUser | None, now: datetime
) -> ListPurge:
    """Ask for the contacts of a list to be erased; its members stay.

    Returns the purge, which a worker runs (`run_purge`), also where it was asked for before.
    Raises PurgeRefusedError where the list is not accepted (or withdrawn since), or where
    somebody still needs it (signal `purge_asked`).
    """
    return _ask(affected_list, PurgeKind.CONTACTS, requested_by, now)


def purge_list(
    *, affected_list: AffectedList, requested_by: AbstractBaseUser | None, now: datetime
) -> ListPurge:
    """Ask for a list to be erased, members and contacts; its counts stay.

    Returns the purge, which a worker runs (`run_purge`), also where it was asked for before.
    Raises PurgeRefusedError as `purge_contacts` does.
    """
    return _ask(affected_list, PurgeKind.LIST, requested_by, now)


def run_purge(*, purge_id: int, now: datetime) -> None:
    """Do what remains of a purge (worker only); nothing where another worker is at it."""
    list_id = ListPurge.objects.values_list("list_id", flat=True).get(pk=purge_id)
    with list_lock(list_id) as held:
        purge = ListPurge.objects.select_related("list").get(pk=purge_id)
        if not held or purge.finished_at is not None:
            return
        if purge.key_destroyed_at is None:
            destroy_data_keys(purge.list)
            purge.key_destroyed_at = now
            purge.save(update_fields=["key_destroyed_at"])
        if purge.kind == PurgeKind.LIST:
            _erase_members(purge.list, now)
        elif purge.list.contacts_purged_at is None:
            _erase_contacts(purge.list, now)
        contacts_gone.send(sender=ListPurge, affected_list=purge.list)
        _retire_address_key(purge.list, now)
        _finish(purge, now)


def purges_under_way() -> list[int]:
    """Return the purges that were asked for and are not finished."""
    return list(ListPurge.objects.filter(finished_at=None).values_list("pk", flat=True))


def _ask(
    affected_list: AffectedList,
    kind: PurgeKind,
    requested_by: AbstractBaseUser | None,
    now: datetime,
) -> ListPurge:
    with transaction.atomic():
        # No campaign is submitted with it at the same moment.
        found = AffectedList.objects.select_for_update().get(pk=affected_list.pk)
        stands = found.state in (ListState.ACCEPTED, ListState.WITHDRAWN)
        if not stands or found.effect == ListEffect.WITHDRAW:
            raise PurgeRefusedError(
                _("Seule une liste acceptée s’efface ainsi ; une liste refusée l’est déjà.")
            )
        purge_asked.send(sender=ListPurge, affected_list=found, kind=kind)
        purge, created = ListPurge.objects.get_or_create(
            list=found,
            kind=kind,
            defaults={
                "members": found.members,
                "contacts": found.members - found.members_without_contact,
                "key_name": data_key_name(found.pk, found.attempt),
                "requested_by_id": requested_by.pk if requested_by else None,
                "requested_at": now,
            },
        )
        if created:
            _record("purge_asked", purge, found, requested_by)
    return purge


def _erase_members(affected_list: AffectedList, now: datetime) -> None:
    """Drop the members, all at once, then what was noted of single ones."""
    with transaction.atomic():
        patiently(lambda: drop_table(affected_list.pk))
        lists = AffectedList.objects.filter(pk=affected_list.pk)
        lists.filter(contacts_purged_at=None).update(contacts_purged_at=now)
        lists.filter(purged_at=None).update(purged_at=now)
    ListingMark.objects.filter(list_id=affected_list.pk).delete()


def _erase_contacts(affected_list: AffectedList, now: datetime) -> None:
    """Rewrite the members without contacts and without fingerprints of addresses."""

    def note() -> None:
        AffectedList.objects.filter(pk=affected_list.pk).update(contacts_purged_at=now)

    with transaction.atomic():
        contacts_going.send(sender=ListPurge, affected_list=affected_list)
        rewrite_table(affected_list.pk, fill=_copy_without_contacts, then=note)


def _copy_without_contacts(old: str, new: str) -> None:
    columns = member_columns()
    kept = [WITHOUT_CONTACTS.get(column, column) for column in columns]
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {new} ({', '.join(columns)}) SELECT {', '.join(kept)} FROM {old}"
        )


def _retire_address_key(affected_list: AffectedList, now: datetime) -> None:
    insurer_id = affected_list.insurer_id
    if retire_address_key(insurer_id=insurer_id, now=now):
        address_key_destroyed.send(sender=ListPurge, insurer_id=insurer_id)


def _finish(purge: ListPurge, now: datetime) -> None:
    with transaction.atomic():
        purge.finished_at = now
        purge.save(update_fields=["finished_at"])
        _record("purged", purge, purge.list, None)


def _record(
    verb: str, purge: ListPurge, affected_list: AffectedList, actor: AbstractBaseUser | None
) -> None:
    record(
        action=f"list.{verb}",
        scope=insurer_scope(affected_list.insurer_id),
        actor=account(actor.pk) if actor else SYSTEM,
        subject=f"list:{affected_list.pk}",
        detail={
            "purge": purge.kind,
            "members": purge.members,
            "contacts": purge.contacts,
            "key": purge.key_name,
        },
    )
