"""The columns of a list, for programs: see how they are read, say which is which."""

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop
from ninja import Router, Status

from insurers.api.answers import ApiRefused, token_of
from insurers.api.reach import list_of, rows_of
from insurers.api.schemas import ColumnsIn, ColumnsOut, ListOut, columns_out, list_out, refusals
from insurers.api.tokens import require_scope
from insurers.lists.columns import NoSuchColumnError, choose_columns
from insurers.lists.headers import ColumnsUnclearError
from insurers.lists.problems import Field, column_name
from insurers.lists.states import WrongStateError
from insurers.models import TokenScope
from insurers.queueing import enqueue
from insurers.tasks import ingest_list

router = Router()


@router.get(
    "/lists/{int:list_id}/columns",
    url_name="columns",
    summary=gettext_noop("Voir les colonnes d’une liste"),
    description=gettext_noop(
        "Les intitulés, ce que le portail en lit, et la forme des premières valeurs, jamais les"
        " valeurs. Un intitulé qui pourrait être une valeur est masqué. Dans l’état « columns », la"
        " lecture attend que les colonnes soient indiquées."
    ),
    response={200: ColumnsOut, **refusals(404)},
)
def read_columns(request: HttpRequest, list_id: int) -> ColumnsOut:
    token = token_of(request)
    require_scope(token, TokenScope.LISTS_WRITE)  # Shapes are for those who prepare lists.
    with rows_of(token):
        return columns_out(list_of(token, list_id))


@router.put(
    "/lists/{int:list_id}/columns",
    url_name="columns",
    summary=gettext_noop("Indiquer les colonnes d’une liste"),
    description=gettext_noop(
        "Dans l’état « columns », ou « review » si une colonne a été prise pour une autre. Le"
        " fichier est lu de nouveau avec ces colonnes, et elles seules ; les intitulés non masqués"
        " sont retenus pour les prochains fichiers de l’organisme."
    ),
    response={200: ListOut, **refusals(400, 404, 409, 422)},
)
def write_columns(
    request: HttpRequest, response: HttpResponse, list_id: int, said: ColumnsIn
) -> Status[ListOut]:
    token = token_of(request)
    require_scope(token, TokenScope.LISTS_WRITE)
    try:
        with rows_of(token):
            found = list_of(token, list_id)
            choose_columns(
                affected_list=found,
                columns=_by_place(said),
                chosen_by=None,
                chosen_with=token,
                now=timezone.now(),
            )
            enqueue(ingest_list, list_id=found.pk)
            answer = list_out(found, request)
    except ColumnsUnclearError as unclear:
        raise _unclear(unclear) from None
    except NoSuchColumnError:
        raise ApiRefused(
            422,
            _("Un numéro de colonne n’est pas dans le fichier, ou sa colonne est vide."),
            _("Demandez les colonnes de la liste, puis donnez leurs numéros."),
        ) from None
    except WrongStateError:
        raise ApiRefused(
            409,
            _("Cette liste n’attend plus que ses colonnes soient indiquées."),
            _("Suivez la liste : son état dit où elle en est."),
        ) from None
    response.headers["Content-Location"] = reverse("api:list", args=[found.pk])
    return Status(200, answer)


def _by_place(said: ColumnsIn) -> dict[int, Field]:
    """Return the field of each place (from 0), or raise ApiRefused where one is given twice."""
    numbers = said.numbers()
    by_place = {number - 1: field for field, number in numbers.items()}
    if len(by_place) < len(numbers):
        raise ApiRefused(
            422,
            _("Une même colonne est donnée pour plusieurs données."),
            _("Donnez à chaque donnée une colonne à elle."),
        )
    return by_place


def _unclear(unclear: ColumnsUnclearError) -> ApiRefused:
    names = ", ".join(column_name(code) for code in unclear.missing)
    return ApiRefused(
        422,
        _("Il manque, parmi les colonnes indiquées : %(names)s.") % {"names": names},
        _("Donnez aussi le numéro de ces colonnes."),
    )
