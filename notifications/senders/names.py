"""The name that an SMS comes from (AF2M's rule for France)."""

import re

from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

RULE = re.compile(r"(?!\d+\Z)[A-Za-z0-9]{1,11}")


def check_sender_name(name: str) -> None:
    """Raise ValidationError unless `name` may stand as sender of an SMS in France.

    One to eleven letters or digits, unaccented, no space or punctuation, not digits only
    (a number is not allowed as a business sender; ARCEP, 2023).
    """
    if not RULE.fullmatch(name):
        raise ValidationError(
            _(
                "L’expéditeur d’un SMS a de 1 à 11 lettres sans accent ou chiffres, sans espace ni"
                " ponctuation, et pas seulement des chiffres : par exemple MutPhare."
            ),
            code="sender_name",
        )
