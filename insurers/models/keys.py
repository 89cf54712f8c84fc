"""Which keys must exist and who has them; the keys themselves are in the key store only."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from insurers.models.directory import Breach, Insurer
from insurers.models.lists import AffectedList


class KeyState(models.TextChoices):
    """Of a version of a breach's key. A version is never removed: later ones wrap it."""

    ANNOUNCED = "announced", _("annoncée aux workers")
    WRAPPING = "wrapping", _("application en cours")
    CURRENT = "current", _("en vigueur")
    CHAINED = "chained", _("incluse dans la suivante")


class FingerprintKey(models.Model):
    """A version of the key under which a breach's members are fingerprinted."""

    breach = models.ForeignKey(Breach, models.PROTECT, related_name="fingerprint_keys")
    version = models.PositiveSmallIntegerField(_("version"))
    state = models.CharField(_("état"), max_length=10, choices=KeyState.choices)
    created_at = models.DateTimeField(_("créée le"))
    finished_at = models.DateTimeField(_("appliquée partout le"), null=True)
    proof = models.BinaryField(_("preuve"), null=True)  # `fingerprint_keys.proof_of`
    insurers_done = models.JSONField(_("organismes traités"), default=list)
    destroyed_at = models.DateTimeField(_("détruite le"), null=True)

    class Meta:
        verbose_name = _("clé d’empreinte")
        verbose_name_plural = _("clés d’empreinte")
        ordering = ("breach", "version")
        constraints = (
            models.UniqueConstraint(fields=("breach", "version"), name="each_key_version_once"),
            models.UniqueConstraint(
                fields=("breach",),
                condition=Q(state__in=("announced", "wrapping")),
                name="one_rotation_at_a_time",
            ),
        )

    def __str__(self) -> str:
        return f"key {self.version} of breach {self.breach_id}"


class AddressKey(models.Model):
    """A key under which an insurer's e-mail addresses and numbers are fingerprinted.

    Destroyed once no contact of the insurer is left; the next list is read under a new one.
    """

    insurer = models.ForeignKey(Insurer, models.PROTECT, related_name="address_keys")
    number = models.PositiveSmallIntegerField(_("numéro"))
    proof = models.BinaryField(_("preuve"), null=True)  # `fingerprint_keys.proof_of`
    created_at = models.DateTimeField(_("créée le"))
    destroyed_at = models.DateTimeField(_("détruite le"), null=True)

    class Meta:
        verbose_name = _("clé d’adresses")
        verbose_name_plural = _("clés d’adresses")
        ordering = ("insurer", "number")
        constraints = (
            models.UniqueConstraint(fields=("insurer", "number"), name="each_address_key_once"),
            models.UniqueConstraint(
                fields=("insurer",),
                condition=Q(destroyed_at=None),
                name="one_address_key_in_use",
            ),
        )

    def __str__(self) -> str:
        return f"address key {self.number} of insurer {self.insurer_id}"


class KeyReport(models.Model):
    """A running worker says which breach keys (by name) it can open; old reports mean nothing."""

    worker = models.CharField(max_length=200, primary_key=True)
    names = models.JSONField(default=list)
    reported_at = models.DateTimeField()

    class Meta:
        verbose_name = _("clés d’un worker")

    def __str__(self) -> str:
        return self.worker


class PurgeKind(models.TextChoices):
    CONTACTS = "contacts", _("contacts")
    LIST = "list", _("liste entière")


class ListPurge(models.Model):
    """That a purge was asked for, how far it is, and the proof that stays once it is done."""

    list = models.ForeignKey(AffectedList, models.PROTECT, related_name="purges")
    kind = models.CharField(_("objet"), max_length=10, choices=PurgeKind.choices)
    members = models.PositiveBigIntegerField(_("personnes"))
    contacts = models.PositiveBigIntegerField(_("contacts"))
    key_name = models.CharField(_("clé détruite"), max_length=100)
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+"
    )
    requested_at = models.DateTimeField(_("demandée le"))
    key_destroyed_at = models.DateTimeField(_("clé détruite le"), null=True)
    finished_at = models.DateTimeField(_("terminée le"), null=True)

    class Meta:
        verbose_name = _("purge de liste")
        verbose_name_plural = _("purges de listes")
        ordering = ("requested_at",)
        constraints = (
            models.UniqueConstraint(fields=("list", "kind"), name="each_purge_once"),
            models.CheckConstraint(
                condition=Q(finished_at=None) | Q(key_destroyed_at__isnull=False),
                name="keys_go_first",
            ),
        )

    def __str__(self) -> str:
        return f"purge of list {self.list_id} ({self.kind})"
