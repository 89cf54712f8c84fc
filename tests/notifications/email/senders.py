"""Sending identities of the Phare's, as the operator approved them."""

from insurers.models import Insurer
from notifications.models import IdentityState, SendingIdentity
from notifications.receipts.webhooks import seal_secret
from notifications.senders.choosing import seal_credentials
from tests import cast

SIGNING_KEY = "signing-key-of-the-phare"


def identity(
    place: Insurer | None = None, *, transport: str = "mailgun", **changed: object
) -> SendingIdentity:
    """An approved identity."""
    place = place or cast.phare()
    credentials = changed.pop("credentials", {"api_key": "key", "sender_domain": "x.example.fr"})
    assert isinstance(credentials, dict)
    fields: dict[str, object] = {
        "insurer": place,
        "state": IdentityState.APPROVED,
        "from_name": place.name,
        "from_address": "avis@phare.example.fr",
        "transport": transport,
        "encryption": "none" if transport == "smtp" else "starttls",
        "sealed_credentials": seal_credentials(credentials),
        "webhook_secret": seal_secret(SIGNING_KEY),
        "proposed_by": cast.armand(),
        "proposed_at": cast.NOW,
        "decided_by": cast.odile(),
        "decided_at": cast.NOW,
    }
    return SendingIdentity.objects.create(**(fields | changed))
