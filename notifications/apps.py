from functools import partial
from typing import TYPE_CHECKING, Any

from django.apps import AppConfig

if TYPE_CHECKING:
    from insurers.lists.sealing import SealedColumn


class NotificationsConfig(AppConfig):
    name = "notifications"

    def ready(self) -> None:
        from insurers.signals import (
            address_key_destroyed,
            contacts_going,
            contacts_gone,
            fingerprints_wrapped,
            keys_expected,
            leaving_foreseen,
            list_accepted,
            listings_changed,
            purge_asked,
            sealed_columns,
        )

        list_accepted.connect(count_reach_later, dispatch_uid="notifications.count_reach")
        listings_changed.connect(settle_now, dispatch_uid="notifications.settle")
        leaving_foreseen.connect(foresee_leaving, dispatch_uid="notifications.foresee_leaving")
        fingerprints_wrapped.connect(wrap_who_was_told, dispatch_uid="notifications.wrap_told")
        purge_asked.connect(refuse_purge_in_use, dispatch_uid="notifications.refuse_purge")
        contacts_going.connect(note_shared, dispatch_uid="notifications.note_shared")
        address_key_destroyed.connect(forget_bounces, dispatch_uid="notifications.forget_bounces")
        keys_expected.connect(expect_evidence_keys, dispatch_uid="notifications.evidence_keys")
        sealed_columns.connect(name_sealed, dispatch_uid="notifications.name_sealed")
        contacts_gone.connect(erase_addresses_of, dispatch_uid="notifications.erase_addresses")


def count_reach_later(*, affected_list: Any, **kwargs: Any) -> None:
    """Have a worker count how a list that was just accepted can be reached."""
    from insurers.queueing import enqueue
    from notifications.tasks import reach

    enqueue(reach, list_id=affected_list.pk)


def settle_now(*, breach_id: int, insurer_id: Any, gone: Any, **kwargs: Any) -> None:
    """Cancel what must not leave and count each person once, in the announcing transaction.

    What workers have leased meanwhile they give back once it is committed.
    """
    from django.db import transaction
    from django.utils import timezone

    from notifications.outbox.settling import settle
    from notifications.sending.leases import interrupt_batches

    settle(breach_id=breach_id, insurer_id=insurer_id, gone=gone, now=timezone.now())
    transaction.on_commit(partial(interrupt_batches, breach_id=breach_id, insurer_id=insurer_id))


def foresee_leaving(*, report: Any, **kwargs: Any) -> None:
    """Count the messages and people told of a list that is to be decided."""
    from notifications.outbox.foresight import count_leaving

    count_leaving(report=report)


def wrap_who_was_told(*, breach_id: int, insurer_id: Any, members: Any, **kwargs: Any) -> None:
    """Bring what stands for people who were told under the newest key version."""
    from notifications.outbox.told import wrap_told

    wrap_told(breach_id=breach_id, insurer_id=insurer_id, members=members)


def refuse_purge_in_use(*, affected_list: Any, **kwargs: Any) -> None:
    """Keep a list that a campaign still needs from being purged."""
    from notifications.outbox.purged import refuse_purge_in_use as refuse

    refuse(affected_list=affected_list)


def note_shared(*, affected_list: Any, **kwargs: Any) -> None:
    """Keep which people had a shared address, before it is erased."""
    from notifications.outbox.purged import note_shared_addresses

    note_shared_addresses(affected_list=affected_list)


def erase_addresses_of(*, affected_list: Any, **kwargs: Any) -> None:
    """Erase what stands for the addresses of a purged list's messages."""
    from notifications.outbox.purged import erase_addresses

    erase_addresses(affected_list=affected_list)


def forget_bounces(*, insurer_id: Any, **kwargs: Any) -> None:
    """Forget which addresses of an insurer bounced: nothing can be compared with them any more."""
    from notifications.sending.suppression import forget_suppressions

    forget_suppressions(insurer_id=insurer_id)


def expect_evidence_keys(**kwargs: Any) -> list[tuple[str, bytes | memoryview | None]]:
    """Name the keys that evidence is signed with."""
    from notifications.evidence.keys import expected_keys

    return list(expected_keys())


def name_sealed(**kwargs: Any) -> "list[SealedColumn]":
    """Name what web seals: credentials that last, and what a worker reads within minutes."""
    from insurers.lists.sealing import SealedColumn
    from notifications.models import (
        SealedQuestion,
        SealedReceipt,
        SendingIdentity,
        StaffQuestion,
    )

    return [
        SealedColumn(SendingIdentity, "sealed_credentials", is_lasting=True),
        SealedColumn(SealedReceipt, "sealed"),
        SealedColumn(SealedQuestion, "sealed"),
        SealedColumn(StaffQuestion, "sealed"),
    ]
