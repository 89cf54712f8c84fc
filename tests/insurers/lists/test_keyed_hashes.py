"""The quick way gives the standard library's values."""

import hmac

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from insurers.lists.keyed_hashes import HashingFailedError, HmacSha256

KEYS = st.binary(min_size=1, max_size=64)
MESSAGES = st.lists(st.binary(max_size=200), max_size=5)


@given(key=KEYS, prefix=st.binary(max_size=80), messages=MESSAGES)
def test_hmac_is_that_of_rfc_2104(key: bytes, prefix: bytes, messages: list[bytes]) -> None:
    codes = [hmac.digest(key.hex().encode(), prefix + each, "sha256") for each in messages]
    under = HmacSha256(key, prefix)
    assert [under.one(message) for message in messages] == codes
    column = pl.Series(messages, dtype=pl.Binary)
    assert under.column(column, size=32) == b"".join(codes)
    assert under.column(column, size=20) == b"".join(code[:20] for code in codes)


def test_text_is_hashed_as_utf_8() -> None:
    under = HmacSha256(bytes(32))
    assert under.column(pl.Series(["Zoé"]), size=32) == under.one("Zoé".encode())


@pytest.mark.parametrize(
    "messages", [pl.Series(["+33639980001", None]), pl.Series([["+33639980001"]])]
)
def test_what_cannot_be_hashed_is_not_told(messages: pl.Series) -> None:
    with pytest.raises(HashingFailedError) as failed:
        HmacSha256(b"k" * 32).column(messages, size=16)
    assert str(failed.value) == ""
    assert failed.value.__cause__ is None
    assert failed.value.__context__ is None or failed.value.__suppress_context__
