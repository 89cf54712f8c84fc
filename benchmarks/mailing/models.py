"""One row per message, as a team would first keep them."""

from django.db import models


class Mail(models.Model):
    address = models.EmailField()
    sent_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"mail {self.pk}"
