"""Uploaded lists of affected people, and the members that the worker alone can read."""

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from insurers.models.directory import Breach, Insurer, Operator, Population
from insurers.models.uploads import ApiToken, ListEffect


class ListState(models.TextChoices):
    """Transitions live in `insurers/lists/states.py`."""

    UPLOADED = "uploaded", _("reçue")
    INGESTING = "ingesting", _("en lecture")
    COLUMNS = "columns", _("colonnes à indiquer")
    REVIEW = "review", _("à décider")
    ACCEPTING = "accepting", _("acceptation en cours")
    ACCEPTED = "accepted", _("acceptée")
    REFUSED = "refused", _("refusée")
    WITHDRAWING = "withdrawing", _("retrait en cours")
    WITHDRAWN = "withdrawn", _("retirée")


class Ended(models.TextChoices):
    """Why nothing more is sent to a person from a list."""

    CORRECTED = "corrected", _("contact corrigé par une liste suivante")
    REPLACED = "replaced", _("absente de la liste qui remplace celle-ci")
    WITHDRAWN = "withdrawn", _("retirée")


class AffectedListQuerySet(models.QuerySet["AffectedList"]):
    def that_list_people(self) -> "AffectedListQuerySet":
        """Lists whose people are, or were, to be told: accepted, perhaps withdrawn since."""
        states = (ListState.ACCEPTED, ListState.WITHDRAWING, ListState.WITHDRAWN)
        return self.filter(state__in=states).exclude(effect=ListEffect.WITHDRAW)

    def that_stand_by_person(self) -> "AffectedListQuerySet":
        """The same, but for those that left whole before any campaign used them.

        Nobody was told from there, and nobody of there counts or is compared any longer.
        """
        return self.that_list_people().exclude(state=ListState.WITHDRAWN, is_in_use=False)

    def open_to_campaigns(self) -> "AffectedListQuerySet":
        """Accepted lists of people, not withdrawn as a whole, whose contacts are to stay."""
        accepted = self.filter(state=ListState.ACCEPTED, purges=None)
        return accepted.exclude(effect=ListEffect.WITHDRAW)

    def with_members(self) -> "AffectedListQuerySet":
        """Lists that are read and whose table of members is there."""
        states = (ListState.REVIEW, ListState.ACCEPTING, ListState.ACCEPTED)
        left = (ListState.WITHDRAWING, ListState.WITHDRAWN)
        return self.filter(state__in=(*states, *left), purged_at=None).exclude(
            effect=ListEffect.WITHDRAW, state=ListState.ACCEPTED
        )


class AffectedList(models.Model):
    """One uploaded file. Counts are in people (file rows for `rows_*`)."""

    id = models.AutoField(primary_key=True)
    breach = models.ForeignKey(Breach, models.PROTECT, related_name="affected_lists")
    insurer = models.ForeignKey(Insurer, models.PROTECT, related_name="affected_lists")
    operators = models.ManyToManyField(Operator, related_name="affected_lists")
    # The operators once more, sorted: a constraint cannot look into another table.
    operator_ids = ArrayField(models.BigIntegerField(), verbose_name=_("opérateurs"), default=list)
    population = models.ForeignKey(Population, models.PROTECT, related_name="affected_lists")
    effect = models.CharField(
        _("effet"), max_length=10, choices=ListEffect.choices, default=ListEffect.ADD
    )
    corrects = models.ForeignKey(
        "self", models.PROTECT, null=True, related_name="corrections", verbose_name=_("corrige")
    )
    is_in_use = models.BooleanField(_("une campagne est approuvée"), default=False)
    state = models.CharField(_("état"), max_length=20, choices=ListState.choices)
    upload_id = models.UUIDField(_("envoi"), unique=True)
    chunk_count = models.PositiveIntegerField(_("morceaux scellés"))
    size_bytes = models.PositiveBigIntegerField(_("taille en octets"))
    sha256 = models.BinaryField(_("empreinte SHA-256 du fichier"), null=True)
    expected_sha256 = models.BinaryField(_("empreinte SHA-256 annoncée"), null=True)
    attempt = models.PositiveSmallIntegerField(_("essais de lecture"), default=0)
    finish_attempt = models.PositiveSmallIntegerField(_("essais d’achèvement"), default=0)
    text = models.JSONField(_("texte à lire"), null=True)  # insurers/lists/preparing.py
    hidden_rows = models.PositiveIntegerField(_("lignes masquées lues"), default=0)
    first_hidden_rows = models.JSONField(_("premières lignes masquées"), default=list)
    reading_at = models.DateTimeField(_("lecture commencée le"), null=True)
    key_version = models.PositiveSmallIntegerField(_("version de la clé d’empreinte"), default=1)
    address_key = models.PositiveSmallIntegerField(_("numéro de la clé d’adresses"), default=1)
    bytes_read = models.PositiveBigIntegerField(_("octets lus"), default=0)
    rows = models.PositiveBigIntegerField(_("lignes"), default=0)
    rows_rejected = models.PositiveBigIntegerField(_("lignes rejetées"), default=0)
    rows_duplicate = models.PositiveBigIntegerField(_("lignes en double"), default=0)
    rows_conflicting = models.PositiveBigIntegerField(_("contacts contradictoires"), default=0)
    rows_already_listed = models.PositiveBigIntegerField(_("déjà sur une liste"), default=0)
    rows_contact_changed = models.PositiveBigIntegerField(_("contact changé"), default=0)
    members = models.PositiveBigIntegerField(_("personnes"), default=0)
    members_ended = models.PositiveBigIntegerField(_("retirées depuis"), default=0)
    members_uncounted = models.PositiveBigIntegerField(_("comptées ailleurs"), default=0)
    people_withdrawn = models.PositiveBigIntegerField(_("retirées par cette liste"), default=0)
    members_with_email = models.PositiveBigIntegerField(_("avec courriel"), default=0)
    members_with_phone = models.PositiveBigIntegerField(_("avec mobile"), default=0)
    members_without_contact = models.PositiveBigIntegerField(_("sans contact"), default=0)
    refusal_code = models.CharField(_("motif du refus"), max_length=40, blank=True)
    refusal_row = models.PositiveBigIntegerField(_("ligne du refus"), null=True)
    refusal_column = models.CharField(_("colonne du refus"), max_length=60, blank=True)
    refusal_problem = models.CharField(_("problème à cet endroit"), max_length=40, blank=True)
    ingest_seconds = models.FloatField(_("durée de lecture en secondes"), null=True)
    uploaded_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+"
    )
    uploaded_with = models.ForeignKey(ApiToken, models.PROTECT, null=True, related_name="lists")
    uploaded_at = models.DateTimeField(_("reçue le"))
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+"
    )
    decided_at = models.DateTimeField(_("décidée le"), null=True)
    problems_erased_at = models.DateTimeField(_("fichier des problèmes effacé le"), null=True)
    contacts_purged_at = models.DateTimeField(_("contacts effacés le"), null=True)
    purged_at = models.DateTimeField(_("effacée le"), null=True)

    objects = AffectedListQuerySet.as_manager()

    class Meta:
        verbose_name = _("liste de personnes concernées")
        verbose_name_plural = _("listes de personnes concernées")
        ordering = ("-uploaded_at",)
        constraints = (
            models.UniqueConstraint(
                fields=("breach", "insurer", "operator_ids", "sha256", "effect"),
                condition=~Q(state__in=("refused", "withdrawn")),
                name="each_file_once",
            ),
            models.CheckConstraint(
                condition=~Q(state="refused") | ~Q(refusal_code=""), name="a_refusal_has_a_reason"
            ),
        )

    def __str__(self) -> str:
        return f"list {self.pk}"

    @property
    def everybody_left(self) -> bool:
        """Whether nobody of it is to be told any more: withdrawn, replaced, or corrected."""
        return self.state == ListState.WITHDRAWN or self.members_ended >= self.members


class ListBlock(models.Model):
    """A part of a list's text that one worker reads at a time: whole records, about 2 MB.

    `start` and `end` are offsets in bytes; `first_row` is the number of its first record.
    `attempts` numbers the readings and enters the nonces of the contacts sealed in each.
    """

    list = models.ForeignKey(AffectedList, models.CASCADE, related_name="blocks")
    number = models.PositiveIntegerField()
    start = models.PositiveBigIntegerField()
    end = models.PositiveBigIntegerField()
    first_row = models.PositiveBigIntegerField()
    records = models.PositiveIntegerField()
    attempts = models.PositiveSmallIntegerField(default=0)
    is_read = models.BooleanField(default=False)
    nir_watch = models.JSONField(null=True)  # by column: cells filled, cells that look like one
    policyholders = models.PositiveIntegerField(default=0)  # rows that say so, not rejected
    dependants = models.PositiveIntegerField(default=0)
    members = models.PositiveIntegerField(db_default=0)
    emails = models.PositiveIntegerField(db_default=0)  # members with one
    phones = models.PositiveIntegerField(db_default=0)
    unreachable = models.PositiveIntegerField(db_default=0)  # members with neither
    # Eight bytes a record (insurers/lists/repeats.py); a quarter of a megabyte, so fetched alone.
    member_hashes = models.BinaryField(null=True)
    address_hashes = models.BinaryField(null=True)

    class Meta:
        constraints = (models.UniqueConstraint(fields=("list", "number"), name="each_block_once"),)

    def __str__(self) -> str:
        return f"list {self.list_id} block {self.number}"


class Severity(models.TextChoices):
    REJECTED = "rejected", _("ligne rejetée")
    WARNING = "warning", _("à corriger")


class ListProblem(models.Model):
    """What is wrong with one cell or row of a file: a place and a code, never the value."""

    list = models.ForeignKey(AffectedList, models.CASCADE, related_name="problems")
    row = models.PositiveBigIntegerField(_("ligne"))
    column = models.CharField(_("colonne"), max_length=60, blank=True)
    code = models.CharField(_("problème"), max_length=40)
    severity = models.CharField(_("gravité"), max_length=10, choices=Severity.choices)

    class Meta:
        verbose_name = _("problème de liste")
        verbose_name_plural = _("problèmes de liste")
        indexes = (models.Index(fields=("list", "row"), name="problem_by_row"),)

    def __str__(self) -> str:
        return f"list {self.list_id} row {self.row} {self.code}"


class ListedAlready(models.Model):
    """Rows of an accepted file whose people count on an earlier list, some thousands at a time.

    `rows` are their numbers in the file, ascending; docs/decisions/0007 says why they are not
    problems of their own.
    """

    # Before `list`, which hides Python's own in the lines below it.
    rows = ArrayField(models.IntegerField(), verbose_name=_("lignes"))
    list = models.ForeignKey(AffectedList, models.CASCADE, related_name="listed_already")

    class Meta:
        verbose_name = _("lignes déjà sur une liste")
        verbose_name_plural = _("lignes déjà sur une liste")

    def __str__(self) -> str:
        return f"rows of list {self.list_id}"


class ListColumn(models.Model):
    """A column of a file, for the page that says which is which: never a value of it.

    `header` is empty where the file's is, and where it may be a value (`is_masked`). `field` is
    what the portal takes the column for, `chosen` what people said it is; empty: not read.
    """

    # Before `list`, which hides Python's own in the lines below it.
    shapes = models.JSONField(_("formes des premières valeurs"), default=list)
    list = models.ForeignKey(AffectedList, models.CASCADE, related_name="columns")
    place = models.PositiveIntegerField(_("rang, depuis 0"))
    header = models.CharField(_("intitulé"), max_length=80, blank=True)
    is_masked = models.BooleanField(_("intitulé masqué"))
    field = models.CharField(_("donnée"), max_length=20, blank=True)
    chosen = models.CharField(_("donnée choisie"), max_length=20, blank=True)

    class Meta:
        verbose_name = _("colonne de liste")
        verbose_name_plural = _("colonnes de liste")
        ordering = ("place",)
        constraints = (
            models.UniqueConstraint(fields=("list", "place"), name="each_column_once"),
            models.UniqueConstraint(
                fields=("list", "chosen"), condition=~Q(chosen=""), name="each_field_chosen_once"
            ),
            models.CheckConstraint(
                condition=Q(is_masked=False) | Q(header=""), name="a_masked_header_is_not_kept"
            ),
        )

    def __str__(self) -> str:
        return f"list {self.list_id} column {self.place}"


class RememberedColumn(models.Model):
    """What an insurer's staff said that a header means, for its next files."""

    insurer = models.ForeignKey(Insurer, models.CASCADE, related_name="remembered_columns")
    key = models.CharField(_("mots de l’intitulé"), max_length=120)
    header = models.CharField(_("intitulé"), max_length=80)
    field = models.CharField(_("donnée"), max_length=20)
    remembered_at = models.DateTimeField(_("retenue le"))

    class Meta:
        verbose_name = _("colonne retenue")
        verbose_name_plural = _("colonnes retenues")
        ordering = ("header", "pk")
        constraints = (
            models.UniqueConstraint(fields=("insurer", "key"), name="each_header_remembered_once"),
            models.CheckConstraint(condition=~Q(key=""), name="a_remembered_header_has_words"),
        )

    def __str__(self) -> str:
        return f"remembered column {self.pk}"


class AffectedMember(models.Model):
    """One person of a list. The worker owns the table; the web role has no right on it.

    Partitioned by list and created by SQL (migration 0002). `ordinal` is the row of the
    source file, its header being row 1. `fingerprint`, `email_fingerprint` and
    `phone_fingerprint` are 128-bit keyed hashes; `name_tag` tells twins apart (32 bits, 0
    without a name); `contact` is sealed with AES-256-GCM under the list's data key.
    """

    pk = models.CompositePrimaryKey("list_id", "ordinal")
    list_id = models.IntegerField()
    ordinal = models.IntegerField()
    fingerprint = models.UUIDField()
    name_tag = models.IntegerField()
    key_version = models.SmallIntegerField()
    contact_flags = models.SmallIntegerField()
    email_fingerprint = models.UUIDField(null=True)
    phone_fingerprint = models.UUIDField(null=True)
    contact = models.BinaryField(null=True)

    class Meta:
        managed = False
        db_table = "affected_member"
        verbose_name = _("personne concernée")
        verbose_name_plural = _("personnes concernées")

    def __str__(self) -> str:
        return f"member {self.list_id}/{self.ordinal}"


class ListingMark(models.Model):
    """What sets one person of one list apart; most members have none (worker only, migration 0002).

    `ended` says why nothing more is sent to the person from this list. `is_counted` is false
    where the register counts the person on another list, or no longer. `is_stale` asks the
    worker to look at the person's figures again (`notifications/outbox/settling.py`).
    """

    pk = models.CompositePrimaryKey("list_id", "ordinal")
    list_id = models.IntegerField()
    ordinal = models.IntegerField()
    is_counted = models.BooleanField()
    ended = models.CharField(max_length=10, blank=True, choices=Ended.choices)
    is_stale = models.BooleanField()

    class Meta:
        managed = False
        db_table = "listing_mark"

    def __str__(self) -> str:
        return f"mark {self.list_id}/{self.ordinal}"


class ListReport(models.Model):
    """What accepting a list would do, counted once by the worker when the reading ends.

    Counts are in people. `policyholders` and `dependants` are usable rows of the file, repeated
    ones included; unknown (null) where no column tells them apart.
    `listed_after` is whom the insurer would have listed for the breach in all. `previous` is the
    list compared with: the latest accepted one of the same insurer, breach and operators.
    """

    affected_list = models.OneToOneField(
        AffectedList, models.CASCADE, primary_key=True, related_name="report"
    )
    previous = models.ForeignKey(AffectedList, models.SET_NULL, null=True, related_name="+")
    new = models.PositiveBigIntegerField(default=0)
    gone = models.PositiveBigIntegerField(default=0)
    changed = models.PositiveBigIntegerField(default=0)
    already_listed = models.PositiveBigIntegerField(default=0)
    on_other_operators = models.PositiveBigIntegerField(default=0)
    leaving = models.PositiveBigIntegerField(default=0)
    leaving_told = models.PositiveBigIntegerField(default=0)
    messages_cancelled = models.PositiveBigIntegerField(default=0)
    unmatched = models.PositiveBigIntegerField(default=0)
    listed_after = models.PositiveBigIntegerField(default=0)
    policyholders = models.PositiveBigIntegerField(null=True)
    dependants = models.PositiveBigIntegerField(null=True)
    shared_addresses = models.PositiveBigIntegerField(default=0)
    shared_people = models.PositiveBigIntegerField(default=0)
    only_email = models.PositiveBigIntegerField(default=0)
    only_phone = models.PositiveBigIntegerField(default=0)
    email_and_phone = models.PositiveBigIntegerField(default=0)
    problems = models.JSONField(default=list)

    class Meta:
        verbose_name = _("compte rendu de liste")
        verbose_name_plural = _("comptes rendus de liste")

    def __str__(self) -> str:
        return f"report of list {self.affected_list_id}"
