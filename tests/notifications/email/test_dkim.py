"""Signatures verified by dkimpy, which never saw the signing code."""

import dkim
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from notifications.channels.dkim import UnusableKeyError, make_key, public_record, sign
from notifications.senders.choosing import DkimKey
from tests.notifications.email.test_mime import layout, made

RSA, _RECORD = make_key()
ED25519 = (
    Ed25519PrivateKey.generate()
    .private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    .decode()
)


def verified(content: bytes, pem: str) -> bool:
    record = public_record(pem).encode()

    def published(name: bytes, timeout: int = 5) -> bytes:
        assert name == b"portail._domainkey.phare.example.fr."
        return record

    return bool(dkim.verify(content, dnsfunc=published))


def signed(pem: str, *, removal_link: str = "") -> bytes:
    content = made(layout(), removal_link=removal_link)
    return sign(content, DkimKey("phare.example.fr", "portail", pem))


@pytest.mark.parametrize("pem", [RSA, ED25519], ids=["rsa", "ed25519"])
def test_dkimpy_verifies_what_is_signed(pem: str) -> None:
    assert verified(signed(pem), pem)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"Bonjour", b"Bonsoir"),
        (b"Subject: ", b"Subject: x"),
        (b"To: zoe", b"To: zoo"),
        (b"From: ", b"From: x"),
        (b"Message-ID: <", b"Message-ID: <x"),
    ],
)
def test_a_changed_message_is_no_longer_verified(before: bytes, after: bytes) -> None:
    content = signed(RSA)
    assert before in content
    assert not verified(content.replace(before, after, 1), RSA)


@pytest.mark.parametrize("name", [b"List-Unsubscribe: <", b"List-Unsubscribe-Post: List"])
def test_headers_of_removal_are_signed(name: bytes) -> None:
    """RFC 8058, 4: else no mail program heeds them."""
    content = signed(RSA, removal_link="https://portail.example.fr/attente/retirer/abc/")
    assert verified(content, RSA)
    assert name in content
    assert not verified(content.replace(name, name + b"x", 1), RSA)


def test_a_second_subject_is_no_longer_verified() -> None:
    assert not verified(b"Subject: autre\r\n" + signed(RSA), RSA)


def test_a_short_key_is_refused() -> None:
    short = generate_private_key(public_exponent=65537, key_size=1024)  # noqa: S505
    pem = short.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    with pytest.raises(UnusableKeyError):
        sign(made(layout()), DkimKey("phare.example.fr", "portail", pem))
