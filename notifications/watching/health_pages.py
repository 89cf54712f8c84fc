"""`/sante/worker`, `/sante/reply` and `/sante/beat` beside Prometheus's page, on its listener."""

import logging
from collections.abc import Iterable
from http import HTTPStatus
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from django.db import Error, connection
from django.utils import timezone

from notifications.watching.heartbeats import PROCESSES, SILENCE, silence_of

logger = logging.getLogger(__name__)

PREFIX = "/sante/"


def with_health(others: WSGIApplication) -> WSGIApplication:
    """Return an application that answers for each kind of process; `others` has all else.

    200 where it lives, 503 after a minute of silence or where PostgreSQL does not answer, 404 for
    a kind that there is not.
    """

    def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "").rstrip("/") + "/"
        if not path.startswith(PREFIX):
            return others(environ, start_response)
        status, text = _health(path.removeprefix(PREFIX).removesuffix("/"))
        headers = [("Content-Type", "text/plain; charset=utf-8"), ("Cache-Control", "no-store")]
        start_response(f"{status.value} {status.phrase}", headers)
        return [f"{text}\n".encode()]

    return application


def _health(process: str) -> tuple[HTTPStatus, str]:
    if process not in PROCESSES:
        return HTTPStatus.NOT_FOUND, " ".join(PROCESSES)
    try:
        silence = silence_of(process=process, now=timezone.now())
    except Error:
        logger.error("health: PostgreSQL does not answer")
        return HTTPStatus.SERVICE_UNAVAILABLE, "indisponible"
    finally:
        if not connection.in_atomic_block:
            connection.close()  # Each request has a thread of its own.
    if silence is None:
        return HTTPStatus.SERVICE_UNAVAILABLE, "jamais vu"
    if silence > SILENCE:
        return HTTPStatus.SERVICE_UNAVAILABLE, f"silence {int(silence.total_seconds())} s"
    return HTTPStatus.OK, "ok"
