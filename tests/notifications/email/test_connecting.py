"""Where the worker connects, and where it never does."""

import datetime
import ipaddress
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from django.test import override_settings

from notifications.channels import SenderRefusedError
from notifications.channels.connecting import ForbiddenAddressError, connect, is_public
from notifications.channels.email import EmailChannel
from notifications.models import Encryption, State
from notifications.senders.choosing import PORTAL
from tests.notifications.email.scripted_smtp import Script, scripted_smtp
from tests.notifications.email.test_smtp import messages, sender


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",  # noqa: S104
        "224.0.0.1",
        "255.255.255.255",
        "192.0.2.1",
        "::1",
        "::",
        "fe80::1%eth0",
        "fd00::1",
        "ff02::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
    ],
)
def test_an_address_of_ours_is_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    "address", ["9.9.9.9", "2620:fe::fe", "::ffff:9.9.9.9", "64:ff9b::909:909"]
)
def test_an_address_of_the_internet_is_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "2130706433", "0x7f.1"])
def test_a_name_that_leads_home_is_refused_outside_the_demo(host: str) -> None:
    with scripted_smtp(Script()) as script, override_settings(DEMO=False):
        with pytest.raises(ForbiddenAddressError):
            connect(host, script.port)


def test_an_identity_that_leads_home_stops_the_campaign_and_connects_nowhere() -> None:
    with scripted_smtp(Script()) as script, override_settings(DEMO=False):
        with pytest.raises(SenderRefusedError):
            list(EmailChannel(sender(script, encryption=Encryption.TLS)).send(messages(1)))
    assert script.commands == []


def test_an_identity_without_encryption_is_refused_outside_the_demo() -> None:
    with scripted_smtp(Script()) as script, override_settings(DEMO=False):
        with pytest.raises(SenderRefusedError, match="no encryption"):
            list(EmailChannel(sender(script)).send(messages(1)))


def test_the_portals_own_relay_may_be_on_its_own_network() -> None:
    with scripted_smtp(Script()) as script, override_settings(DEMO=False):
        own = sender(script, account=PORTAL)
        assert [outcome.state for outcome in EmailChannel(own).send(messages(1))] == [
            State.ACCEPTED
        ]


def certificate(folder: Path, name: str) -> tuple[str, str]:
    """Make a certificate that signs itself, for a name or an IP address."""
    key = generate_private_key(SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    now = datetime.datetime.now(datetime.UTC)
    alternative: x509.GeneralName = x509.DNSName(name)
    if name[0].isdigit():
        alternative = x509.IPAddress(ipaddress.ip_address(name))
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([alternative]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    chain, private = folder / "chain.pem", folder / "key.pem"
    chain.write_bytes(made.public_bytes(Encoding.PEM))
    private.write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    )
    return str(chain), str(private)


@pytest.mark.parametrize(
    ("name", "is_trusted"), [("127.0.0.1", True), ("127.0.0.1", False), ("autre.example.fr", True)]
)
def test_a_certificate_is_checked_with_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, is_trusted: bool
) -> None:
    files = certificate(tmp_path, name)
    if is_trusted:
        monkeypatch.setenv("SSL_CERT_FILE", files[0])
    with scripted_smtp(Script(("STARTTLS", "PIPELINING"), certificate=files)) as script:
        channel = EmailChannel(sender(script, encryption=Encryption.STARTTLS))
        if is_trusted and name == "127.0.0.1":
            assert len(list(channel.send(messages(2)))) == 2
        else:
            with pytest.raises(SenderRefusedError):
                list(channel.send(messages(2)))
            assert script.taken == []
