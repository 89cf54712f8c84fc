from typing import Any

from django.apps import AppConfig


class NotificationsConfig(AppConfig):
    name = "notifications"

    def ready(self) -> None:
        from insurers.signals import fingerprints_wrapped, list_accepted, purge_asked

        list_accepted.connect(count_reach_later, dispatch_uid="notifications.count_reach")
        fingerprints_wrapped.connect(wrap_who_was_told, dispatch_uid="notifications.wrap_told")
        purge_asked.connect(refuse_purge_in_use, dispatch_uid="notifications.refuse_purge")


def count_reach_later(*, affected_list: Any, **kwargs: Any) -> None:
    """Have a worker count how a list that was just accepted can be reached."""
    from insurers.queueing import enqueue
    from notifications.tasks import reach

    enqueue(reach, list_id=affected_list.pk)


def wrap_who_was_told(*, breach_id: int, insurer_id: Any, members: Any, **kwargs: Any) -> None:
    """Bring what stands for people who were told under the newest key version."""
    from notifications.told import wrap_told

    wrap_told(breach_id=breach_id, insurer_id=insurer_id, members=members)


def refuse_purge_in_use(*, affected_list: Any, **kwargs: Any) -> None:
    """Keep a list that a campaign still needs from being purged."""
    from insurers.lists.purging import PurgeRefusedError
    from notifications.campaigns import is_in_progress

    if is_in_progress(affected_list=affected_list):
        raise PurgeRefusedError
