"""Settings read from the environment; a secret may come from a file named by NAME_FILE."""

import os
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured, ValidationError
from psycopg.conninfo import conninfo_to_dict

from notifications.senders.names import check_sender_name


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


def sms_account(*, with_secrets: bool) -> dict[str, Any]:
    """Return what `notifications/channels/sms_account.py` needs; {} where no SMS is sent.

    The web process is told who sends, and none of the secrets (docs/production.md, « SMS »).
    """
    provider = read("SMS_PROVIDER", "folder" if read("SMS_OUTBOX_DIR", "") else "")
    if not provider:
        return {}
    if provider not in {"folder", "smpp", "ovh"}:
        raise ImproperlyConfigured("SMS_PROVIDER is folder, smpp or ovh.")
    account: dict[str, Any] = {"provider": provider, "sender": sms_sender()}
    if provider == "folder" or not with_secrets:
        return account
    account |= {"username": read("SMS_USERNAME"), "password": read("SMS_PASSWORD")}
    if provider == "ovh":
        account |= {"host": read("SMS_HOST", "eu.api.ovh.com"), "port": 443}
        return account | {
            "consumer_key": read("SMS_CONSUMER_KEY"),
            "service": read("SMS_SERVICE"),
        }
    return account | {
        "host": read("SMS_HOST"),
        "port": int(read("SMS_PORT", "3550")),
        "uses_tls": read("SMS_TLS", "1") == "1",
        "window": int(read("SMS_WINDOW", "1")),
        "connections": int(read("SMS_CONNECTIONS", "1")),
        "uses_payload": read("SMS_LONG_MESSAGES", "parts") == "payload",
        "receipt_ids": read("SMS_RECEIPT_IDS", "same"),
    }


def sms_sender() -> str:
    """Return SMS_SENDER, which an insurer without a name of its own sends by."""
    name = read("SMS_SENDER", "Portail")
    try:
        check_sender_name(name)
    except ValidationError as error:
        raise ImproperlyConfigured(
            "SMS_SENDER has 1 to 11 letters or digits, and not digits only."
        ) from error
    return name


def words(name: str, default: str) -> list[str]:
    """Return the comma-separated values of `name`."""
    return [word.strip() for word in read(name, default).split(",") if word.strip()]


def dns_servers(name: str) -> list[tuple[str, int]]:
    """Return the addresses and ports of `name`: `9.9.9.9, 127.0.0.1:5353, [2620:fe::fe]:53`.

    Raises ImproperlyConfigured for anything but addresses.
    """
    try:
        parts = [urlsplit(f"dns://{word}") for word in words(name, "")]
        return [(str(ip_address(part.hostname or "")), part.port or 53) for part in parts]
    except ValueError as error:
        raise ImproperlyConfigured(
            f"{name} holds addresses, with a port where it is not 53; IPv6 ones in brackets."
        ) from error


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
