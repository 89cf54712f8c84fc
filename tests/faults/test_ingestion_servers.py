"""Workers, PostgreSQL or Redis killed, restarted or emptied while a list is taken in.

Each fault strikes in each phase of the same list, and what it ends as equals, row by row,
what a reading without any fault makes of the same file.
"""

import gzip
import hashlib
import io
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.forms.models import model_to_dict
from django.utils import timezone
from pytest_django.plugin import DjangoDbBlocker

from insurers.lists.acceptance import decide_to_accept
from insurers.lists.contacts import open_contacts
from insurers.lists.problems import Refusal
from insurers.lists.refusing import erase_refused, refuse_list
from insurers.lists.tables import table_name
from insurers.models import AffectedList, AffectedMember, ListReport, ListState
from tests import cast
from tests.conftest import as_role
from tests.faults.gates import PHASES, Gates
from tests.faults.own_servers import OwnServers
from tests.faults.stack import Stack, own_database
from tests.insurers.lists.files import read, received, table_exists
from tests.insurers.lists.many_rows import COUNTED, ManyRows

# The milder of two faults of a kind is for the full size, as are five million people.
FULL = pytest.mark.full
FAULTS = (
    "kill_postgres",
    pytest.param("restart_postgres", marks=FULL),
    pytest.param("flush_redis", marks=FULL),
    "kill_redis",
    "kill_worker",
)
PEOPLE = 50_000


@pytest.fixture(scope="module")
def servers() -> Iterator[OwnServers]:
    servers = OwnServers()
    try:
        yield servers
    finally:
        servers.end()


@pytest.fixture
def stack(
    tmp_path: Path,
    servers: OwnServers,
    django_db_setup: None,
    django_db_blocker: DjangoDbBlocker,
) -> Iterator[Stack]:
    name = f"ingestion_servers_{os.getpid()}"
    with (
        django_db_blocker.unblock(),
        own_database(name, tmp_path, servers=servers.folder),
    ):
        stack = Stack(tmp_path, name=name, redis_db=0, smtp_port=9, servers=servers.folder)
        servers.flush_redis()
        try:
            yield stack
        finally:
            stack.stop()


@pytest.fixture
def gates(stack: Stack, servers: OwnServers) -> Gates:
    return Gates(stack, servers=servers.folder)


def gzipped(pieces: Iterable[bytes]) -> bytes:
    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb", compresslevel=1, mtime=0) as file:
        file.writelines(pieces)
    return packed.getvalue()


def in_state(affected_list: AffectedList, *states: ListState) -> Callable[[], bool]:
    return AffectedList.objects.filter(pk=affected_list.pk, state__in=states).exists


def whole(affected_list: AffectedList) -> dict[str, Any]:
    """Return all that a reading makes: counts, report, problems and every member, opened."""
    affected_list.refresh_from_db()
    report = model_to_dict(ListReport.objects.get(affected_list=affected_list))
    problems = affected_list.problems.values_list("row", "column", "code", "severity")
    return {
        "counts": {name: getattr(affected_list, name) for name in COUNTED},
        "report": {name: value for name, value in report.items() if name != "affected_list"},
        "problems": digest(problems.order_by("row", "column", "code")),
        "members": members(affected_list),
    }


def members(affected_list: AffectedList) -> str:
    """Return a checksum over the members, sorted by fingerprint, their contacts opened."""
    opener = open_contacts(affected_list)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT fingerprint, ordinal, name_tag, key_version, contact_flags,"
            " email_fingerprint, phone_fingerprint, contact"
            f" FROM {table_name(affected_list.pk)} ORDER BY fingerprint, ordinal"
        )
        return digest((*row, tuple(opener.open(row[1], sealed))) for *row, sealed in cursor)


def digest(rows: Iterable[object]) -> str:
    found = hashlib.sha256()
    for row in rows:
        found.update(repr(row).encode())
    return found.hexdigest()


def uninterrupted(content: bytes) -> dict[str, Any]:
    """Read a file without any fault; the list is refused, so that the file can come again."""
    affected_list = read(content)
    result = whole(affected_list)
    refuse_list(
        affected_list=affected_list,
        code=Refusal.BY_STAFF,
        decided_by=cast.paule(),
        now=cast.NOW,
    )
    with as_role("worker"):
        erase_refused(affected_list=affected_list)
    return result


def strike_in_each(
    phases: Iterable[str],
    strike: Callable[[], None],
    stack: Stack,
    gates: Gates,
    before: ExitStack,
) -> None:
    """Strike while a worker stands in each phase; the next gate closes before it goes on.

    `before` may hold the gate of the first phase already.
    """
    for phase in phases:
        if not gates.is_closed(phase):
            gate = ExitStack()
            gate.enter_context(gates.closed(phase))
            before.close()
            before = gate
        stack.sweep_until(lambda p=phase: gates.somebody_stands_before(p), what=phase)  # type: ignore[misc]
        strike()
    before.close()


@pytest.mark.parametrize("people", [PEOPLE, pytest.param(5_000_000, marks=FULL)])
@pytest.mark.parametrize("fault", FAULTS)
def test_a_list_struck_in_each_phase_ends_whole_and_exact(
    fault: str, people: int, servers: OwnServers, stack: Stack, gates: Gates
) -> None:
    strike = stack.restart_worker if fault == "kill_worker" else getattr(servers, fault)
    rows = ManyRows(people)
    content = gzipped(rows)
    expected = uninterrupted(content)
    assert expected["counts"] == rows.counts
    affected_list = received(content, now=timezone.now())  # The sweep refuses what is old.
    stack.start_worker()
    stack.patience = 60 + people / 10_000

    survey = ExitStack()
    survey.enter_context(gates.closed("preparing"))
    stack.sweep_until(in_state(affected_list, ListState.INGESTING), what="the survey")
    strike()
    strike_in_each(PHASES[:-1], strike, stack, gates, survey)
    stack.sweep_until(in_state(affected_list, ListState.REVIEW), what="the review")
    assert whole(affected_list) == expected
    decide_to_accept(affected_list=affected_list, decided_by=None, now=cast.NOW)
    assert not seen(affected_list)
    strike_in_each(PHASES[-1:], strike, stack, gates, ExitStack())
    stack.sweep_until(in_state(affected_list, ListState.ACCEPTED), what="the publication")
    assert whole(affected_list) == expected
    assert seen(affected_list) == rows.counts["members"]
    sys.stderr.write(
        f"{fault}: struck in the survey, {', '.join(PHASES)}; preparations:"
        f" {affected_list.attempt}; {rows.counts['members']} members,"
        f" checksum {expected['members'][:16]} with and without faults\n"
    )


def seen(affected_list: AffectedList) -> int:
    """Return how many members of the list a look-up could find."""
    return AffectedMember.objects.filter(list_id=affected_list.pk).count()


@pytest.mark.parametrize("faults", [["flush_redis"], ["kill_redis", "kill_postgres"]])
def test_the_clock_takes_a_stalled_list_up_within_a_minute(
    faults: list[str], servers: OwnServers, stack: Stack, gates: Gates
) -> None:
    people = ManyRows(2000)
    affected_list = received(gzipped(people), now=timezone.now())
    stack.start_beat()
    stack.start_worker()
    with gates.closed("reading"):
        stack.wait_for(lambda: gates.somebody_stands_before("reading"), what="the reading")
        stack.kill_worker()
        for fault in faults:
            getattr(servers, fault)()
        stack.start_worker()
    stack.wait_for(in_state(affected_list, ListState.REVIEW), what="the review")
    affected_list.refresh_from_db()
    assert {name: getattr(affected_list, name) for name in COUNTED} == people.counts


@pytest.mark.parametrize("phase", PHASES[:-1])
def test_a_list_that_fails_ten_times_is_refused_with_a_reason(
    phase: str, stack: Stack, gates: Gates
) -> None:
    affected_list = received(gzipped(ManyRows(2000)), now=timezone.now())
    stack.start_worker()
    refused = in_state(affected_list, ListState.REFUSED)
    failures = 0
    with gates.closed(phase):
        while not refused():
            stack.sweep_until(
                lambda: refused() or gates.somebody_stands_before(phase), what="a failure"
            )
            failures += gates.end_connections_before(phase)
    affected_list.refresh_from_db()
    assert (failures, affected_list.refusal_code) == (10, Refusal.READING_FAILED)
    stack.sweep_until(lambda: not table_exists(affected_list.pk), what="the erasure")
