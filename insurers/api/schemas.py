"""What the API answers. Texts are French here and translated when the schema is shown."""

from datetime import datetime

from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext_noop as _
from ninja import Field, Schema

from insurers.lists.refusing import why_refused
from insurers.models import AffectedList, ListState, Upload, UploadState


class Problem(Schema):
    """Every error, whatever its status."""

    what: str = Field(description=_("Ce qui ne va pas, dans la langue de l’adresse."))
    to_do: str = Field(description=_("Ce qu’il faut faire."))


class ListOut(Schema):
    """A list: where it is, and its counts once it is read."""

    id: int
    state: ListState = Field(
        description=_(
            "uploaded et ingesting : attendre ; review : une personne doit décider sur le portail ;"
            " accepting, accepted : acceptée ; refused : lire « refusal »."
        )
    )
    page: str = Field(description=_("La page du portail où une personne suit et décide."))
    breach: str
    operators: list[str]
    population: str
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
    members_with_email: int
    members_with_phone: int
    members_without_contact: int
    problems: str = Field(description=_("L’adresse du fichier des problèmes (CSV)."))
    refusal: Problem | None = Field(description=_("Pourquoi la liste est refusée, et que faire."))


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
    return ListOut(
        **copied
        | {
            "page": request.build_absolute_uri(reverse("list_detail", args=[found.pk])),
            "breach": found.breach.slug,
            "operators": [operator.code for operator in found.operators.order_by("code")],
            "population": found.population.code,
            "sha256": bytes(found.sha256).hex() if found.sha256 else None,
            "problems": request.build_absolute_uri(reverse("api:problems", args=[found.pk])),
            "refusal": Problem(what=refusal.what, to_do=refusal.to_do) if refusal else None,
        }
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
