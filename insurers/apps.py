from django.apps import AppConfig


class InsurersConfig(AppConfig):
    name = "insurers"

    def ready(self) -> None:
        from insurers import checks, worker_start  # noqa: F401 (they register themselves)
