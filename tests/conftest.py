"""One database per test process, and clients that see what the web role sees."""

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import psycopg
import pytest
from django.conf import settings
from django.contrib import admin
from django.db import connection, connections, transaction
from django.test import Client, override_settings
from psycopg import sql
from pytest_django.plugin import DjangoDbBlocker

from lookup import versions
from tests import cast
from tests.servers import TEMPLATE

# As a web process does at its start: a worker, which the tests run as, has no administration.
admin.autodiscover()


@pytest.fixture(scope="session")
def django_db_setup(django_db_blocker: DjangoDbBlocker) -> None:
    """Copy the migrated template for this process."""
    name = f"portal_{os.environ.get('PYTEST_XDIST_WORKER', 'main')}"
    socket = os.environ["PORTAL_TEST_FOLDER"]
    with psycopg.connect(host=socket, user="postgres", dbname="postgres", autocommit=True) as admin:
        admin.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {} OWNER breachportal_owner").format(
                sql.Identifier(name), sql.Identifier(TEMPLATE)
            )
        )
    connections["default"].settings_dict["NAME"] = name
    settings.DATABASES["default"]["NAME"] = name
    # Keys are named after rows: databases must not share a store.
    settings.KEY_STORE_DIR = settings.KEY_STORE_DIR / name


@pytest.fixture(scope="session", autouse=True)
def _quick_settings() -> Iterator[None]:
    storages = settings.STORAGES | {
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    }
    cheap = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # Argon2id is slow by design.
    with override_settings(STORAGES=storages, PASSWORD_HASHERS=cheap):
        yield


Writing = Callable[[], AbstractContextManager[None]]


@pytest.fixture(scope="module")
def beginning(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[Writing]:
    """What is written in `with beginning():` is there for every test of the file, as it was.

    It stands in a transaction that ends with the file; each test has its own inside, which is
    undone. Nothing of it is committed: no other connection sees it.
    """
    outside = transaction.atomic()

    @contextmanager
    def writing() -> Iterator[None]:
        with django_db_blocker.unblock():
            yield
            connection.check_constraints()

    with django_db_blocker.unblock():
        outside.__enter__()
    yield writing
    with django_db_blocker.unblock():
        transaction.set_rollback(True)
        outside.__exit__(None, None, None)


@pytest.fixture(autouse=True)
def _fresh_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have public pages ask for the directory's version each time, starting from nothing."""
    monkeypatch.setattr(versions, "CHECK_EVERY", 0)
    monkeypatch.setattr(versions, "_known", None)


@contextmanager
def as_role(role: str) -> Iterator[None]:
    """Run a block with the rights of the web, worker or owner role."""
    with connection.cursor() as cursor:
        cursor.execute(f"SET ROLE breachportal_{role}")
    try:
        yield
    finally:
        if connection.is_usable():
            with connection.cursor() as cursor:
                cursor.execute("RESET ROLE")


class WebClient(Client):
    """A test client whose requests run with the rights of the web role."""

    def request(self, **request: Any) -> Any:
        with as_role("web"):
            return super().request(**request)


@pytest.fixture
def client() -> WebClient:
    return WebClient()


@pytest.fixture
def paule(client: WebClient) -> Client:
    """The preparer's browser, signed in."""
    return cast.sign_in(client, cast.paule())


@pytest.fixture(scope="module")
def standing_cast(beginning: Writing) -> None:
    """The Phare and the people who act for it, made once for a file instead of at each test."""
    with beginning():
        cast.paule()
        cast.armand()
        cast.insured_people()
