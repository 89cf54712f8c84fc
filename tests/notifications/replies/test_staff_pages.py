"""The pages of a question about a member on the phone: who reaches them, and what they say."""

import re
from datetime import timedelta
from html import unescape
from typing import Any
from uuid import uuid4

import pytest
import redis
from django.conf import settings
from django.test import Client

from audit.models import AuditEntry
from insurers.lists.keystore import KeyNotFoundError
from insurers.models import Membership, Role
from notifications.models import AskedOutcome, StaffAnswer, StaffQuestion
from notifications.reasons import reason_label
from notifications.replies import staff_questions, standing
from notifications.replies.shown_answer import WHY_NONE
from tests import cast
from tests.notifications.replies.test_staff_questions import answer
from tests.notifications.story import accepted_list, built, member, send
from tests.smtp import Recorder

pytestmark = pytest.mark.django_db

PAGE = "/espace/question/"
TYPED = {"member_number": "000 000 007", "birth_date": "12/03/1980", "birth_rank": ""}


def text(response: Any) -> str:
    body = re.sub(r"<[^>]+>", " ", response.content.decode())
    return " ".join(unescape(body).replace("\N{NO-BREAK SPACE}", " ").split())


def ask(client: Client, name: str = "paule", *, language: str = "", **typed: str) -> str:
    """Ask as somebody; return the address of the answer."""
    cast.sign_in(client, getattr(cast, name)())
    response = client.post(f"{language}{PAGE}", TYPED | typed)
    assert response.status_code == 302, text(response)
    return str(response.headers["Location"])


def said(client: Client, address: str) -> str:
    answer()
    return text(client.get(address))


@pytest.mark.parametrize(
    ("name", "status"),
    [("paule", 200), ("armand", 200), ("vera", 200), ("aude", 403), ("odile", 403)],
)
def test_every_role_of_an_insurer_may_ask_and_nobody_else(
    client: Client, name: str, status: int
) -> None:
    accepted_list([member(7, email="camille@example.fr")])
    cast.sign_in(client, getattr(cast, name)())
    assert client.get(PAGE).status_code == status
    assert client.post(PAGE, TYPED).status_code == (302 if status == 200 else 403)
    assert client.get(f"{PAGE}{uuid4()}/").status_code == (404 if status == 200 else 403)
    assert StaffQuestion.objects.exists() == (status == 200)
    assert AuditEntry.objects.filter(action="access.refused").exists() == (status == 403)


def test_it_takes_a_sign_in(client: Client) -> None:
    for address in (PAGE, f"{PAGE}{uuid4()}/"):
        assert client.get(address).status_code == 302


@pytest.mark.parametrize("name", ["armand", "didier"])
def test_the_answer_is_for_whoever_asked(client: Client, name: str) -> None:
    accepted_list([member(7, email="camille@example.fr")])
    address = ask(client)
    answer()
    assert client.get(address).status_code == 200
    cast.sign_in(client, getattr(cast, name)())
    assert client.get(address).status_code == 404


def test_the_space_and_the_menu_lead_there(client: Client) -> None:
    cast.sign_in(client, cast.vera())
    page = client.get("/espace/").content.decode()
    assert page.count(f'href="{PAGE}"') == 2
    cast.sign_in(client, cast.aude())
    assert f'href="{PAGE}"' not in client.get("/espace/").content.decode()


def test_it_waits_then_shows_the_answer(client: Client, mail: Recorder) -> None:
    send(built([member(7, email="camille@example.fr")]))
    address = ask(client)
    waiting = client.get(address)
    assert "En attente" in text(waiting)
    assert f'hx-get="{address}"' in waiting.content.decode()
    assert f'href="{address}"' in waiting.content.decode()
    assert client.get(address, headers={"HX-Request": "true"}).status_code == 204
    page = said(client, address)
    for expected in ("Sur 1 liste", "Courriel, campagne n°", "acceptée par le serveur", "Alphapay"):
        assert expected in page, expected
    shown = client.get(address).content.decode()
    assert "every 1s" not in shown
    assert 'hx-trigger="load delay:5m"' in shown, "it leaves the screen when it is erased"
    StaffAnswer.objects.all().delete()
    assert "hx-get" not in client.get(address).content.decode()
    for secret in ("000000007", "000 000 007", "camille", "Camille", "12/03/1980"):
        assert secret not in page


def test_a_bounce_and_the_sms_are_said_in_words(client: Client, mail: Recorder) -> None:
    mail.answers["gone@example.fr"] = "550 no"
    send(built([member(7, email="gone@example.fr", mobile="0639980007")]))
    page = said(client, ask(client))
    assert f"adresse refusée ({reason_label('smtp-550')})" in page
    assert page.index("Courriel, campagne") < page.index("SMS, campagne")


def test_what_a_page_explains_is_what_it_shows(client: Client, mail: Recorder) -> None:
    unconfirmed, twins = "n’est pas « remise »", "deux personnes du même numéro"
    campaign = built(
        [
            member(7, email="a@example.fr"),
            member(8, email="b@example.fr", name="Phare;Camille"),
            member(8, email="c@example.fr", name="Phare;Claude"),
        ]
    )
    page = said(client, ask(client, member_number="000000008"))
    assert (unconfirmed in page, twins in page) == (False, True)
    send(campaign)
    page = said(client, ask(client))
    assert (unconfirmed in page, twins in page) == (True, False)


def test_why_there_is_no_message_is_said(client: Client) -> None:
    accepted_list([member(7, email="camille@example.fr")])
    assert str(WHY_NONE["no_campaign"]) in said(client, ask(client))


def test_on_no_list_says_what_that_means(client: Client) -> None:
    accepted_list([member(8, email="camille@example.fr")])
    page = said(client, ask(client))
    for expected in ("Sur aucune liste acceptée de votre organisme", "écrit autrement", "effacée"):
        assert expected in page, expected


def test_lost_keys_are_no_no(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    accepted_list([member(7, email="camille@example.fr")])

    def lost(**_: Any) -> None:
        raise KeyNotFoundError("fingerprint")

    monkeypatch.setattr(standing, "find_members", lost)
    page = said(client, ask(client))
    assert "Les clés manquent, réessayez" in page
    assert "Sur aucune liste" not in page


@pytest.mark.parametrize(
    ("cap", "expected"),
    [("OF_PERSON", "Trop de questions en une heure"), ("OF_INSURER", "Trop de questions aujourd")],
)
def test_a_cap_is_said_and_is_no_no(
    client: Client, monkeypatch: pytest.MonkeyPatch, cap: str, expected: str
) -> None:
    monkeypatch.setattr(staff_questions, cap, 0)
    page = said(client, ask(client))
    assert expected in page
    assert "ce n’est pas un « non »" in page


def test_a_role_that_ended_closes_the_answer_too(client: Client) -> None:
    address = ask(client)
    Membership.objects.filter(user=cast.paule()).update(ended_at=cast.NOW)
    answer()
    assert client.get(address).status_code == 403


def test_after_five_minutes_the_answer_is_gone(client: Client) -> None:
    accepted_list([member(7, email="camille@example.fr")])
    address = ask(client)
    answer()
    made = StaffAnswer.objects.get()
    StaffAnswer.objects.update(made_at=made.made_at - timedelta(minutes=5))
    assert "La réponse est effacée" in text(client.get(address))  # Also where no worker lives.
    assert "La réponse est effacée" in said(client, address)
    assert not StaffAnswer.objects.exists()


@pytest.mark.parametrize(
    ("field", "typed", "expected"),
    [
        ("member_number", "", "tel qu’il figure sur la carte"),
        ("member_number", "7" * 41, "Faites-le relire"),
        ("member_number", "1 84 12 76 451 089 46", "numéro de Sécurité sociale"),
        ("birth_date", "12/03/80", "quatre chiffres"),
        ("birth_date", "31/02/1980", "n’existe pas"),
    ],
)
def test_what_is_badly_typed_is_asked_again(
    client: Client, field: str, typed: str, expected: str
) -> None:
    cast.sign_in(client, cast.vera())
    response = client.post(PAGE, TYPED | {field: typed})
    assert expected in text(response)
    assert not StaffQuestion.objects.exists()


def test_a_social_security_number_is_not_shown_again(client: Client) -> None:
    cast.sign_in(client, cast.vera())
    response = client.post(PAGE, TYPED | {"member_number": "1 84 12 76 451 089 46"})
    page = response.content.decode()
    assert "451 089" not in page
    assert f'value="{TYPED["birth_date"]}"' in page


def test_whoever_serves_two_insurers_says_which(client: Client) -> None:
    cast.member_of(cast.dune(), "paule", Role.VIEWER)
    cast.sign_in(client, cast.paule())
    assert "Choisissez l’organisme" in text(client.post(PAGE, TYPED))
    ask(client, insurer=cast.dune().slug)
    assert StaffQuestion.objects.get().insurer == cast.dune()


def test_an_insurer_of_others_cannot_be_named(client: Client) -> None:
    cast.member_of(cast.dune(), "paule", Role.VIEWER)
    cast.insurer("mutuelle-du-cap", "Mutuelle du Cap (fictive)")
    cast.sign_in(client, cast.paule())
    response = client.post(PAGE, TYPED | {"insurer": "mutuelle-du-cap"})
    assert "de la liste" in text(response)
    assert not StaffQuestion.objects.exists()


def test_neither_redis_nor_a_log_nor_the_trail_nor_an_address_names_the_person(
    client: Client, mail: Recorder, caplog: pytest.LogCaptureFixture
) -> None:
    send(built([member(7, email="camille@example.fr")]))
    with caplog.at_level("DEBUG"):
        address = ask(client)
        said(client, address)
    with redis.Redis.from_url(settings.REDIS_URL) as store:
        kept = b" ".join(key + str(store.get(key)).encode() for key in store.scan_iter("portal*"))
    trail = " ".join(f"{row.subject} {row.detail}" for row in AuditEntry.objects.all())
    for secret in ("000000007", "000 000 007", "1980-03-12", "12/03/1980"):
        assert secret.encode() not in kept
        for place in (caplog.text, trail, address, str(StaffAnswer.objects.get().content)):
            assert secret not in place
    assert StaffQuestion.objects.get().outcome == AskedOutcome.ANSWERED


def test_it_reads_in_english(client: Client) -> None:
    accepted_list([member(7, email="camille@example.fr")])
    page = said(client, ask(client, language="/en"))
    assert "On 1 list of your organisation" in page
    assert "No campaign" in page
