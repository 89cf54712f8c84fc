"""Keyed hashes of many short messages, a column at a time.

HMAC-SHA-256 as RFC 2104 writes it, from two SHA-256 states that are computed once and copied:
on a column of short messages it takes half the time of the standard library's `hmac`, whose
values it gives (`tests/insurers/lists/test_keyed_hashes.py`). BLAKE2 has its key built in
(RFC 7693).
"""

import hashlib
from collections.abc import Iterable

_BLOCK = 64
_INNER = bytes(byte ^ 0x36 for byte in range(256))
_OUTER = bytes(byte ^ 0x5C for byte in range(256))


class HmacSha256:
    """HMAC-SHA-256 under one key, of messages that all start with `prefix`."""

    def __init__(self, key: bytes, prefix: bytes = b"") -> None:
        if len(key) > _BLOCK:
            raise ValueError("a longer key would have to be hashed first")
        padded = key.ljust(_BLOCK, b"\0")
        self._inner = hashlib.sha256(padded.translate(_INNER) + prefix)
        self._outer = hashlib.sha256(padded.translate(_OUTER))

    def column(self, messages: Iterable[bytes]) -> list[bytes]:
        """Return each message's code, 32 bytes."""
        inner, outer = self._inner.copy, self._outer.copy
        codes: list[bytes] = []
        append = codes.append
        for message in messages:
            state = inner()
            state.update(message)
            code = outer()
            code.update(state.digest())
            append(code.digest())
        return codes


class Blake2:
    """Keyed BLAKE2b of messages that all start with `prefix`."""

    def __init__(self, key: bytes, size: int, prefix: bytes = b"") -> None:
        self._state = hashlib.blake2b(prefix, key=key, digest_size=size)

    def column(self, messages: Iterable[bytes]) -> list[bytes]:
        """Return each message's code, b"" for an empty one."""
        copy = self._state.copy
        codes: list[bytes] = []
        append = codes.append
        for message in messages:
            if not message:
                append(b"")
                continue
            state = copy()
            state.update(message)
            append(state.digest())
        return codes
