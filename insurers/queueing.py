"""Queue a task once the transaction is committed; a broker that is down loses nothing."""

import logging
from functools import partial
from typing import Any

import kombu.exceptions
import redis.exceptions
from celery import Task
from django.db import transaction

logger = logging.getLogger(__name__)


def enqueue(task: "Task[Any, Any]", *, expires: float | None = None, **ids: int | str) -> None:
    """Publish a task with its ids on commit; the periodic sweeps re-issue what cannot be.

    A sweep gives `expires`, in seconds: what it queues again and again while every worker is
    busy must not pile up.
    """
    options: dict[str, Any] = {} if expires is None else {"expires": expires}
    transaction.on_commit(partial(_publish, task, ids, options))


def _publish(task: "Task[Any, Any]", ids: dict[str, int | str], options: dict[str, Any]) -> None:
    try:
        task.apply_async(kwargs=ids, retry=False, **options)
    except (kombu.exceptions.OperationalError, redis.exceptions.RedisError):
        logger.warning("broker unreachable; %s waits for the next sweep", task.name)
