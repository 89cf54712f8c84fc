"""Why a part of an upload is not taken, and what to do; shown to people and to programs."""

from django.conf import settings
from django.db import models
from django.template.defaultfilters import filesizeformat
from django.utils.translation import gettext_lazy as _

from insurers.lists.problems import Explanation


class UploadProblem(models.TextChoices):
    """What is wrong; the texts may name `{limit}`."""

    EMPTY = "empty", _("Ce fichier est vide.")
    TOO_LARGE = "too_large", _("Le fichier dépasse {limit}.")
    NO_ROOM = "no_room", _("Le portail n’a plus la place de recevoir ce fichier.")
    NOT_AFFILIATED = (
        "not_affiliated",
        _("Aucun opérateur n’est donné, ou l’organisme n’est pas rattaché à l’un d’eux."),
    )
    BREACH_CLOSED = "breach_closed", _("Le dossier de cette violation est clos.")
    LENGTH_UNKNOWN = "length_unknown", _("La requête ne dit pas combien d’octets elle apporte.")
    WRONG_KIND = "wrong_kind", _("Le corps de la requête n’est pas annoncé comme des octets.")
    OFFSET_UNKNOWN = "offset_unknown", _("La requête ne dit pas où cette partie commence.")
    WRONG_OFFSET = "wrong_offset", _("Cette partie ne commence pas où l’envoi en est.")
    OVERTAKEN = "overtaken", _("Une autre requête a repris cet envoi.")
    BEYOND_THE_END = "beyond_the_end", _("Cette partie dépasse la taille annoncée du fichier.")
    PART_TOO_SHORT = (
        "part_too_short",
        _("Cette partie a moins de 1048576 octets et n’est pas la dernière."),
    )
    INTERRUPTED = "interrupted", _("La connexion s’est coupée pendant cette partie.")
    COMPLETE = "complete", _("Cet envoi est terminé.")
    GIVEN_UP = "given_up", _("Cet envoi a été annulé, ou abandonné depuis plus de 24 heures.")


_ASK_OFFSET = _("Demandez où en est l’envoi (HEAD), puis continuez de là.")

WHAT_TO_DO: dict[UploadProblem, object] = {
    UploadProblem.EMPTY: _("Faites un nouvel export, puis envoyez-le."),
    UploadProblem.TOO_LARGE: _("Découpez-le en plusieurs fichiers."),
    UploadProblem.NO_ROOM: _("Il n’en est rien gardé. Recommencez l’envoi plus tard."),
    UploadProblem.NOT_AFFILIATED: _(
        "Donnez les opérateurs de cette violation auxquels l’organisme est rattaché."
    ),
    UploadProblem.BREACH_CLOSED: _("Écrivez à l’exploitant du portail s’il reste à informer."),
    UploadProblem.LENGTH_UNKNOWN: _("Donnez l’en-tête Content-Length."),
    UploadProblem.WRONG_KIND: _("Donnez l’en-tête Content-Type: application/octet-stream."),
    UploadProblem.OFFSET_UNKNOWN: _("Donnez l’en-tête Upload-Offset."),
    UploadProblem.WRONG_OFFSET: _ASK_OFFSET,
    UploadProblem.OVERTAKEN: _ASK_OFFSET,
    UploadProblem.BEYOND_THE_END: _("Annulez l’envoi et recommencez-le avec la bonne taille."),
    UploadProblem.PART_TOO_SHORT: _("Envoyez des parties de 1048576 octets au moins."),
    UploadProblem.INTERRUPTED: _ASK_OFFSET,
    UploadProblem.COMPLETE: _("Suivez la liste qu’il a faite."),
    UploadProblem.GIVEN_UP: _("Recommencez l’envoi du fichier."),
}


class UploadRefused(Exception):  # noqa: N818 (a refusal is an answer, not an error)
    """What was sent is not taken; `offset` is where the upload stands, where that helps."""

    def __init__(self, problem: UploadProblem, *, offset: int | None = None) -> None:
        super().__init__(problem.value)
        self.problem = problem
        self.offset = offset

    def explain(self) -> Explanation:
        """Return what is wrong and what to do, in the reader's language."""
        limit = filesizeformat(settings.UPLOAD_MAX_BYTES)
        return Explanation(
            str(self.problem.label).format(limit=limit), str(WHAT_TO_DO[self.problem])
        )
