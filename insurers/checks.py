"""System checks: the keys in the settings, before every command of manage.py."""

from typing import Any

from django.core.checks import CheckMessage, Error, register

from insurers.lists.key_check import faults_of_settings


@register("keys")
def check_keys_of_settings(**kwargs: Any) -> list[CheckMessage]:
    """Name the keys that cannot be right."""
    return [
        Error(f"{fault.name} : {fault.what}", hint=fault.to_do, id="insurers.E001")
        for fault in faults_of_settings()
    ]
