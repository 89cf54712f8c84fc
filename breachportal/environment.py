"""Settings read from the environment; a secret may come from a file named by NAME_FILE."""

import os
from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from psycopg.conninfo import conninfo_to_dict


def read(name: str, default: str | None = None) -> str:
    """Return the value of `name`, or of the file named by `name_FILE`.

    Raises ImproperlyConfigured when neither is set and there is no default.
    """
    if path := os.environ.get(f"{name}_FILE"):
        try:
            return Path(path).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise ImproperlyConfigured(
                f"{name}_FILE names a file that cannot be read ({error.strerror})."
            ) from error
    value = os.environ.get(name, default)
    if value is None or (value == "" and default is None):
        raise ImproperlyConfigured(
            f"{name} is not set. Set {name}, or {name}_FILE to a file that holds it "
            "(README.md, section Configuration)."
        )
    return value


def flag(name: str) -> bool:
    """Return whether `name` is 1, true, yes or on."""
    return read(name, "").lower() in {"1", "true", "yes", "on"}


def words(name: str, default: str) -> list[str]:
    """Return the comma-separated values of `name`."""
    return [word.strip() for word in read(name, default).split(",") if word.strip()]


def database(url: str) -> dict[str, Any]:
    """Return Django's database settings for a libpq URL (sockets included)."""
    parts = conninfo_to_dict(url)
    known = {
        "dbname": "NAME",
        "user": "USER",
        "password": "PASSWORD",
        "host": "HOST",
        "port": "PORT",
    }
    config: dict[str, Any] = {"ENGINE": "django.db.backends.postgresql"}
    config |= {known[key]: str(value) for key, value in parts.items() if key in known}
    config["OPTIONS"] = {key: value for key, value in parts.items() if key not in known}
    return config


def broker(redis_url: str) -> str:
    """Return kombu's form of a redis-py URL (they differ for Unix sockets)."""
    if not redis_url.startswith("unix://"):
        return redis_url
    path, _, query = redis_url.removeprefix("unix://").partition("?")
    return f"redis+socket://{path}?virtual_host={query.removeprefix('db=') or '0'}"
