"""Files that the tests upload, and the shortest way from one to a list."""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime

import psycopg
from django.db import connection

from insurers.lists.acceptance import accept
from insurers.lists.ingestion import ingest_list, register_list
from insurers.lists.locks import LIST_CLASS
from insurers.lists.uploads import ChunkWriter
from insurers.models import AffectedList, AffectedMember, Insurer, ListEffect, Operator
from tests import cast
from tests.conftest import as_role

HEADER = "N° adhérent;Né(e) le;Nom;Prénom;Courriel;Portable"
LISE = "A00123;31/12/1980;Marin;Lise;lise@courrier.example.fr;06 39 98 00 01"
OMAR = "A00124;1979-05-06;Belair;Omar;omar@courrier.example.fr;"


def csv_file(*rows: str, header: str = HEADER) -> bytes:
    return "\r\n".join((header, *rows, "")).encode()


def received(
    content: bytes | Iterable[bytes],
    *,
    place: Insurer | None = None,
    operators: Iterable[Operator] | None = None,
    effect: ListEffect = ListEffect.ADD,
    now: datetime = cast.NOW,
) -> AffectedList:
    """Seal a file, or its pieces, and register it as a list of the Phare's."""
    writer = ChunkWriter()
    for piece in (content,) if isinstance(content, bytes) else content:
        writer.write(piece)
    place = place or cast.phare()
    return register_list(
        breach=cast.breach(),
        insurer=place,
        operators=operators or [cast.operator()],
        population=cast.insured_people(),
        upload=writer.close(),
        uploaded_by=None,
        effect=effect,
        now=now,
    )


def read(content: bytes, **kwargs: object) -> AffectedList:
    """Take a file through its reading, as a worker does."""
    affected_list = received(content, **kwargs)  # type: ignore[arg-type]
    with as_role("worker"):
        ingest_list(list_id=affected_list.pk, now=cast.NOW)
    affected_list.refresh_from_db()
    return affected_list


def accepted(content: bytes, **kwargs: object) -> AffectedList:
    """Take a file all the way to an accepted list."""
    affected_list = read(content, **kwargs)
    with as_role("worker"):
        accept(affected_list=affected_list, decided_by=None, now=cast.NOW)
    return affected_list


def members_of(affected_list: AffectedList) -> list[AffectedMember]:
    return list(AffectedMember.objects.filter(list_id=affected_list.pk).order_by("ordinal"))


def table_exists(list_id: int) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass(%s) IS NOT NULL", [f"members.list_{list_id}"])
        return bool(cursor.fetchone() == (True,))


@contextmanager
def other_worker_holding(number: int, *, lock_class: int = LIST_CLASS) -> Iterator[None]:
    """Hold a list's (or a block's) lock as a worker on another connection would."""
    database = connection.settings_dict["NAME"]
    host = os.environ["PORTAL_TEST_FOLDER"]
    with psycopg.connect(host=host, user="breachportal_worker", dbname=database) as other:
        other.execute("SELECT pg_advisory_lock(%s, %s)", [lock_class, number])
        yield
