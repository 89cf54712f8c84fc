"""The token by which a receipt finds its message: in the return path (VERP) and at the provider.

A token is one AES block that only the worker can make or open: the notification's number and
eight bytes of HMAC over it and the sending account. It reveals nothing, cannot be guessed, is
stored nowhere, and opens for the account it was made for and no other.
"""

import hashlib
import hmac
import re
from base64 import b64decode
from collections.abc import Callable
from functools import lru_cache

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from django.conf import settings

TOKEN = re.compile(r"[0-9a-f]{32}")
MAILBOX = "bounce"


@lru_cache(maxsize=4)
def _keys(reference_key: str) -> tuple["Cipher[modes.ECB]", bytes]:
    root = b64decode(reference_key)
    block = hmac.digest(root, b"receipt-token:block", hashlib.sha256)
    # One block under a key of its own: ECB is the bare cipher, a permutation of 128 bits.
    cipher = Cipher(algorithms.AES256(block), modes.ECB())  # noqa: S305
    return cipher, hmac.digest(root, b"receipt-token:tag", hashlib.sha256)


def token_maker(account: str) -> Callable[[int], str]:
    """Return what makes the tokens of messages sent through an account, in one thread."""
    cipher, key = _keys(settings.REFERENCE_KEY)
    encrypt = cipher.encryptor().update  # Block by block: one need not be ended to make another.

    def make(notification_id: int) -> str:
        number = notification_id.to_bytes(8, "big")
        return encrypt(number + _tag(key, number, account)).hex()

    return make


def receipt_token(notification_id: int, *, account: str) -> str:
    """Return the token of a message sent through an account: 32 hexadecimal digits."""
    return token_maker(account)(notification_id)


def read_token(token: str, *, account: str) -> int | None:
    """Return the notification whose token this is, or None: not one, or another account's."""
    if not TOKEN.fullmatch(token):
        return None
    cipher, key = _keys(settings.REFERENCE_KEY)
    decryptor = cipher.decryptor()
    block = decryptor.update(bytes.fromhex(token)) + decryptor.finalize()
    if not hmac.compare_digest(block[8:], _tag(key, block[:8], account)):
        return None
    return int.from_bytes(block[:8], "big")


def return_path(token: str, *, domain: str) -> str:
    """Return the envelope sender of a message: `bounce+token@domain`."""
    return f"{MAILBOX}+{token}@{domain}"


def _tag(key: bytes, number: bytes, account: str) -> bytes:
    return hmac.digest(key, number + account.encode(), hashlib.sha256)[:8]
