"""Every address asks for sign-in, but for the ones listed here."""

from collections.abc import Iterator
from typing import Any

from django.urls import URLPattern, URLResolver, get_resolver

PUBLIC = {
    # allauth's way in and out, and links that come by mail.
    "account_inactive",
    "account_login",
    "account_logout",
    "account_reset_password",
    "account_reset_password_done",
    "account_reset_password_from_key",
    "account_reset_password_from_key_done",
    "account_signup",
    "invitation",
    "mfa_authenticate",
    # The Django admin's own, which `admin_sign_in` hides at the same address.
    "login",
    # The API: its description, and calls that present a token.
    "api-root",
    "api_docs",
    "columns",
    "list",
    "lists",
    "openapi",
    "problems",
    "upload",
    "uploads",
    # Where providers tell what became of messages, signed.
    "provider_webhook",
    # For whatever watches the web processes: yes or no.
    "health",
    # The directory.
    "accessibility",
    "advice",
    "breach",
    "breaches",
    "home",
    "insurer",
    "insurers",
    "insurers_csv",
    "insurers_json",
    "legal",
    "message_reported",
    "open_data",
    "personal_check",
    "personal_check_of",
    "poster",
    "privacy",
    "report_message",
    "robots",
    "senders",
    "suggestions",
    "verify",
    # To be told when an answer changes: the form, and the links of its messages.
    "wait_for_answer",
    "waiting_asked",
    "waiting_confirm",
    "waiting_remove",
}


def patterns(resolver: Any) -> Iterator[URLPattern]:
    for entry in resolver.url_patterns:
        if isinstance(entry, URLResolver):
            yield from patterns(entry)
        else:
            yield entry


def test_the_addresses_open_without_sign_in_are_these() -> None:
    found = {
        str(entry.name)
        for entry in patterns(get_resolver())
        if not getattr(entry.callback, "login_required", True)
    }
    assert sorted(found ^ PUBLIC) == []
