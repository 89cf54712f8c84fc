"""The Celery application; its processes are given PORTAL_ROLE=worker."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "breachportal.settings")
# Celery would run Django's checks at its start, look at no answer, and load every page to do so;
# what must be right before a worker begins is checked in insurers/worker_start.py.
os.environ.setdefault("CELERY_SKIP_CHECKS", "1")

app = Celery("breachportal")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
