"""Which version of the directory the public pages show, known without making a page.

A page that shows the directory and nothing else has not changed while neither the directory nor
the software has: whoever holds that version is told so (304) before anything is read or rendered.
"""

import hashlib
import math
import threading
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Generic, TypeVar

from django.apps import apps
from django.conf import settings
from django.db import InterfaceError, OperationalError, connection
from django.http import HttpRequest

from insurers.models import directory
from notifications.models import EvidenceKey, PublishedStatement

CHECK_EVERY = 1.0  # seconds
SOFTWARE = ("audit", "insurers", "notifications", "lookup", "breachportal", "templates", "locale")
ENDINGS = {".py", ".html", ".txt", ".mo"}

T = TypeVar("T")

_known: str | None = None
_checked_at = -math.inf
_asking = threading.Lock()


def page_etag(request: HttpRequest, *_args: object, **_kwargs: object) -> str | None:
    """Return the entity tag of a page of the directory, the same for all of them.

    None where the page also shows what was typed, or while the database never answered yet.
    """
    return None if request.GET.get("q") else directory_tag()


def directory_tag() -> str | None:
    """Return the entity tag of the directory and the software; None as `page_etag` says."""
    version = directory_version()
    return version and f'"{version}-{_software()}"'


def directory_version() -> str | None:
    """Return the version of the directory as it was at most `CHECK_EVERY` seconds ago.

    It never comes twice, also where a change is taken back. With PostgreSQL down, the last one
    known stands; None where there never was one.
    """
    global _known, _checked_at
    is_due = time.monotonic() - _checked_at >= CHECK_EVERY
    # While another thread asks, the last answer does.
    if is_due and _asking.acquire(blocking=_known is None):
        try:
            _checked_at = time.monotonic()
            _known = _read_version()
        except (OperationalError, InterfaceError):
            pass
        finally:
            _asking.release()
    return _known


class Kept(Generic[T]):
    """What is read of the directory once for each version of it."""

    def __init__(self, read: Callable[[], T]) -> None:
        self._read = read
        self._kept: tuple[str | None, T] | None = None
        self._turn = threading.Lock()

    def __call__(self) -> T:
        """Return it as of `directory_version()`; with PostgreSQL down, as it was last read.

        Raises OperationalError or InterfaceError if it could never be read.
        """
        version = directory_version()
        if self._kept is None or self._kept[0] != version:
            with self._turn:
                self._read_again(version)
        assert self._kept is not None
        return self._kept[1]

    def _read_again(self, version: str | None) -> None:
        if self._kept is not None and self._kept[0] == version:
            return  # Another thread did.
        try:
            self._kept = (version, self._read())
        except (OperationalError, InterfaceError):
            if self._kept is None:
                raise


def _read_version() -> str:
    with connection.cursor() as cursor:
        cursor.execute(_version_query())
        return str(cursor.fetchone()[0])


@cache
def _version_query() -> str:
    """Digest where each row stands and who wrote it last: reads no content, sees every change."""
    rows = [
        f"(SELECT string_agg(concat(ctid, xmin), ',' ORDER BY ctid) FROM {table})"
        for table in sorted(_directory_tables())
    ]
    said = (
        "(SELECT string_agg(concat_ws(' ', id, number, published_at), ',' ORDER BY id)"
        f" FROM {PublishedStatement._meta.db_table})"
    )
    return f"SELECT md5(concat_ws('/', {', '.join([*rows, said])}))"


def _directory_tables() -> set[str]:
    """Return the tables of the directory, those of many-to-many relations included.

    And that of the keys that evidence is signed with: the legal page shows them.
    """
    models = apps.get_app_config("insurers").get_models(include_auto_created=True)
    own = {one._meta.db_table for one in models if one.__module__ == directory.__name__}
    return own | {EvidenceKey._meta.db_table}


@cache
def _software() -> str:
    """Digest what else makes a page: code, templates, texts, static files, this installation."""
    base = Path(settings.BASE_DIR)
    files = [path for folder in SOFTWARE for path in base.joinpath(folder).rglob("*")]
    files = [path for path in files if path.suffix in ENDINGS]
    files.append(Path(settings.STATIC_ROOT) / "staticfiles.json")
    digest = hashlib.sha256(repr((settings.PORTAL_URL, settings.PORTAL_OPERATOR)).encode())
    for path in sorted(files):
        if path.is_file():
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]
