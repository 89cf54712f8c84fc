from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class InsurersConfig(AppConfig):
    name = "insurers"
    verbose_name = _("Organismes et annuaire")

    def ready(self) -> None:
        from insurers import checks, worker_start  # noqa: F401 (they register themselves)
