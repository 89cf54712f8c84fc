"""The quick way gives the standard library's values."""

import hashlib
import hmac

from hypothesis import given
from hypothesis import strategies as st

from insurers.lists.keyed_hashes import Blake2, HmacSha256

KEYS = st.binary(min_size=1, max_size=64)
MESSAGES = st.lists(st.binary(min_size=1, max_size=200), max_size=5)


@given(key=KEYS, prefix=st.binary(max_size=80), messages=MESSAGES)
def test_hmac_is_that_of_rfc_2104(key: bytes, prefix: bytes, messages: list[bytes]) -> None:
    found = HmacSha256(key, prefix).column(messages)
    assert found == [hmac.digest(key, prefix + message, "sha256") for message in messages]


@given(key=KEYS, messages=MESSAGES)
def test_blake2_is_keyed_and_of_the_size_asked_for(key: bytes, messages: list[bytes]) -> None:
    found = Blake2(key, 16, b"p").column([*messages, b""])
    expected = [hashlib.blake2b(b"p" + m, key=key, digest_size=16).digest() for m in messages]
    assert found == [*expected, b""]
