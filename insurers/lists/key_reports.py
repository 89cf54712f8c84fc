"""What running workers can open: a rotation starts only once all of them have the new key.

Every worker writes a row every few seconds. A worker that answers on the broker and writes
none (an older release, a database it cannot reach) holds a rotation up just as one that lacks
the key; a row of a worker that is gone expires.
"""

import logging
import os
import threading
from datetime import datetime, timedelta

from celery import current_app
from django.db import DatabaseError, connection
from django.utils import timezone

from insurers.lists.fingerprint_keys import breach_key_name, open_key
from insurers.lists.keystore import (
    KeyNotFoundError,
    StoreUnreachableError,
    WrongKeyError,
)
from insurers.models import FingerprintKey, KeyReport

EVERY_SECONDS = 5.0
EXPIRES = timedelta(seconds=30)
ANSWER_SECONDS = 2.0
logger = logging.getLogger(__name__)


def report_keys(*, worker: str, now: datetime) -> None:
    """Say which versions of breaches' keys this process can open."""
    names = [
        name
        for breach_id, version, proof in FingerprintKey.objects.filter(
            destroyed_at=None
        ).values_list("breach_id", "version", "proof")
        if _opens(name := breach_key_name(breach_id, version), proof)
    ]
    KeyReport.objects.update_or_create(worker=worker, defaults={"names": names, "reported_at": now})
    KeyReport.objects.filter(reported_at__lt=now - 10 * EXPIRES).delete()


def workers_without(name: str, *, now: datetime) -> list[str]:
    """Return the running workers that have not said that they can open this key."""
    fresh = KeyReport.objects.filter(reported_at__gte=now - EXPIRES)
    reports: dict[str, list[list[str]]] = {}
    for report in fresh:
        reports.setdefault(_node(report.worker), []).append(report.names)
    running = set(reports) | answering_workers()
    return sorted(
        node
        for node in running
        if node not in reports or not all(name in names for names in reports[node])
    )


def answering_workers() -> set[str]:
    """Return the workers that answer on the broker; raises its errors where it is down."""
    answers = current_app.control.ping(timeout=ANSWER_SECONDS) or []
    return {node for answer in answers for node in answer}


class Reporter(threading.Thread):
    """Reports for as long as the worker runs, by a connection opened for each report.

    None is kept, so that no process forked from the worker ever holds one.
    """

    def __init__(self, node: str) -> None:
        super().__init__(name="key-reports", daemon=True)
        self._worker = f"{node} {os.getpid()}"
        self._stopped = threading.Event()

    def run(self) -> None:
        while not self._stopped.wait(EVERY_SECONDS):
            self.report()

    def report(self) -> None:
        """Report once."""
        try:
            report_keys(worker=self._worker, now=timezone.now())
        except (DatabaseError, StoreUnreachableError):
            logger.warning("this worker cannot report its keys; it tries again")
        finally:
            connection.close()

    def stop(self) -> None:
        """End, and let nobody wait for this worker."""
        self._stopped.set()
        self.join(EVERY_SECONDS)
        try:
            KeyReport.objects.filter(worker=self._worker).delete()
        except DatabaseError:
            logger.warning("the last report of this worker stays until it expires")
        finally:
            connection.close()


def _node(worker: str) -> str:
    return worker.rpartition(" ")[0]


def _opens(name: str, proof: bytes | memoryview | None) -> bool:
    try:
        open_key(name, proof)
    except (KeyNotFoundError, WrongKeyError):
        return False
    return True
