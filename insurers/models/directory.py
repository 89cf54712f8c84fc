"""What everybody may read: breaches, operators, insurers, and who worked with whom.

Every fact names its source; the data file of the project is loaded by `load_directory`.
Texts stand in French (`…_fr`) and English (`…_en`).
"""

import uuid
from datetime import date
from typing import ClassVar

from django.db import models
from django.db.models import F, Q
from django.urls import reverse
from django.utils.translation import gettext_lazy as _


class Certainty(models.TextChoices):
    """How sure the sources are that data was exposed, or was not."""

    CONFIRMED = "confirmed", _("confirmé")
    REPORTED = "reported", _("rapporté")
    LIMITED = "limited", _("pour un petit nombre de personnes")
    DISPUTED = "disputed", _("les sources divergent")
    POSSIBLE = "possible", _("possible, non établi")
    STATED = "stated", _("affirmé par l’opérateur ou ses clients")
    STATED_CONDITIONAL = "stated_conditional", _("dit par la CNIL au conditionnel")


class ImpactStatus(models.TextChoices):
    """What a source says of an insurer's members in a breach."""

    CONCERNED = "concerned", _("concerné")
    PARTLY = "partly", _("concerné en partie")
    NOT_CONCERNED = "not_concerned", _("déclaré non concerné")


class SourceKind(models.TextChoices):
    """Who speaks in a source."""

    INSURER = "insurer", _("organisme complémentaire")
    REGULATOR = "regulator", _("autorité de contrôle")
    PUBLIC = "public", _("service public")
    PROFESSIONAL_BODY = "professional_body", _("organisation professionnelle")
    ASSOCIATION = "association", _("association")
    PRESS = "press", _("presse")


class Source(models.Model):
    """A page or article; `url` is its address, or a citation where it has none."""

    url = models.CharField(_("adresse"), max_length=500, unique=True)
    publisher = models.CharField(_("éditeur"), max_length=200, blank=True)
    kind = models.CharField(_("nature"), max_length=20, choices=SourceKind.choices, blank=True)
    published_date = models.DateField(_("publiée le"), null=True, blank=True)

    class Meta:
        verbose_name = _("source")

    def __str__(self) -> str:
        return self.publisher or self.url

    @property
    def is_link(self) -> bool:
        """Whether `url` can be followed (a citation cannot)."""
        return self.url.startswith(("https://", "http://"))


class Operator(models.Model):
    code = models.SlugField(_("code"), unique=True)
    name = models.CharField(_("nom"), max_length=100)
    description_fr = models.TextField(_("description (fr)"), blank=True)
    description_en = models.TextField(_("description (en)"), blank=True)

    class Meta:
        verbose_name = _("opérateur de tiers payant")
        verbose_name_plural = _("opérateurs de tiers payant")
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name


class Population(models.Model):
    """A group of people whose exposed data differ: insured people, health professionals."""

    code = models.SlugField(_("code"), unique=True)
    label_fr = models.CharField(_("libellé (fr)"), max_length=100)
    label_en = models.CharField(_("libellé (en)"), max_length=100)

    class Meta:
        verbose_name = _("population")

    def __str__(self) -> str:
        return self.label_fr


class DataCategory(models.Model):
    code = models.SlugField(_("code"), unique=True)
    label_fr = models.CharField(_("libellé (fr)"), max_length=150)
    label_en = models.CharField(_("libellé (en)"), max_length=150)
    position = models.PositiveSmallIntegerField(_("ordre"), default=0)

    class Meta:
        verbose_name = _("catégorie de données")
        verbose_name_plural = _("catégories de données")
        ordering = ("position", "code")

    def __str__(self) -> str:
        return self.label_fr


class Breach(models.Model):
    slug = models.SlugField(_("adresse"), max_length=100, unique=True)
    name_fr = models.CharField(_("nom (fr)"), max_length=200)
    name_en = models.CharField(_("nom (en)"), max_length=200)
    summary_fr = models.TextField(_("résumé (fr)"))
    summary_en = models.TextField(_("résumé (en)"))
    method_fr = models.TextField(_("mode opératoire (fr)"), blank=True)
    method_en = models.TextField(_("mode opératoire (en)"), blank=True)
    announced_date = models.DateField(_("annoncée le"), null=True, blank=True)
    people_min = models.PositiveBigIntegerField(_("personnes, au moins"), null=True, blank=True)
    people_announced_by = models.CharField(_("nombre annoncé par"), max_length=100, blank=True)
    sources = models.ManyToManyField(
        Source, blank=True, related_name="+", verbose_name=_("sources")
    )
    is_demo = models.BooleanField(_("fictive"), default=False)
    closing_date = models.DateField(
        _("dossier clos le"),
        null=True,
        blank=True,
        help_text=_(
            "À cette date tout ce qui tient à une personne est effacé, sans retour : listes,"
            " empreintes et leurs clés, messages un par un. Les nombres restent au registre."
        ),
    )

    class Meta:
        verbose_name = _("violation")
        ordering = ("-announced_date", "slug")

    def __str__(self) -> str:
        return self.name_fr

    def get_absolute_url(self) -> str:
        return reverse("breach", args=[self.slug])

    def is_closed(self, today: date) -> bool:
        """Whether nobody is listed or told for it any more."""
        return self.closing_date is not None and self.closing_date <= today


class BreachOperator(models.Model):
    """An operator's part in a breach."""

    breach = models.ForeignKey(Breach, models.CASCADE, related_name="operator_parts")
    operator = models.ForeignKey(Operator, models.PROTECT, related_name="breach_parts")
    detected_date = models.DateField(_("découverte le"), null=True, blank=True)
    announced_date = models.DateField(_("annoncée le"), null=True, blank=True)
    people_claimed = models.PositiveBigIntegerField(
        _("personnes, selon lui"), null=True, blank=True
    )
    sources = models.ManyToManyField(
        Source, blank=True, related_name="+", verbose_name=_("sources")
    )

    class Meta:
        verbose_name = _("opérateur touché")
        verbose_name_plural = _("opérateurs touchés")
        constraints = (
            models.UniqueConstraint(fields=("breach", "operator"), name="one_part_per_operator"),
        )

    def __str__(self) -> str:
        return f"{self.breach_id}/{self.operator_id}"


class ExposedData(models.Model):
    """One category that was, or was not, exposed for an operator and a population."""

    breach = models.ForeignKey(Breach, models.CASCADE, related_name="exposed_data")
    operator = models.ForeignKey(Operator, models.PROTECT, related_name="exposed_data")
    population = models.ForeignKey(Population, models.PROTECT, related_name="exposed_data")
    category = models.ForeignKey(DataCategory, models.PROTECT, related_name="exposed_data")
    is_exposed = models.BooleanField(_("exposée"))
    certainty = models.CharField(_("certitude"), max_length=20, choices=Certainty.choices)
    note_fr = models.TextField(_("remarque (fr)"), blank=True)
    note_en = models.TextField(_("remarque (en)"), blank=True)
    sources = models.ManyToManyField(
        Source, blank=True, related_name="+", verbose_name=_("sources")
    )

    class Meta:
        verbose_name = _("donnée exposée ou non")
        verbose_name_plural = _("données exposées ou non")
        ordering = ("operator", "population", "category__position")
        constraints = (
            models.UniqueConstraint(
                fields=("breach", "operator", "population", "category"),
                name="one_word_on_each_category",
            ),
        )

    def __str__(self) -> str:
        return f"{self.operator_id}/{self.population_id}/{self.category_id}"


class TimelineEntry(models.Model):
    breach = models.ForeignKey(Breach, models.CASCADE, related_name="timeline")
    date = models.DateField(_("date"))
    text_fr = models.TextField(_("fait (fr)"))
    text_en = models.TextField(_("fait (en)"))
    sources = models.ManyToManyField(
        Source, blank=True, related_name="+", verbose_name=_("sources")
    )

    class Meta:
        verbose_name = _("date")
        ordering = ("date", "pk")
        constraints = (
            models.UniqueConstraint(fields=("breach", "date", "text_fr"), name="each_fact_once"),
        )

    def __str__(self) -> str:
        return f"{self.breach_id} {self.date}"


class CodedText(models.Model):
    """A short sourced text in both languages, known by a code."""

    code = models.SlugField(_("code"), max_length=60)
    text_fr = models.TextField(_("texte (fr)"))
    text_en = models.TextField(_("texte (en)"))
    position = models.PositiveSmallIntegerField(_("ordre"), default=0)
    sources = models.ManyToManyField(
        Source, blank=True, related_name="+", verbose_name=_("sources")
    )

    class Meta:
        abstract = True
        ordering: ClassVar[tuple[str, ...]] = ("position", "code")

    def __str__(self) -> str:
        return self.code


class Caveat(CodedText):
    """What must not be concluded from the figures."""

    breach = models.ForeignKey(Breach, models.CASCADE, related_name="caveats")

    class Meta(CodedText.Meta):
        verbose_name = _("précaution de lecture")
        verbose_name_plural = _("précautions de lecture")
        constraints = (
            models.UniqueConstraint(fields=("breach", "code"), name="one_caveat_per_code"),
        )


class Conflict(CodedText):
    """A point on which the sources disagree."""

    breach = models.ForeignKey(Breach, models.CASCADE, related_name="conflicts")

    class Meta(CodedText.Meta):
        verbose_name = _("divergence des sources")
        verbose_name_plural = _("divergences des sources")
        constraints = (
            models.UniqueConstraint(fields=("breach", "code"), name="one_conflict_per_code"),
        )


class Advice(CodedText):
    """What a person can do now."""

    population = models.ForeignKey(Population, models.PROTECT, related_name="advice")
    link = models.URLField(_("page officielle"), blank=True)

    class Meta(CodedText.Meta):
        verbose_name = _("conseil")
        constraints = (models.UniqueConstraint(fields=("code",), name="one_advice_per_code"),)


class Insurer(models.Model):
    """A mutuelle, an insurer or an institution de prévoyance: the controller."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    slug = models.SlugField(_("adresse"), max_length=100, unique=True)
    name = models.CharField(_("nom"), max_length=200, unique=True)
    successor = models.ForeignKey(
        "self",
        models.PROTECT,
        null=True,
        blank=True,
        related_name="predecessors",
        verbose_name=_("devenu"),
    )
    website = models.URLField(_("site"), blank=True)
    dpo_name = models.CharField(
        _("délégué à la protection des données"), max_length=150, blank=True
    )
    contact_email = models.EmailField(_("adresse de contact"), blank=True)
    contact_phone = models.CharField(_("téléphone de contact"), max_length=30, blank=True)
    contact_address = models.TextField(_("adresse postale"), blank=True)
    is_demo = models.BooleanField(_("fictif"), default=False)

    class Meta:
        verbose_name = _("organisme complémentaire")
        verbose_name_plural = _("organismes complémentaires")
        ordering = ("name",)
        constraints = (
            models.CheckConstraint(
                condition=~Q(successor=F("id")), name="insurer_is_not_its_own_successor"
            ),
        )

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("insurer", args=[self.slug])


class InsurerAlias(models.Model):
    """Another name people know an insurer by: abbreviation, former name, spelling."""

    insurer = models.ForeignKey(Insurer, models.CASCADE, related_name="aliases")
    name = models.CharField(_("autre nom"), max_length=200)

    class Meta:
        verbose_name = _("autre nom")
        verbose_name_plural = _("autres noms")
        constraints = (models.UniqueConstraint(fields=("insurer", "name"), name="each_alias_once"),)

    def __str__(self) -> str:
        return self.name


class AmcNumber(models.Model):
    """The number of the insurer on a third-party-payment card: text, never check-summed."""

    insurer = models.ForeignKey(Insurer, models.CASCADE, related_name="amc_numbers")
    number = models.CharField(_("numéro AMC"), max_length=20)

    class Meta:
        verbose_name = _("numéro AMC")
        verbose_name_plural = _("numéros AMC")
        constraints = (
            models.UniqueConstraint(fields=("insurer", "number"), name="each_amc_number_once"),
        )

    def __str__(self) -> str:
        return self.number


class Affiliation(models.Model):
    """An insurer worked with an operator: for which contracts, from when, until when."""

    insurer = models.ForeignKey(Insurer, models.CASCADE, related_name="affiliations")
    operator = models.ForeignKey(Operator, models.PROTECT, related_name="affiliations")
    scope_fr = models.CharField(_("périmètre (fr)"), max_length=300, blank=True)
    scope_en = models.CharField(_("périmètre (en)"), max_length=300, blank=True)
    valid_from_date = models.DateField(_("depuis le"), null=True, blank=True)
    valid_until_date = models.DateField(_("jusqu’au"), null=True, blank=True)
    source = models.ForeignKey(Source, models.PROTECT, related_name="+", verbose_name=_("source"))
    note_fr = models.TextField(_("remarque (fr)"), blank=True)
    note_en = models.TextField(_("remarque (en)"), blank=True)
    confirmed_by = models.CharField(_("confirmé par"), max_length=150, blank=True)
    confirmed_date = models.DateField(_("confirmé le"), null=True, blank=True)

    class Meta:
        verbose_name = _("rattachement")
        ordering = ("insurer__name", "operator__name")
        constraints = (
            models.CheckConstraint(
                condition=Q(valid_until_date__gte=F("valid_from_date"))
                | Q(valid_from_date=None)
                | Q(valid_until_date=None),
                name="affiliation_ends_after_it_starts",
                violation_error_message=_("La fin du rattachement précède son début."),
            ),
            models.UniqueConstraint(
                fields=("insurer", "operator", "scope_fr", "valid_from_date", "valid_until_date"),
                nulls_distinct=False,
                name="each_affiliation_once",
            ),
        )

    def __str__(self) -> str:
        return f"{self.insurer_id}/{self.operator_id}"


class ImpactReport(models.Model):
    """What a source says of an insurer in a breach, by operator where it names one."""

    breach = models.ForeignKey(Breach, models.CASCADE, related_name="impact_reports")
    insurer = models.ForeignKey(Insurer, models.CASCADE, related_name="impact_reports")
    operator = models.ForeignKey(
        Operator, models.PROTECT, null=True, blank=True, related_name="impact_reports"
    )
    status = models.CharField(_("réponse"), max_length=20, choices=ImpactStatus.choices)
    announced_date = models.DateField(_("annoncé le"), null=True, blank=True)
    source = models.ForeignKey(Source, models.PROTECT, related_name="+", verbose_name=_("source"))
    note_fr = models.TextField(_("remarque (fr)"), blank=True)
    note_en = models.TextField(_("remarque (en)"), blank=True)

    class Meta:
        verbose_name = _("annonce")
        constraints = (
            models.UniqueConstraint(
                fields=("breach", "insurer", "operator"),
                nulls_distinct=False,
                name="one_impact_report_per_operator",
            ),
        )

    def __str__(self) -> str:
        return f"{self.breach_id}/{self.insurer_id} {self.status}"
