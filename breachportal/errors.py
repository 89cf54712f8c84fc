"""The pages of failure: what happened, what to do, no trace."""

import sys
from smtplib import SMTPException

import kombu.exceptions
import redis.exceptions
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

DOWN = (
    OperationalError,
    InterfaceError,
    redis.exceptions.ConnectionError,
    redis.exceptions.TimeoutError,
    kombu.exceptions.OperationalError,
    SMTPException,
    ConnectionError,
    TimeoutError,
)


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer 503 with `Retry-After` when a server behind us is down, else 500."""
    if isinstance(sys.exc_info()[1], DOWN):
        response = render(request, "503.html", status=503)
        response["Retry-After"] = "30"
        return response
    return render(request, "500.html", status=500)
