"""The Celery application; its processes are given PORTAL_ROLE=worker."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "breachportal.settings")

app = Celery("breachportal")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
