"""Every fault of the table, really done to real workers: nobody lost, nobody told twice.

One hundredth of the size here; `make test-faults` runs all of it and prints the table.
"""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_django.plugin import DjangoDbBlocker

from notifications.sending.doubts import DoubtPolicy
from tests.faults.own_servers import OwnServers
from tests.faults.sending.faults import FAULTS, Fault
from tests.faults.sending.mail_server import MailServer
from tests.faults.sending.report import report
from tests.faults.sending.run import Run
from tests.faults.sending.size import FULL, IS_SMALL, MESSAGES
from tests.faults.sending.workers import WORKERS, Works
from tests.faults.stack import own_database
from tests.notifications.story import accepted_list, approved, member

PACE = 0.01 if IS_SMALL else 0.0  # seconds a message: or a small campaign would be over too soon


@pytest.fixture(scope="module")
def works(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[Works]:
    name = f"sending_{os.getpid()}"
    servers = OwnServers()
    try:
        with (
            tempfile.TemporaryDirectory() as folder,
            MailServer(WORKERS).serving() as mail,
            django_db_blocker.unblock(),
            own_database(name, Path(folder), servers=servers.folder),
        ):
            mail.pace = PACE
            works = Works(Path(folder), name=name, servers=servers, mail=mail)
            try:
                works.start()
                yield works
            finally:
                works.stop()
    finally:
        servers.end()


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name.replace(" ", "-"))
def test_nobody_is_lost_or_told_twice(works: Works, fault: Fault) -> None:
    count, place = max(MESSAGES // fault.part, fault.least), FAULTS.index(fault)
    rows = [member(place * FULL + n, email=f"p{n}@f{place}.example.fr") for n in range(count)]
    found = accepted_list(rows)
    fault.prepare(works)
    works.mail.refused.clear()
    run = Run(works, approved(found, in_doubt=fault.in_doubt), count=count, is_small=IS_SMALL)
    fault.strike(run)
    run.finish()
    row = run.judge(fault.name)
    report(row)
    assert (row.lost, row.duplicates) == (0, 0)
    if fault.in_doubt == DoubtPolicy.FLAG:
        assert row.sent_again == 0
