"""From an address that is left to the answer that is told: real mail, real roles, real locks."""

import re
from collections.abc import Iterator
from datetime import timedelta
from email.message import EmailMessage
from typing import Any
from uuid import UUID

import pytest
from django.core.cache import cache
from django.db import connection
from django.test import Client, override_settings
from django.urls import reverse
from django.utils import timezone, translation

from insurers.models import Affiliation, ImpactReport, Insurer
from insurers.row_security import ScopeRole, row_scope
from lookup.models import (
    Ending,
    SentConfirmation,
    WaitingAddress,
    WaitingCount,
    WaitingRequest,
    WaitingTally,
)
from lookup.tasks import write_to_waiting
from lookup.waiting import links
from tests import cast
from tests.conftest import as_role
from tests.lookup.test_waiting import CAMILLE, ask, text_of
from tests.notifications.statements import published
from tests.smtp import Recorder, smtp_server

pytestmark = pytest.mark.django_db
LINK = re.compile(r"http://localhost(/\S+)")


@pytest.fixture(autouse=True)
def sable() -> Insurer:
    cache.clear()
    cast.breach()
    return Insurer.objects.create(slug="mutuelle-du-sable", name="Mutuelle du Sable (fictive)")


@pytest.fixture(autouse=True)
def mail() -> Iterator[Recorder]:
    with (
        smtp_server() as recorder,
        override_settings(EMAIL_HOST="127.0.0.1", EMAIL_PORT=recorder.port),
    ):
        yield recorder


def work() -> None:
    """Run the task as the worker's role does."""
    with as_role("worker"):
        write_to_waiting.run()


def body(message: EmailMessage, kind: str = "plain") -> str:
    part = message.get_body((kind,))
    assert part is not None
    return str(part.get_content()).replace("\r\n", "\n")


def links_in(message: EmailMessage) -> list[str]:
    """Return where a message's links lead: confirm then remove, or remove."""
    return LINK.findall(body(message))


def asked(client: Client, mail: Recorder, email: str = CAMILLE, **options: Any) -> EmailMessage:
    """Leave an address and return the message that asks for confirmation."""
    ask(client, email, **options)
    work()
    return mail.messages[-1]


def waits(client: Client, mail: Recorder, email: str = CAMILLE, **options: Any) -> EmailMessage:
    """Leave an address and confirm it; return the message that asked."""
    message = asked(client, mail, email, **options)
    assert client.post(links_in(message)[0]).status_code == 200
    return message


def becomes_known(insurer: Insurer) -> None:
    ImpactReport.objects.create(
        breach=cast.breach(),
        insurer=insurer,
        operator=cast.operator(),
        status="concerned",
        source=cast.source(),
        announced_date=timezone.localdate().replace(day=1),
    )


def an_hour_later() -> None:
    """Let an hour pass for what waits."""
    for field in ("asked_at", "confirmed_at", "due_at", "taken_up_at"):
        with connection.cursor() as cursor:
            cursor.execute(
                f"UPDATE lookup_waitingaddress SET {field} = {field} - interval '1 hour'"
            )


def test_somebody_is_told_once_and_then_erased(
    client: Client, mail: Recorder, sable: Insurer
) -> None:
    waits(client, mail)
    work()
    assert len(mail.messages) == 1
    becomes_known(sable)
    work()
    told = mail.messages[-1]
    assert mail.recipients == ["Camille.Hublot@example.fr"] * 2
    assert told["Subject"] == "Mutuelle du Sable (fictive) : ce portail a maintenant une réponse"
    text = " ".join(body(told).split())
    assert "Oui" in text
    assert "Alphapay" in text
    assert "Journal d’exemple" in text
    assert "1er" in text
    assert not WaitingAddress.objects.exists()
    tally = WaitingTally.objects.get()
    assert (tally.insurer, tally.ending, tally.people) == (sable, Ending.TOLD, 1)
    work()
    assert len(mail.messages) == 2


@pytest.mark.parametrize("language", ["fr", "en"])
def test_messages_are_in_the_language_of_the_page(
    client: Client, mail: Recorder, sable: Insurer, language: str
) -> None:
    waits(client, mail, language="" if language == "fr" else "/en")
    becomes_known(sable)
    work()
    first, second = mail.messages
    for message in (first, second):
        assert message["Content-Language"] == language
        assert message["Auto-Submitted"] == "auto-generated"
        assert "portail@example.fr" in message["From"]
        for kind in ("plain", "html"):
            assert ("Bonjour" in body(message, kind)) == (language == "fr")
            assert ("Hello" in body(message, kind)) == (language == "en")
    with translation.override(language):
        token = links_in(first)[0].split("/")[-2]
        assert links_in(first)[0] == reverse("waiting_confirm", args=[token])
        assert links_in(first)[1] == reverse("waiting_remove", args=[token])
        assert links_in(second) == [reverse("waiting_remove", args=[token])]


def test_a_link_only_looked_at_changes_nothing(client: Client, mail: Recorder) -> None:
    confirm, remove = links_in(asked(client, mail))
    for link in (confirm, remove):
        for method in (client.get, client.head):
            response = method(link)
            assert response.status_code == 200
            assert response.headers["Cache-Control"] == "no-store"
            assert response.headers["Referrer-Policy"] == "no-referrer"
            assert not response.cookies
    assert WaitingAddress.objects.get().confirmed_at is None


def test_pages_of_links_hold_one_button(client: Client, mail: Recorder) -> None:
    for link in links_in(asked(client, mail)):
        page = text_of(client.get(link))
        assert page.count("<button") == 1
        assert "Mutuelle du Sable" in page
        assert "ublot" not in page
        assert 'rel="canonical"' not in page


def test_a_mail_program_removes_in_one_click(client: Client, mail: Recorder) -> None:
    message = waits(client, mail)
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    address = str(message["List-Unsubscribe"])
    assert address == f"<http://localhost{links_in(message)[1]}>"
    response = client.post(
        address.strip("<>").removeprefix("http://localhost"),
        "List-Unsubscribe=One-Click",
        content_type="application/x-www-form-urlencoded",
        headers={"Origin": "https://mail.example.org"},
    )
    assert response.status_code == 200
    assert not WaitingAddress.objects.exists()
    assert WaitingTally.objects.get().ending == Ending.REMOVED


def test_who_removes_is_not_told(client: Client, mail: Recorder, sable: Insurer) -> None:
    message = waits(client, mail)
    client.post(links_in(message)[1])
    becomes_known(sable)
    work()
    assert len(mail.messages) == 1


def test_a_link_of_nobody_says_so(client: Client) -> None:
    assert client.get("/attente/confirmer/abc/").status_code == 410
    assert client.post("/attente/confirmer/abc/").status_code == 410
    assert "est effacée" in text_of(client.post("/attente/retirer/abc/"))


def test_without_confirmation_nobody_is_told_and_all_goes_after_48_hours(
    client: Client, mail: Recorder, sable: Insurer
) -> None:
    message = asked(client, mail)
    becomes_known(sable)
    work()
    assert len(mail.messages) == 1
    WaitingAddress.objects.update(asked_at=timezone.now() - timedelta(hours=48, minutes=1))
    assert client.post(links_in(message)[0]).status_code == 410
    work()
    assert not WaitingAddress.objects.exists()
    assert not WaitingTally.objects.exists()


def test_after_24_months_an_address_goes(client: Client, mail: Recorder) -> None:
    waits(client, mail)
    WaitingAddress.objects.update(confirmed_at=timezone.now() - timedelta(days=730))
    work()
    assert not WaitingAddress.objects.exists()
    assert WaitingTally.objects.get().ending == Ending.EXPIRED


@pytest.mark.parametrize(
    "again", [CAMILLE, "camille.hublot@EXAMPLE.fr", "camillehublot+1@example.fr"]
)
def test_nobody_is_asked_twice_in_a_day(client: Client, mail: Recorder, again: str) -> None:
    asked(client, mail)
    ask(client, again)
    work()
    assert len(mail.messages) == 1
    SentConfirmation.objects.update(sent_at=timezone.now() - timedelta(hours=25))
    ask(client, again)
    work()
    assert len(mail.messages) == 2


def test_a_mailbox_gets_three_a_day_and_six_in_thirty_days(
    client: Client, mail: Recorder, sable: Insurer
) -> None:
    counts = []
    for day in range(4):
        for number in range(4):
            slug = f"autre-{day}-{number}"
            Insurer.objects.create(slug=slug, name=slug)
            ask(client, page=f"/organismes/{slug}/")
        work()
        counts.append(len(mail.messages))
        for row in SentConfirmation.objects.all():
            row.sent_at -= timedelta(days=1)
            row.save()
    assert counts == [3, 6, 6, 6]
    SentConfirmation.objects.update(sent_at=timezone.now() - timedelta(days=30))
    ask(client)
    work()
    assert len(mail.messages) == 7


def test_who_waits_already_gets_nothing_more(client: Client, mail: Recorder) -> None:
    waits(client, mail)
    SentConfirmation.objects.all().delete()
    ask(client)
    work()
    assert len(mail.messages) == 1


def test_the_second_message_has_the_same_links(client: Client, mail: Recorder) -> None:
    first = asked(client, mail)
    SentConfirmation.objects.all().delete()
    an_hour_later()
    second = asked(client, mail)
    assert links_in(first) == links_in(second)
    assert first["Message-ID"] != second["Message-ID"]


@pytest.mark.parametrize("known_by", ["report", "affiliation", "successor"])
def test_every_kind_of_answer_is_told(
    client: Client, mail: Recorder, sable: Insurer, known_by: str
) -> None:
    waits(client, mail)
    if known_by == "report":
        ImpactReport.objects.create(
            breach=cast.breach(), insurer=sable, status="not_concerned", source=cast.source()
        )
    elif known_by == "affiliation":
        Affiliation.objects.create(insurer=sable, operator=cast.operator(), source=cast.source())
    else:
        Insurer.objects.filter(pk=sable.pk).update(successor=cast.phare())
    work()
    said = " ".join(body(mail.messages[-1]).split())
    expected = {
        "report": "se déclare non concerné",
        "affiliation": "Très probablement",
        "successor": "Mutuelle du Phare (fictive) est au nombre",
    }
    assert expected[known_by] in said


def test_who_is_concerned_is_told_where_not_everybody_is(
    client: Client, mail: Recorder, sable: Insurer
) -> None:
    waits(client, mail)
    Affiliation.objects.create(
        insurer=sable,
        operator=cast.operator(),
        source=cast.source(),
        scope_fr="contrats collectifs",
        scope_en="group contracts",
    )
    ImpactReport.objects.create(
        breach=cast.breach(),
        insurer=sable,
        operator=cast.operator(),
        status="partly",
        source=cast.source(),
    )
    work()
    said = " ".join(body(mail.messages[-1]).split())
    assert "tout le monde n’est pas concerné" in said
    assert "- Alphapay : concerné en partie. Source : Journal d’exemple" in said
    assert "- Qui : contrats collectifs" in said


def test_what_an_insurer_says_itself_is_told(client: Client, mail: Recorder) -> None:
    cast.phare()
    Affiliation.objects.all().delete()
    ImpactReport.objects.all().delete()
    waits(client, mail, page="/organismes/mutuelle-du-phare/")
    published()
    work()
    said = " ".join(body(mail.messages[-1]).split())
    assert "a publié lui-même une communication sur ce portail, le 2 mars 2026" in said


def test_an_answer_that_is_still_unknown_is_not_one(
    client: Client, mail: Recorder, sable: Insurer
) -> None:
    waits(client, mail)
    ended = Affiliation(insurer=sable, operator=cast.operator(), source=cast.source())
    ended.valid_until_date = timezone.localdate().replace(year=2020, day=1)
    ended.save()
    work()
    assert len(mail.messages) == 1


def test_nothing_rests_in_clear(client: Client, mail: Recorder) -> None:
    message = waits(client, mail)
    token = links_in(message)[0].split("/")[-2]
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname FROM pg_class WHERE relname LIKE 'lookup\\_%%' AND relkind = 'r'"
        )
        for (table,) in cursor.fetchall():
            cursor.execute(f"SELECT row_to_json(t)::text FROM {table} t")
            rows = str(cursor.fetchall()).lower()
            for secret in ("hublot", token.lower(), CAMILLE.encode().hex(), token.encode().hex()):
                assert secret not in rows


def test_the_counts_are_the_operators_and_the_insurers_own(
    client: Client, mail: Recorder, sable: Insurer
) -> None:
    waits(client, mail)
    asked(client, mail, "autre@example.fr")
    views: list[tuple[ScopeRole, list[UUID], list[tuple[UUID, int]]]] = [
        ("operator", [], [(sable.pk, 1)]),
        ("staff", [sable.pk], [(sable.pk, 1)]),
        ("auditor", [cast.phare().pk], []),
        ("nobody", [], []),
    ]
    for role, insurers, seen in views:
        with as_role("web"), row_scope(insurers=insurers, role=role, user_id=None):
            assert list(WaitingCount.objects.values_list("insurer_id", "people")) == seen
    with as_role("web"):
        assert not WaitingCount.objects.exists()
    assert links.find_wait(token="x") is None
    assert not WaitingRequest.objects.exists()
