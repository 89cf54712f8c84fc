"""The key that signs evidence and the trail's heads: made at the first use, kept in the key store.

`manage.py evidence_key --replace` puts another in its place (`heads.replace_key`); earlier ones
stay published, since what they signed is still checked with them.

Whoever checks has its public half's fingerprint from elsewhere: the portal publishes it
(`published_keys`), `manage.py evidence_key` prints it.
"""

import hmac
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from audit.heads import key_fingerprint
from insurers.lists.fingerprint_keys import open_key, store_new_key
from notifications.models import EvidenceKey

FIRST = 1


@dataclass(frozen=True)
class PublishedKey:
    """A public key as people are told it, the latest first."""

    number: int
    created_at: datetime
    fingerprint: str
    pem: str


def signing_key(*, now: datetime) -> Ed25519PrivateKey:
    """Return the key to sign with, made where there was none (worker only).

    Raises KeyNotFoundError, WrongKeyError or StoreUnreachableError, which name it.
    """
    return Ed25519PrivateKey.from_private_bytes(_secret(now))


def pseudonym_key(*, breach_id: int, insurer_id: UUID, now: datetime) -> bytes:
    """Return what messages get their pseudonyms under: the same in each pack of an insurer's.

    Derived from the oldest key, so that packs stay comparable whatever signs them (worker only).
    """
    _secret(now)
    first = EvidenceKey.objects.order_by("number")[0]
    purpose = f"pseudonym:{breach_id}:{insurer_id}".encode()
    return hmac.digest(open_key(_name(first.number), first.proof), purpose, "sha256")


def published_keys() -> list[PublishedKey]:
    """Return every public key that something may be signed with; empty before the first use."""
    return [
        PublishedKey(row.number, row.created_at, key_fingerprint(key), public_pem(key).decode())
        for row in EvidenceKey.objects.all()
        for key in (Ed25519PublicKey.from_public_bytes(bytes(row.public_key)),)
    ]


def public_pem(key: Ed25519PublicKey) -> bytes:
    """Return a public key in the form that openssl reads."""
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def expected_keys() -> Iterator[tuple[str, bytes | memoryview | None]]:
    """Yield the name and the proof of each key that must exist."""
    for number, proof in EvidenceKey.objects.values_list("number", "proof"):
        yield _name(number), proof


def next_key(*, now: datetime) -> EvidenceKey:
    """Return the key that follows the present one, in the key store but not saved (worker only)."""
    last = EvidenceKey.objects.first()
    number = FIRST if last is None else last.number + 1
    proof = store_new_key(_name(number))
    private = Ed25519PrivateKey.from_private_bytes(open_key(_name(number), proof))
    public = private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return EvidenceKey(number=number, public_key=public, proof=proof, created_at=now)


def fingerprint_of(row: EvidenceKey) -> str:
    """Return what people compare."""
    return key_fingerprint(Ed25519PublicKey.from_public_bytes(bytes(row.public_key)))


def _secret(now: datetime) -> bytes:
    row = EvidenceKey.objects.first()
    if row is None:
        EvidenceKey.objects.bulk_create([next_key(now=now)], ignore_conflicts=True)
        row = EvidenceKey.objects.get(pk=FIRST)
    return open_key(_name(row.number), row.proof)


def _name(number: int) -> str:
    return f"evidence/{number}"
