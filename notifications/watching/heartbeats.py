"""Which processes live: each notes it in PostgreSQL, `manage.py health` looks."""

from datetime import datetime, timedelta

from notifications.models import Heartbeat

SILENCE = timedelta(seconds=60)
PROCESSES = ("worker", "reply", "beat")


def note_heartbeat(*, process: str, now: datetime) -> None:
    """Note that a process of this kind lives."""
    Heartbeat.objects.update_or_create(process=process, defaults={"at": now})


def silence_of(*, process: str, now: datetime) -> timedelta | None:
    """Return since when a kind of process has said nothing; None where it never did."""
    at = Heartbeat.objects.filter(process=process).values_list("at", flat=True).first()
    return None if at is None else max(timedelta(), now - at)
