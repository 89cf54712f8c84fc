"""System check before a deployment: that the trail's heads leave the database each hour."""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Tags, register
from django.core.checks import Warning as CheckWarning
from django.utils.translation import gettext as _


@register(Tags.security, deploy=True)
def check_heads_leave(**kwargs: Any) -> list[CheckMessage]:
    """Warn that a rewrite of the trail would be found by what auditors were mailed only."""
    if settings.ROLE != "worker" or settings.TRAIL_HEADS_DIR is not None:
        return []
    return [
        CheckWarning(
            _("TRAIL_HEADS_DIR manque : les têtes du journal ne partent que par courriel."),
            hint=_(
                "Donnez un dossier hors de ce serveur, où l’on ne fait qu’ajouter ; sinon une"
                " réécriture du journal entre deux courriels quotidiens ne se verrait pas."
            ),
            id="audit.W001",
        )
    ]
