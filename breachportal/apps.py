from typing import Any

from django.apps import AppConfig, apps
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy as _


class BreachportalConfig(AppConfig):
    name = "breachportal"
    verbose_name = _("Comptes")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from breachportal import account_events

        account_events.connect()
        post_migrate.connect(apply_privileges_once, sender=self)
        name_relations()


def name_relations() -> None:
    """Call a foreign key without a name of its own after what it leads to, in its language."""
    for model in apps.get_models():
        for field in model._meta.fields:
            if field.remote_field and not getattr(field, "_verbose_name", None):
                name = field.remote_field.model._meta.verbose_name
                field.verbose_name = name or field.verbose_name


def apply_privileges_once(*, using: str, plan: Any = None, **kwargs: Any) -> None:
    """Grant what `privileges.py` says, once every table exists (this app migrates last)."""
    from breachportal.privileges import apply_privileges

    apply_privileges(using=using)
