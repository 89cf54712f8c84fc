"""The e-mail as its reader's program takes it apart: nothing here knows how it was made."""

import re
from email import message_from_bytes
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import parsedate_to_datetime
from html.parser import HTMLParser

import pytest

from tests.conftest import Writing
from tests.notifications.conftest import recorded_mail
from tests.notifications.story import built, member, send

pytestmark = pytest.mark.django_db

REFERENCE = re.compile(r"[0-9A-Z]{4}-[0-9A-Z]{4}-[0-9A-Z]{4}-[0-9A-Z]")
BLOCKS = {"p", "li", "h1", "h2", "br", "div", "ul", "title"}


class Reader(HTMLParser):
    """Keeps the words of a page's body, what it loads, and the tags that are left open."""

    def __init__(self) -> None:
        super().__init__()
        self.words: list[str] = []
        self.loads: list[str] = []
        self.open: list[str] = []
        self.headings: list[str] = []
        self.language = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "html":
            self.language = given.get("lang") or ""
        self.loads += [tag] if tag in {"img", "script", "link", "iframe", "object", "a"} else []
        self.loads += [name for name in given if name in {"src", "href", "background", "srcset"}]
        self.loads += [tag] if "url(" in (given.get("style") or "") else []
        if tag not in {"meta", "br"}:
            self.open.append(tag)
        if tag in BLOCKS:
            self.words.append(" ")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "title" not in self.open:
            self.words.append(data)
        if self.open and self.open[-1] in {"h1", "h2"}:
            self.headings.append(self.open[-1])


@pytest.fixture(scope="module")
def raw(beginning: Writing, standing_cast: None) -> bytes:
    """One e-mail, as the server took it."""
    with beginning(), recorded_mail() as mail:
        send(built([member(1, email="lise@example.fr", name="D’Été;Lise-Anaïs")]))
    ((_recipient, raw),) = mail.received
    return raw


@pytest.fixture
def received(raw: bytes) -> EmailMessage:
    assert max(map(len, raw.split(b"\r\n"))) <= 998
    assert b"\n" not in raw.replace(b"\r\n", b"")
    assert len(raw) < 60_000
    message = message_from_bytes(raw, policy=SMTP)
    assert isinstance(message, EmailMessage)
    return message


def body(message: EmailMessage, kind: str) -> str:
    part = message.get_body((kind,))
    assert part is not None
    assert part.get_content_charset() == "utf-8"
    return str(part.get_content())


def page(message: EmailMessage) -> Reader:
    reader = Reader()
    reader.feed(body(message, "html"))
    reader.close()
    return reader


def words(text: str) -> list[str]:
    return re.findall(r"\w+", text.casefold())


def test_it_is_valid_mime_of_two_forms(received: EmailMessage) -> None:
    assert received.defects == []
    assert received.get_content_type() == "multipart/alternative"
    kinds = [part.get_content_type() for part in received.iter_parts()]
    assert kinds == ["text/plain", "text/html"]
    assert all(part.defects == [] for part in received.iter_parts())


def test_each_header_stands_once_and_says_what_it_should(received: EmailMessage) -> None:
    for name in ("From", "To", "Reply-To", "Subject", "Date", "Message-ID", "MIME-Version"):
        assert len(received.get_all(name) or []) == 1, name
    sender: Address = received["From"].addresses[0]
    assert sender.display_name == "Mutuelle du Phare (fictive)"
    assert received["Reply-To"].addresses[0].addr_spec == "dpo@phare.example.fr"
    assert parsedate_to_datetime(received["Date"]).tzinfo is not None
    assert re.fullmatch(r"<[^<>@\s]+@[^<>@\s]+>", received["Message-ID"])
    assert received["Auto-Submitted"] == "auto-generated"
    assert received["Content-Language"] == "fr"
    assert "violation" in received["Subject"]


def test_it_is_neither_marketing_nor_a_list(received: EmailMessage) -> None:
    names = {name.lower() for name in received}
    assert names & {"list-unsubscribe", "list-id", "precedence", "x-mailer", "bcc"} == set()


def test_names_beyond_ascii_arrive(received: EmailMessage) -> None:
    for kind in ("plain", "html"):
        assert "Lise-Anaïs D’Été" in body(received, kind).replace("&#x27;", "'")


def test_plain_text_and_html_say_the_same(received: EmailMessage) -> None:
    assert words("".join(page(received).words)) == words(body(received, "plain"))


def test_nothing_is_loaded_or_followed(received: EmailMessage) -> None:
    assert page(received).loads == []
    assert not re.search(r"https?:|www\.", body(received, "plain") + body(received, "html"))


def test_the_page_is_structured_for_who_listens_to_it(received: EmailMessage) -> None:
    reader = page(received)
    assert reader.open == []
    assert reader.language == "fr"
    assert reader.headings[0] == "h1"
    assert reader.headings.count("h1") == 1
    assert len(reader.headings) >= 7


def test_both_carry_the_same_reference_and_say_how_to_check_it(received: EmailMessage) -> None:
    (plain,) = set(REFERENCE.findall(body(received, "plain")))
    (html,) = set(REFERENCE.findall(body(received, "html")))
    assert plain == html
    assert "tapez vous-même l’adresse" in body(received, "plain")
