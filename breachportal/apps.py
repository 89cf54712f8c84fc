from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class BreachportalConfig(AppConfig):
    name = "breachportal"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from breachportal import account_events

        account_events.connect()
        post_migrate.connect(apply_privileges_once, sender=self)


def apply_privileges_once(*, using: str, plan: Any = None, **kwargs: Any) -> None:
    """Grant what `privileges.py` says, once every table exists (this app migrates last)."""
    from breachportal.privileges import apply_privileges

    apply_privileges(using=using)
