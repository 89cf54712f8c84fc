"""Celery tasks: each calls the domain, and can run twice harmlessly."""

from celery import shared_task
from django.utils import timezone

from lookup.waiting.sending import write_to_waiting as write


@shared_task(expires=10)
def write_to_waiting() -> None:
    """Read what was asked, write to whom a message is due, forget who waited long enough."""
    write(now=timezone.now())
