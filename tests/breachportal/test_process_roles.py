"""A process gets the database role that it is told, and the least one when it is told nothing."""

import os
import subprocess
import sys

import pytest

SHOW = "from django.conf import settings; print(settings.DATABASES['default']['USER'])"


@pytest.mark.parametrize("application", ["breachportal.wsgi", "breachportal.celery"])
def test_a_process_that_is_told_nothing_is_the_web_role(application: str) -> None:
    environment = os.environ | {
        "DATABASE_URL_WEB": "postgresql://breachportal_web@/nowhere",
        "DJANGO_SETTINGS_MODULE": "breachportal.settings",
    }
    environment.pop("PORTAL_ROLE")
    shown = subprocess.run(
        [sys.executable, "-c", f"import {application}; {SHOW}"],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert shown.stdout == "breachportal_web\n"
