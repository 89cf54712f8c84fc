"""The API for insurers' programs: send a list, at once or in parts, and follow it.

Accepting or refusing a list is not offered: a person decides. The columns of a list are in
`column_endpoints.py`.
"""

import base64
import binascii
import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Any
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop
from ninja import Field, NinjaAPI, Query, Schema, Status

from insurers.api.answers import ApiRefused, Token, explain_refusals, token_of
from insurers.api.column_endpoints import router as columns
from insurers.api.reach import list_of, rows_of
from insurers.api.schemas import ListOut, UploadOut, list_out, refusals, upload_out
from insurers.api.tokens import require_scope
from insurers.lists.error_file import error_file
from insurers.lists.ingestion import operators_for
from insurers.lists.part_requests import body_length, part_of, say_where
from insurers.lists.receiving import (
    Announced,
    Part,
    append,
    cancel_upload,
    made_list,
    start_upload,
)
from insurers.lists.rejected import correctable_lists
from insurers.lists.upload_problems import UploadProblem, UploadRefused
from insurers.models import (
    AffectedList,
    ApiToken,
    Breach,
    ListEffect,
    Operator,
    Population,
    TokenScope,
    Upload,
)
from insurers.queueing import enqueue
from insurers.tasks import ingest_list

api = NinjaAPI(
    title=gettext_noop("Portail violations : interface des organismes"),
    version="1",
    description=gettext_noop(
        "Envoyer une liste de personnes concernées et suivre sa lecture. Chaque appel présente un"
        " jeton de l’organisme : « Authorization: Bearer bp1_… ». Accepter ou refuser une liste"
        " reste le geste d’une personne, sur le portail."
    ),
    urls_namespace="api",
    openapi_url=None,
    docs_url=None,
    auth=Token(),
)
explain_refusals(api)
api.add_router("", columns)

BYTES = {
    "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}
}
DIGEST = re.compile(r"sha-256=:([A-Za-z0-9+/]{43}=):")


def _header(
    name: str, description: str, *, required: bool, kind: str = "integer"
) -> dict[str, Any]:
    return {
        "in": "header",
        "name": name,
        "required": required,
        "schema": {"type": kind},
        "description": description,
    }


REPR_DIGEST = _header(
    "Repr-Digest",
    gettext_noop(
        "« sha-256=:…: » (RFC 9530, base64) : le fichier est refusé si ce n’est pas le même."
    ),
    required=False,
    kind="string",
)
UPLOAD_OFFSET = _header(
    "Upload-Offset", gettext_noop("L’octet où commence cette partie."), required=True
)
UPLOAD_LENGTH = _header("Upload-Length", gettext_noop("La taille du fichier."), required=True)


class Place(Schema):
    """What a file is about."""

    breach: str = Field(description=gettext_noop("Le nom court de la violation."))
    operator: list[str] = Field(
        default_factory=list,
        description=gettext_noop(
            "Le code d’un opérateur, répété s’il y en a plusieurs ; à défaut, tous ceux de la"
            " violation auxquels l’organisme est rattaché."
        ),
    )
    population: str = Field("insured_people", description=gettext_noop("Le code de la population."))
    effect: ListEffect = Field(
        ListEffect.ADD,
        description=gettext_noop(
            "Ce que fera la liste, une fois acceptée. add : ajouter des personnes ou corriger des"
            " contacts ; replace : remplacer la liste précédente ; withdraw : retirer des"
            " personnes listées à tort."
        ),
    )
    corrects: int | None = Field(
        None,
        description=gettext_noop(
            "Le numéro de la liste acceptée dont ce fichier apporte, corrigées, les lignes"
            " rejetées."
        ),
    )


@api.post(
    "/lists",
    url_name="lists",
    summary=gettext_noop("Envoyer une liste en une fois"),
    description=gettext_noop(
        "Le corps est le fichier lui-même (CSV, XLSX, XLS ou ODS, au besoin dans un .gz ou un"
        " .zip), avec Content-Length. Il est scellé pendant qu’il arrive ; un envoi coupé ne laisse"
        " rien. Le même fichier envoyé deux fois est refusé à la lecture. Pour un gros fichier,"
        " préférez l’envoi en parties."
    ),
    response={201: ListOut, **refusals(400, 404, 411, 413, 415, 422)},
    openapi_extra={"parameters": [REPR_DIGEST], "requestBody": {"required": True, **BYTES}},
)
def send_list(request: HttpRequest, response: HttpResponse, place: Query[Place]) -> Status[ListOut]:
    token = token_of(request)
    require_scope(token, TokenScope.LISTS_WRITE)
    if (request.content_type or "").startswith(("multipart/", "application/x-www-form-urlencoded")):
        raise UploadRefused(UploadProblem.WRONG_KIND)
    size = body_length(request)
    upload = start_upload(
        announced=_announced(request, token, place, size), author=token, now=timezone.now()
    )
    made = None
    try:
        made = append(upload=upload, part=Part(0, size, request.read), clock=timezone.now)
    finally:
        if made is None:
            _give_up(upload)
    assert made is not None
    enqueue(ingest_list, list_id=made.pk)
    response.headers["Location"] = reverse("api:list", args=[made.pk])
    with rows_of(token):
        return Status(201, list_out(made, request))


@api.get(
    "/lists/{int:list_id}",
    url_name="list",
    summary=gettext_noop("Suivre une liste"),
    description=gettext_noop("L’état de la liste et ses nombres. Demandez toutes les 10 secondes."),
    response={200: ListOut, **refusals(404)},
)
def read_list(request: HttpRequest, list_id: int) -> ListOut:
    token = token_of(request)
    require_scope(token, TokenScope.LISTS_READ)
    with rows_of(token):
        return list_out(list_of(token, list_id), request)


@api.get(
    "/lists/{int:list_id}/problems.csv",
    url_name="problems",
    summary=gettext_noop("Télécharger les problèmes d’une liste"),
    description=gettext_noop(
        "Un CSV (point-virgule, UTF-8) : ligne, colonne, gravité, problème, que faire. Jamais une"
        " valeur du fichier."
    ),
    response=refusals(404),
    openapi_extra={
        "responses": {200: {"description": "OK", "content": {"text/csv": {"schema": {}}}}}
    },
)
def read_problems(request: HttpRequest, list_id: int) -> HttpResponseBase:
    token = token_of(request)
    require_scope(token, TokenScope.LISTS_READ)
    with rows_of(token):
        found = list_of(token, list_id)
    lines = _error_file(token, translation.get_language(), found)
    return StreamingHttpResponse(lines, content_type="text/csv; charset=utf-8")


@api.post(
    "/uploads",
    url_name="uploads",
    summary=gettext_noop("Commencer un envoi en parties"),
    description=gettext_noop(
        "Ouvre un envoi que l’on reprend après une coupure, avec les en-têtes de tus 1.0 et du"
        " projet « Resumable Uploads for HTTP » de l’IETF : les clients de tus conviennent."
        " L’adresse de l’envoi est dans Location ; il attend 24 heures entre deux parties."
    ),
    response={201: UploadOut, **refusals(404, 413, 422)},
    openapi_extra={"parameters": [UPLOAD_LENGTH, REPR_DIGEST]},
)
def start(request: HttpRequest, response: HttpResponse, place: Query[Place]) -> Status[UploadOut]:
    token = token_of(request)
    require_scope(token, TokenScope.LISTS_WRITE)
    size = request.headers.get("Upload-Length", "")
    if not (size.isascii() and size.isdigit()):
        raise ApiRefused(
            422,
            _("La taille du fichier manque ou n’est pas un nombre."),
            _("Donnez l’en-tête Upload-Length."),
        )
    upload = start_upload(
        announced=_announced(request, token, place, int(size)), author=token, now=timezone.now()
    )
    address = reverse("api:upload", args=[upload.pk])
    response.headers["Location"] = request.build_absolute_uri(address)
    say_where(response, upload)
    return Status(201, upload_out(upload, None, request))


@api.api_operation(
    ["GET", "HEAD"],
    "/uploads/{uuid:upload_id}",
    url_name="upload",
    summary=gettext_noop("Demander où en est un envoi"),
    description=gettext_noop("Upload-Offset dit où commence la partie suivante."),
    response={200: UploadOut, **refusals(404)},
)
def read_upload(request: HttpRequest, response: HttpResponse, upload_id: UUID) -> UploadOut:
    upload = _upload(request, upload_id)
    say_where(response, upload)
    with rows_of(token_of(request)):
        return upload_out(upload, made_list(upload), request)


@api.patch(
    "/uploads/{uuid:upload_id}",
    url_name="upload",
    summary=gettext_noop("Envoyer une partie"),
    description=gettext_noop(
        "Ajoute le corps à partir de Upload-Offset. Le portail garde des morceaux entiers de"
        " 1048576 octets, et la fin du fichier : lisez Upload-Offset dans la réponse pour continuer"
        " de là. La dernière partie fait la liste, dont l’adresse est dans Content-Location. Si"
        " deux parties arrivent à la fois, l’une reçoit 409."
    ),
    response={204: None, **refusals(400, 404, 409, 410, 411, 415, 422)},
    openapi_extra={"parameters": [UPLOAD_OFFSET], "requestBody": {"required": True, **BYTES}},
)
def append_part(request: HttpRequest, upload_id: UUID) -> HttpResponseBase:
    upload = _upload(request, upload_id)
    made = append(upload=upload, part=part_of(request), clock=timezone.now)
    response = HttpResponse(status=204)
    if made is not None:
        enqueue(ingest_list, list_id=made.pk)
        response.headers["Content-Location"] = reverse("api:list", args=[made.pk])
    return say_where(response, upload)


@api.delete(
    "/uploads/{uuid:upload_id}",
    url_name="upload",
    summary=gettext_noop("Annuler un envoi"),
    description=gettext_noop("Ce qui est arrivé est effacé."),
    response={204: None, **refusals(404, 409, 410)},
)
def cancel(request: HttpRequest, upload_id: UUID) -> Status[None]:
    cancel_upload(upload=_upload(request, upload_id), now=timezone.now())
    return Status(204, None)


def _announced(request: HttpRequest, token: ApiToken, place: Place, size: int) -> Announced:
    breach = get_object_or_404(Breach, slug=place.breach)
    operators = operators_for(breach=breach, insurer=token.insurer)
    if place.operator:
        operators = list(Operator.objects.filter(code__in=place.operator))
        if len(operators) != len(set(place.operator)):
            raise Http404
    return Announced(
        breach=breach,
        insurer=token.insurer,
        operators=operators,
        population=get_object_or_404(Population, code=place.population),
        effect=place.effect,
        corrects=_to_correct(token, breach, place.corrects),
        size_bytes=size,
        expected_sha256=_expected_sha256(request),
    )


def _to_correct(token: ApiToken, breach: Breach, number: int | None) -> AffectedList | None:
    if number is None:
        return None
    with rows_of(token):
        lists = correctable_lists(breach=breach, insurer=token.insurer)
        if found := lists.filter(pk=number).first():
            return found
    raise ApiRefused(
        422,
        _("« corrects » n’est pas le numéro d’une liste acceptée qui a des lignes rejetées."),
        _("Donnez celui d’une liste de votre organisme et de cette violation, ou aucun."),
    )


def _expected_sha256(request: HttpRequest) -> bytes | None:
    said = request.headers.get("Repr-Digest")
    if said is None:
        return None
    try:
        match = DIGEST.search(said)
        return base64.b64decode(match[1] if match else "?", validate=True)
    except binascii.Error as error:
        raise ApiRefused(
            422,
            _("L’en-tête Repr-Digest n’est pas lisible."),
            _("Écrivez-le « sha-256=:…: », l’empreinte en base64 (RFC 9530)."),
        ) from error


def _give_up(upload: Upload) -> None:
    """Leave nothing of a file that was to come at once and did not."""
    with suppress(UploadRefused):  # It may be closed already: the disk was full.
        cancel_upload(upload=upload, now=timezone.now())


def _upload(request: HttpRequest, upload_id: UUID) -> Upload:
    """Return an upload that this token began; others' do not exist."""
    token = token_of(request)
    require_scope(token, TokenScope.LISTS_WRITE)
    with rows_of(token):
        return get_object_or_404(Upload, pk=upload_id, token=token)


def _error_file(token: ApiToken, language: str, found: AffectedList) -> Iterator[str]:
    with translation.override(language), rows_of(token):
        yield from error_file(found)
