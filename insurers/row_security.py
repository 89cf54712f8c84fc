"""Tell PostgreSQL, for one transaction, whose rows the web process may see.

The policies in `breachportal/privileges.py` read these settings; without them the web role
sees no insurer's rows at all.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Literal
from uuid import UUID

from django.db import connection, transaction

from insurers.known_ids import id_text

ScopeRole = Literal["staff", "auditor", "operator", "invited", "nobody"]


@contextmanager
def row_scope(*, insurers: Iterable[UUID], role: ScopeRole, user_id: int | None) -> Iterator[None]:
    """Open a transaction in which only these insurers' rows exist; writing takes `staff`."""
    with transaction.atomic():
        set_row_scope(insurers=insurers, role=role, user_id=user_id)
        yield


def set_row_scope(*, insurers: Iterable[UUID], role: ScopeRole, user_id: int | None) -> None:
    """Set the scope of the transaction that is open."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT set_config('portal.insurers', %s, true), set_config('portal.role', %s, true),"
            " set_config('portal.user', %s, true)",
            [",".join(map(id_text, insurers)), role, str(user_id or "")],
        )


def show_token_row(secret_sha256: bytes) -> None:
    """Let the open transaction see the one API token whose secret has this SHA-256."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('portal.token', %s, true)", [secret_sha256.hex()])


def show_webhook_row(identity_id: UUID) -> None:
    """Let the open transaction see the one sending identity that a provider's webhook names."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('portal.webhook', %s, true)", [str(identity_id)])
