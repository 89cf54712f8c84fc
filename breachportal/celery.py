"""The Celery application; its processes are given PORTAL_ROLE=worker."""

import gc
import os
from typing import Any

from celery import Celery
from celery.loaders.app import AppLoader

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "breachportal.settings")
# Celery would run Django's checks at its start, look at no answer, and load every page to do so;
# what must be right before a worker begins is checked in insurers/worker_start.py.
os.environ.setdefault("CELERY_SKIP_CHECKS", "1")


class Loader(AppLoader):
    """Loads models and tasks."""

    def import_default_modules(self) -> Any:
        """Load what stays, and never look through it for what can be thrown away.

        That is a fifth of what a worker’s start takes, and writing to each object would give every
        child a copy of its own. What is laid out for a thousand messages leaves no cycles either.
        """
        gc.disable()
        try:
            return super().import_default_modules()
        finally:
            gc.freeze()
            gc.set_threshold(20_000, 10, 10)
            gc.enable()


app = Celery("breachportal", loader=f"{__name__}:{Loader.__name__}")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
