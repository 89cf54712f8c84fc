"""One Celery task per message: it opens a connection, sends, and notes that it did."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "benchmarks.mailing.settings")
app = Celery("mailing")
app.config_from_object("django.conf:settings", namespace="CELERY")


@app.task(name="mailing.send")
def send(*, mail_id: int) -> None:
    """Send one message."""
    from django.utils import timezone

    from benchmarks.letter import kept
    from benchmarks.mailing.models import Mail
    from benchmarks.mailing.peers import message

    mail = Mail._default_manager.get(pk=mail_id)
    if mail.sent_at is None:
        message(kept(), mail.address).send()
        mail.sent_at = timezone.now()
        mail.save(update_fields=["sent_at"])
