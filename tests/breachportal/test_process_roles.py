"""A process gets the database role that it is told, the least when told nothing, and no more."""

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


@pytest.mark.parametrize("name", ["SEALING_PUBLIC_KEY", "REFERENCE_LOOKUP_KEY"])
def test_a_web_process_with_a_wrong_key_names_it_and_does_not_start(name: str) -> None:
    environment = os.environ | {
        "DATABASE_URL_WEB": "postgresql://breachportal_web@/nowhere",
        "DJANGO_SETTINGS_MODULE": "breachportal.settings",
        "PORTAL_ROLE": "web",
        name: "c2hvcnQ=",
    }
    ended = subprocess.run(
        [sys.executable, "-c", "import breachportal.wsgi"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode != 0
    assert f"ImproperlyConfigured: {name}" in ended.stderr
    assert "c2hvcnQ=" not in ended.stderr


def test_a_worker_starts_without_loading_the_pages_that_it_never_shows() -> None:
    loaded = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys; from breachportal.celery import app;"
            " app.loader.import_default_modules();"
            " print('notifications.tasks' in sys.modules, 'breachportal.urls' in sys.modules)",
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    assert loaded.stdout == "True False\n"
