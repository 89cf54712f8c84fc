"""Sign an e-mail for a domain (DKIM, RFC 6376; Ed25519 by RFC 8463), relaxed headers, simple body.

With the keys of `cryptography`, loaded once: dkimpy, which the tests verify with, signs a tenth
as fast (docs/decisions/0014).
"""

import hashlib
import re
from base64 import b64encode
from functools import lru_cache

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from notifications.senders.choosing import DkimKey

# Signed once more than present, so that nobody adds a second one (RFC 6376, 8.15).
SIGNED = ("from", "reply-to", "to", "subject", "date", "message-id", "auto-submitted")
# RFC 8058, 4: a mail program believes headers of removal only where they are signed.
ALSO = ("content-type", "mime-version", "list-unsubscribe", "list-unsubscribe-post")
_SPACES = re.compile(rb"[ \t\r\n]+")


class UnusableKeyError(Exception):
    """The key is neither RSA of 2,048 bits or more nor Ed25519."""


def sign(content: bytes, key: DkimKey) -> bytes:
    """Return a message (CRLF lines) with its DKIM-Signature in front."""
    private = _load(key.private_key)
    head, _, body = content.partition(b"\r\n\r\n")
    body_hash = b64encode(hashlib.sha256(body.rstrip(b"\r\n") + b"\r\n").digest()).decode()
    headers = {name.lower(): line for name, line in _relaxed(head)}
    names = [name for name in (*SIGNED, *ALSO) if name.encode() in headers]
    algorithm = "rsa-sha256" if isinstance(private, RSAPrivateKey) else "ed25519-sha256"
    signature = (
        f"v=1; a={algorithm}; c=relaxed/simple; d={key.domain}; s={key.selector};\r\n"
        f"\th={':'.join([*names, 'from', 'to', 'subject'])};\r\n"
        f"\tbh={body_hash};\r\n\tb="
    ).encode()
    signed = b"".join(headers[name.encode()] + b"\r\n" for name in names)
    signed += b"dkim-signature:" + _SPACES.sub(b" ", signature).strip()
    if isinstance(private, RSAPrivateKey):
        made = private.sign(signed, PKCS1v15(), hashes.SHA256())
    else:
        made = private.sign(hashlib.sha256(signed).digest())
    encoded = b64encode(made)
    lines = b"\r\n\t".join(encoded[at : at + 72] for at in range(0, len(encoded), 72))
    return b"DKIM-Signature: " + signature + lines + b"\r\n" + content


def make_key() -> tuple[str, str]:
    """Return a new RSA key of 2,048 bits in PEM, and the TXT record to publish.

    RSA, because the large receivers do not verify Ed25519 yet.
    """
    from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key

    private = generate_private_key(public_exponent=65537, key_size=2048)
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    return pem, public_record(pem)


def public_record(pem: str) -> str:
    """Return the TXT record of a private key (RFC 6376, 3.6.1)."""
    private = _load(pem)
    if isinstance(private, RSAPrivateKey):
        kind = "rsa"
        public = private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    else:
        kind = "ed25519"
        public = private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return f"v=DKIM1; k={kind}; p={b64encode(public).decode()}"


@lru_cache(maxsize=64)
def _load(pem: str) -> RSAPrivateKey | Ed25519PrivateKey:
    try:
        key = load_pem_private_key(pem.encode(), password=None)
    except (ValueError, TypeError) as error:
        raise UnusableKeyError from error
    if isinstance(key, Ed25519PrivateKey):
        return key
    if isinstance(key, RSAPrivateKey) and key.key_size >= 2048:
        return key
    raise UnusableKeyError


def _relaxed(head: bytes) -> list[tuple[bytes, bytes]]:
    """Return the headers in relaxed form: name in lower case, unfolded, spaces made one."""
    found = []
    for line in re.split(rb"\r\n(?![ \t])", head):
        name, _, value = line.partition(b":")
        name = name.strip().lower()
        found.append((name, name + b":" + _SPACES.sub(b" ", value).strip()))
    return found
