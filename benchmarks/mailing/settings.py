"""A small Django project beside the portal, on the same servers, without its weight."""

import os
from typing import Any

from breachportal import environment as env

SECRET_KEY = "only for a benchmark"  # noqa: S105
USE_TZ = True
INSTALLED_APPS = ["django.contrib.contenttypes", "post_office", "benchmarks.mailing"]
DATABASES: dict[str, dict[str, Any]] = {"default": env.database(os.environ["BENCH_DATABASE"])}
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": os.environ["REDIS_URL"],
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates"}]
EMAIL_HOST = os.environ["EMAIL_HOST"]
EMAIL_PORT = int(os.environ["EMAIL_PORT"])
POST_OFFICE = {"BATCH_SIZE": int(os.environ.get("BENCH_BATCH", "1000"))}
CELERY_BROKER_URL = env.broker(os.environ["REDIS_URL"])
CELERY_TASK_DEFAULT_QUEUE = "one_by_one"
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
