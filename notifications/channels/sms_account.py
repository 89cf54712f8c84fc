"""The account at the SMS provider that this installation sends by."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from django.conf import settings

# Called with a message and the provider's names of its parts, before its outcome is yielded: if
# the process dies in between, a receipt still settles the doubt.
KeepIds = Callable[[int, Sequence[str]], None]


@dataclass(frozen=True)
class SmsAccount:
    """What a channel needs to reach a provider and sign in; the web process holds no secret.

    `window` is how many messages of a connection may be without an answer, hence how many a
    killed process leaves in doubt (docs/decisions/0012-sms-window.md); `connections`, how many
    the provider admits at once for sending. `receipt_ids` says how
    the provider writes a message's id in answers and in receipts: "same", "hex-then-decimal"
    or "decimal-then-hex".
    """

    provider: str
    sender: str
    host: str = ""
    port: int = 0
    uses_tls: bool = True
    username: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    consumer_key: str = field(default="", repr=False)
    service: str = ""
    window: int = 1
    connections: int = 1
    uses_payload: bool = False
    receipt_ids: str = "same"

    @property
    def name(self) -> str:
        """What receipts are kept under: one counts for its own account only."""
        return f"{self.provider}:{self.service or self.username}"[:60]


def sms_account() -> SmsAccount | None:
    """Return the account of the settings, or None where this installation sends no SMS."""
    return SmsAccount(**settings.SMS_ACCOUNT) if settings.SMS_ACCOUNT else None
