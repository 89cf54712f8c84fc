"""Purge a list or its contacts: the key goes first, then the rows; a proof stays.

Without the data key no dump of the database opens a contact, so what a kill leaves between the
steps is unreadable already; the sweep goes on with it.
"""

from datetime import datetime

from django.contrib.auth.models import AbstractBaseUser
from django.db import connection, transaction

from audit.trail import SYSTEM, account, insurer_scope, record
from insurers.lists.contacts import data_key_name, destroy_data_keys
from insurers.lists.locks import list_lock
from insurers.lists.rewriting import patiently, rewrite_table
from insurers.lists.tables import drop_table, member_columns
from insurers.models import (
    AffectedList,
    ListPurge,
    ListState,
    PurgeKind,
)
from insurers.signals import purge_asked

CONTACT_COLUMNS = ("email_fingerprint", "phone_fingerprint", "contact")


class PurgeRefusedError(Exception):
    """The list is not accepted, or a campaign still needs it."""


def purge_contacts(
    *, affected_list: AffectedList, requested_by: AbstractBaseUser | None, now: datetime
) -> ListPurge:
    """Ask for the contacts of an accepted list to be erased; its members stay.

    Returns the purge, which a worker runs (`run_purge`), also where it was asked for before.
    Raises PurgeRefusedError.
    """
    return _ask(affected_list, PurgeKind.CONTACTS, requested_by, now)


def purge_list(
    *, affected_list: AffectedList, requested_by: AbstractBaseUser | None, now: datetime
) -> ListPurge:
    """Ask for an accepted list to be erased, members and contacts; its counts stay.

    Returns the purge, which a worker runs (`run_purge`), also where it was asked for before.
    Raises PurgeRefusedError.
    """
    return _ask(affected_list, PurgeKind.LIST, requested_by, now)


def run_purge(*, purge_id: int, now: datetime) -> None:
    """Do what remains of a purge (worker only); nothing where another worker is at it."""
    purge = ListPurge.objects.select_related("list").get(pk=purge_id)
    with list_lock(purge.list_id) as held:
        if not held or purge.finished_at is not None:
            return
        if purge.key_destroyed_at is None:
            destroy_data_keys(purge.list)
            purge.key_destroyed_at = now
            purge.save(update_fields=["key_destroyed_at"])
        if purge.kind == PurgeKind.LIST:
            with transaction.atomic():
                patiently(lambda: drop_table(purge.list_id))
                _finish(purge, now)
        elif purge.list.purged_at is None:
            rewrite_table(
                purge.list_id, fill=_copy_without_contacts, then=lambda: _finish(purge, now)
            )
        else:
            with transaction.atomic():
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
        if found.state != ListState.ACCEPTED:
            raise PurgeRefusedError
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


def _copy_without_contacts(old: str, new: str) -> None:
    columns = member_columns()
    kept = ["NULL" if column in CONTACT_COLUMNS else column for column in columns]
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {new} ({', '.join(columns)}) SELECT {', '.join(kept)} FROM {old}"
        )


def _finish(purge: ListPurge, now: datetime) -> None:
    lists = AffectedList.objects.filter(pk=purge.list_id)
    lists.filter(contacts_purged_at=None).update(contacts_purged_at=now)
    if purge.kind == PurgeKind.LIST:
        lists.update(purged_at=now)
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
            "kind": purge.kind,
            "members": purge.members,
            "contacts": purge.contacts,
            "key": purge.key_name,
        },
    )
