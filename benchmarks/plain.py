"""The table that the other ways of reading a file write to."""

from django.db import models


class PlainMember(models.Model):
    """A member as a first version would store one."""

    fingerprint = models.UUIDField()
    email_fingerprint = models.UUIDField(null=True)
    phone_fingerprint = models.UUIDField(null=True)
    contact = models.BinaryField(null=True)

    class Meta:
        managed = False
        app_label = "insurers"
        db_table = "plain_member"

    def __str__(self) -> str:
        return f"member {self.pk}"
