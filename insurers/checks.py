"""System checks: the keys before every command of manage.py, the proxies before a deployment."""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register
from django.core.checks import Warning as CheckWarning
from django.utils.translation import gettext as _

from insurers.lists.key_check import faults_of_settings


@register("keys")
def check_keys_of_settings(**kwargs: Any) -> list[CheckMessage]:
    """Name the keys that cannot be right."""
    return [
        Error(f"{fault.name} : {fault.what}", hint=fault.to_do, id="insurers.E001")
        for fault in faults_of_settings()
    ]


@register(Tags.security, deploy=True)
def check_proxies(**kwargs: Any) -> list[CheckMessage]:
    """Warn that, behind a proxy that is not counted, everybody has the proxy's address."""
    if settings.ALLAUTH_TRUSTED_PROXY_COUNT:
        return []
    return [
        CheckWarning(
            _("TRUSTED_PROXY_COUNT vaut 0 : derrière un proxy, tous ont son adresse."),
            hint=_(
                "Donnez le nombre de proxys qui complètent X-Forwarded-For ; sinon les limites par"
                " réseau comptent tout le monde ensemble, ou personne. Sans proxy, 0 est juste."
            ),
            id="insurers.W001",
        )
    ]
