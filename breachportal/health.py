"""Whether this web process can serve: yes or no, nothing else, to whoever asks."""

import logging

from django.contrib.auth.decorators import login_not_required
from django.core.cache import cache
from django.db import Error, connection
from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from redis.exceptions import RedisError

logger = logging.getLogger(__name__)


@never_cache
@login_not_required
@require_safe
def health(request: HttpRequest) -> HttpResponse:
    """Answer 200 where PostgreSQL and Redis answer, else 503; what is wrong is in the log."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except Error:
        return _out("PostgreSQL")
    try:
        cache.get("health")
    except (RedisError, OSError):
        return _out("Redis")
    return HttpResponse("ok\n", content_type="text/plain")


def _out(what: str) -> HttpResponse:
    logger.error("health: %s does not answer", what)
    return HttpResponse("indisponible\n", content_type="text/plain; charset=utf-8", status=503)
