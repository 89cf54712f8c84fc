"""What a Celery worker does as it starts and ends: check its keys, and say which it has."""

import logging
import time
from typing import Any

from celery.signals import worker_init, worker_ready, worker_shutting_down
from django.conf import settings
from django.db import OperationalError, connection

from insurers.lists.key_check import faults_of_settings, faults_of_store
from insurers.lists.key_reports import Reporter

DATABASE_SECONDS = 60
logger = logging.getLogger(__name__)
_reporters: list[Reporter] = []


@worker_init.connect(dispatch_uid="insurers.check_keys")
def refuse_to_start_without_keys(**kwargs: Any) -> None:
    """End a worker that would fail at the first use of a key, and say which."""
    if settings.ROLE != "worker":
        return
    faults = faults_of_settings() or _faults_of_store()
    for fault in faults:
        logger.critical("%s", fault)
    if faults:
        raise SystemExit(1)


def _faults_of_store() -> list[Any]:
    """Wait for a database that comes up after its workers."""
    deadline = time.monotonic() + DATABASE_SECONDS
    while True:
        try:
            return faults_of_store()
        except OperationalError:
            if time.monotonic() > deadline:
                raise
            logger.warning("the database does not answer; the keys are checked once it does")
            time.sleep(1)
        finally:
            # Nothing that is forked from here may share a connection.
            connection.close()


@worker_ready.connect(dispatch_uid="insurers.report_keys")
def report_keys(*, sender: Any, **kwargs: Any) -> None:
    """Say now, and every few seconds, which keys this worker can open."""
    if settings.ROLE == "worker":
        reporter = Reporter(sender.hostname)
        _reporters.append(reporter)
        reporter.start()


@worker_shutting_down.connect(dispatch_uid="insurers.stop_reporting")
def stop_reporting(**kwargs: Any) -> None:
    """Leave no report of a worker that ends in order."""
    while _reporters:
        _reporters.pop().stop()
