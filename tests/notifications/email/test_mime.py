"""The bytes of an e-mail, read by a parser that never saw how they were made."""

from email import message_from_bytes, policy
from email.message import EmailMessage
from email.utils import parsedate_to_datetime

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from notifications.channels import Outgoing
from notifications.channels.mime import From, compose, wire_address
from notifications.notices.rendering import COVERED, REFERENCE, SALUTATION, EmailText, MessageLayout

SENDER = From("Mutuelle du Phare", "avis@phare.example.fr", "dpo@phare.example.fr")
TEXT = f"{SALUTATION}\n\n{COVERED}\nUn é, un = et\n.\n..deux points\nréférence : {REFERENCE}\n"
HTML = f"<html lang='fr'><p>{SALUTATION}</p><p>{REFERENCE}</p></html>"
BLANKS = {SALUTATION: "Bonjour Zoé,", COVERED: "Une personne.", REFERENCE: "BP7K-3F9M-Q2XD-7"}


def layout(*, subject: str = "Vos données", text: str = TEXT, html: str = HTML) -> MessageLayout:
    return MessageLayout(language="fr", subject=subject, text=text, html=html, sms="")


def made(
    found: MessageLayout,
    *,
    sender: From = SENDER,
    blanks: dict[str, str] | None = None,
    removal_link: str = "",
) -> bytes:
    outgoing = Outgoing(
        notification_id=7,
        address="zoe@example.fr",
        sender_name="",
        reply_to="",
        message=EmailText(found, BLANKS | (blanks or {})),
        message_id="<abc@portail.example.fr>",
        removal_link=removal_link,
    )
    return compose(outgoing, sender=sender, address="zoe@example.fr", receipt_token="a" * 32)


def parsed(content: bytes) -> EmailMessage:
    message = message_from_bytes(content, policy=policy.default)
    assert isinstance(message, EmailMessage)
    return message


def body(message: EmailMessage, kind: str) -> str:
    part = message.get_body((kind,))
    assert part is not None
    return str(part.get_content()).replace("\r\n", "\n")


def test_text_and_html_say_what_the_layout_and_its_blanks_say() -> None:
    found = EmailText(layout(), BLANKS)
    message = parsed(made(layout()))
    assert body(message, "plain") == found.text
    assert body(message, "html") == found.html + "\n"


def test_headers_are_those_of_an_automatic_message() -> None:
    message = parsed(made(layout()))
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Message-ID"] == "<abc@portail.example.fr>"
    assert message["To"] == "zoe@example.fr"
    assert message["Reply-To"] == "dpo@phare.example.fr"
    assert parsedate_to_datetime(message["Date"]).tzinfo is not None
    assert not {"List-Unsubscribe", "Bcc", "Precedence"} & set(message.keys())


def test_each_header_stands_once() -> None:
    names = [name.lower() for name in parsed(made(layout()))]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    "name",
    [
        "Mutuelle du Phare, section « Finistère »",
        "Société d’assurance mutuelle à cotisations variables de l’Île-de-Bréhat et des Côtes",
        'Dit "Le Phare"',
        "Œuvre \\ Santé",
        "日本相互保険",
    ],
)
def test_a_name_beyond_ascii_is_read_back(name: str) -> None:
    message = parsed(made(layout(), sender=From(name, "avis@phare.example.fr")))
    (address,) = message["From"].addresses
    assert (address.display_name, address.addr_spec) == (name, "avis@phare.example.fr")


def test_a_message_that_people_asked_for_can_be_taken_back_by_their_mail_program() -> None:
    link = "https://portail.example.fr/attente/retirer/abc/"
    message = parsed(made(layout(), removal_link=link))
    assert message["List-Unsubscribe"] == f"<{link}>"
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"


def test_a_notice_has_no_such_header() -> None:
    assert not [name for name in parsed(made(layout())) if name.startswith("List-")]


def test_a_name_cannot_add_a_header() -> None:
    message = parsed(made(layout(), sender=From("Phare\r\nBcc: x@example.fr", "a@example.fr")))
    assert message["Bcc"] is None


@settings(max_examples=300, deadline=None)
@given(st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Zl", "Zp")), max_size=200))
@example("Mutuelle du Sable (fictive) : ce portail a maintenant une réponse")
@example("a" * 120)
def test_any_subject_is_read_back(subject: str) -> None:
    subject = " ".join(subject.split())
    content = made(layout(subject=subject))
    assert parsed(content)["Subject"] == subject
    assert max(map(len, content.split(b"\r\n"))) <= 80


LINES = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cc", "Zl", "Zp", "Cs")), max_size=120
)


@settings(max_examples=300, deadline=None)
@given(st.lists(LINES, min_size=1, max_size=6), LINES, LINES)
def test_any_text_and_any_value_are_read_back(lines: list[str], name: str, other: str) -> None:
    text = f"\n{REFERENCE}".join(lines) + f"\n{SALUTATION}{COVERED}fin\n"
    blanks = {SALUTATION: name, REFERENCE: other}
    content = made(layout(text=text), blanks=blanks)
    expected = EmailText(layout(text=text), BLANKS | blanks).text
    got = [line.rstrip() for line in body(parsed(content), "plain").splitlines()]
    assert got == [line.rstrip() for line in expected.splitlines()]


@settings(max_examples=500, deadline=None)
@given(LINES, LINES)
@example("", "000\xa0\xa0\xa0\xa0\xa0\xa0𐀀𐀀𐀀0")
def test_lines_are_short_and_end_by_crlf_whatever_is_filled_in(text: str, name: str) -> None:
    content = made(layout(text=f"{text}{SALUTATION}{text}\n"), blanks={SALUTATION: name})
    assert b"\r" not in content.replace(b"\r\n", b"")
    assert b"\n" not in content.replace(b"\r\n", b"")
    assert content.isascii()
    _head, _, rest = content.partition(b"\r\n\r\n")
    assert max(map(len, rest.split(b"\r\n"))) <= 76  # RFC 2045, 6.7


@pytest.mark.parametrize(
    ("address", "wire"),
    [
        ("zoe@example.fr", "zoe@example.fr"),
        ("zoe@exémple.fr", "zoe@xn--exmple-cva.fr"),
        ("zoé@example.fr", None),
        ("zoe@example.fr>\r\nRCPT TO:<x@example.fr", None),
        ("zoe @example.fr", None),
        ("a,b@example.fr", None),
        ("@example.fr", None),
        ("zoe@", None),
        ("z" * 65 + "@example.fr", None),
    ],
)
def test_only_what_smtp_can_carry_reaches_the_wire(address: str, wire: str | None) -> None:
    assert wire_address(address) == wire
