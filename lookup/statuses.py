"""The answers of the public pages, strongest first (docs: design of the directory)."""

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _


class AnswerStatus(TextChoices):
    """Members are in order of strength: the first that applies is the answer."""

    CONCERNED = "concerned", _("concerné")
    PARTLY = "partly", _("concerné en partie")
    LIKELY = "likely", _("très probablement concerné")
    NOT_CONCERNED = "not_concerned", _("se déclare non concerné")
    UNKNOWN = "unknown", _("réponse inconnue")
