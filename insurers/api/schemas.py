"""What the API answers. Texts are French here and translated when the schema is shown."""

from datetime import datetime

from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext_noop as _
from ninja import Field, Schema
from pydantic import ConfigDict

from insurers.lists.columns import why_unclear
from insurers.lists.problems import Field as Data
from insurers.lists.refusing import why_refused
from insurers.models import AffectedList, ListEffect, ListReport, ListState, Upload, UploadState


class Problem(Schema):
    """Every error, whatever its status."""

    what: str = Field(description=_("Ce qui ne va pas, dans la langue de l’adresse."))
    to_do: str = Field(description=_("Ce qu’il faut faire."))


def refusals(*statuses: int) -> dict[int, type[Problem]]:
    """Document the errors of an operation besides those of every call."""
    return dict.fromkeys((401, 403, *statuses, 429, 500, 503), Problem)


class ListOut(Schema):
    """A list: where it is, and its counts once it is read."""

    id: int
    state: ListState = Field(
        description=_(
            "uploaded et ingesting : attendre ; columns : indiquer les colonnes ; review : une"
            " personne doit décider sur le portail ; accepting, accepted : acceptée ; refused :"
            " lire « refusal » ; withdrawing, withdrawn : retirée."
        )
    )
    page: str = Field(description=_("La page du portail où une personne suit et décide."))
    breach: str
    operators: list[str]
    population: str
    effect: ListEffect = Field(description=_("Ce que fait la liste une fois acceptée."))
    corrects: int | None = Field(
        description=_("Le numéro de la liste dont elle corrige les lignes rejetées.")
    )
    size_bytes: int
    bytes_read: int
    sha256: str | None = Field(
        description=_("Empreinte SHA-256 du fichier, calculée à la lecture, en hexadécimal.")
    )
    uploaded_at: datetime
    decided_at: datetime | None
    rows: int = Field(description=_("Lignes lues, en-tête non compris."))
    rows_rejected: int = Field(
        description=_("Lignes rejetées : ces personnes ne seront pas prévenues.")
    )
    rows_duplicate: int
    rows_conflicting: int
    rows_already_listed: int
    members: int = Field(description=_("Personnes de la liste, chacune comptée une fois."))
    policyholder_rows: int | None = Field(
        description=_("Lignes d’adhérents ; null si aucune colonne ne le dit, ou avant la lecture.")
    )
    dependant_rows: int | None = Field(description=_("Lignes d’ayants droit ; de même."))
    members_with_email: int
    members_with_phone: int
    members_without_contact: int
    columns: str = Field(description=_("L’adresse où voir et indiquer les colonnes."))
    problems: str = Field(description=_("L’adresse du fichier des problèmes (CSV)."))
    refusal: Problem | None = Field(description=_("Pourquoi la liste est refusée, et que faire."))


class ColumnOut(Schema):
    """One column of a file."""

    number: int = Field(description=_("Le numéro de la colonne, depuis 1."))
    header: str | None = Field(description=_("L’intitulé ; null s’il pourrait être une valeur."))
    shapes: list[str] = Field(
        description=_(
            "La forme des premières valeurs : A et a pour des lettres, 9 pour un chiffre. Vide une"
            " fois la liste décidée."
        )
    )
    field: Data | None = Field(description=_("Ce que le portail y lit ; null : rien."))


class ColumnsOut(Schema):
    """The columns of a list, and what is not clear about them."""

    state: ListState = Field(description=_("columns : la lecture attend."))
    columns: list[ColumnOut] = Field(
        description=_("Les colonnes qui ont un intitulé ou une valeur.")
    )
    missing: list[str] = Field(
        description=_(
            "Ce que rien ne nomme et qu’une liste doit avoir ; « email|phone » : l’un ou l’autre."
        )
    )
    ambiguous: list[Data] = Field(description=_("Ce que plusieurs intitulés nomment."))


class ColumnsIn(Schema):
    """The number of the column of each field, from 1; what is left out is not read."""

    model_config = ConfigDict(extra="forbid")

    member_number: int
    birth_date: int
    birth_rank: int | None = None
    last_name: int | None = None
    first_name: int | None = None
    email: int | None = None
    phone: int | None = None
    language: int | None = None
    relationship: int | None = None
    address_complement: int | None = None
    address: int | None = None
    address_2: int | None = None
    address_3: int | None = None
    postcode: int | None = None
    city: int | None = None
    country: int | None = None

    def numbers(self) -> dict[Data, int]:
        """Return the fields that have a column."""
        given = self.model_dump(exclude_none=True)
        return {Data(name): number for name, number in given.items()}


class UploadOut(Schema):
    """A file that comes in parts."""

    id: str
    state: UploadState
    offset: int = Field(description=_("Octets reçus : la partie suivante commence là."))
    size_bytes: int
    list: str | None = Field(description=_("L’adresse de la liste, une fois le fichier complet."))


def list_out(found: AffectedList, request: HttpRequest) -> ListOut:
    """Describe a list."""
    copied = {
        name: getattr(found, name) for name in ListOut.model_fields if hasattr(AffectedList, name)
    }
    refusal = why_refused(found)
    report = ListReport.objects.filter(affected_list=found).first()
    return ListOut(
        **copied
        | {
            "page": request.build_absolute_uri(reverse("list_detail", args=[found.pk])),
            "breach": found.breach.slug,
            "operators": [operator.code for operator in found.operators.order_by("code")],
            "population": found.population.code,
            "corrects": found.corrects_id,
            "policyholder_rows": report.policyholders if report else None,
            "dependant_rows": report.dependants if report else None,
            "columns": request.build_absolute_uri(reverse("api:columns", args=[found.pk])),
            "sha256": bytes(found.sha256).hex() if found.sha256 else None,
            "problems": request.build_absolute_uri(reverse("api:problems", args=[found.pk])),
            "refusal": Problem(what=refusal.what, to_do=refusal.to_do) if refusal else None,
        }
    )


def columns_out(found: AffectedList) -> ColumnsOut:
    """Describe the columns of a list."""
    unclear = why_unclear(found) if found.state == ListState.COLUMNS else None
    return ColumnsOut(
        state=ListState(found.state),
        columns=[
            ColumnOut(
                number=column.place + 1,
                header=None if column.is_masked else column.header,
                shapes=column.shapes,
                field=Data(column.field) if column.field else None,
            )
            for column in found.columns.all()
        ],
        missing=list(unclear.missing) if unclear else [],
        ambiguous=list(unclear.ambiguous) if unclear else [],
    )


def upload_out(upload: Upload, made: AffectedList | None, request: HttpRequest) -> UploadOut:
    """Describe an upload."""
    address = reverse("api:list", args=[made.pk]) if made else None
    return UploadOut(
        id=str(upload.pk),
        state=UploadState(upload.state),
        offset=upload.received_bytes,
        size_bytes=upload.size_bytes,
        list=request.build_absolute_uri(address) if address else None,
    )
