"""The Celery application: queues, periodic sweeps, and the worker's database role."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "breachportal.settings")
os.environ.setdefault("PORTAL_ROLE", "worker")

app = Celery("breachportal")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
