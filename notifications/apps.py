from typing import Any

from django.apps import AppConfig


class NotificationsConfig(AppConfig):
    name = "notifications"

    def ready(self) -> None:
        from insurers.signals import list_accepted

        list_accepted.connect(count_reach_later, dispatch_uid="notifications.count_reach")


def count_reach_later(*, affected_list: Any, **kwargs: Any) -> None:
    """Have a worker count how a list that was just accepted can be reached."""
    from insurers.queueing import enqueue
    from notifications.tasks import reach

    enqueue(reach, list_id=affected_list.pk)
