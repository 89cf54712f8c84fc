"""`manage.py campaigns` says in a terminal what the campaign's page says."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from tests.conftest import as_role
from tests.notifications.story import built, member, send
from tests.smtp import Recorder

pytestmark = pytest.mark.django_db


def printed(*arguments: str) -> str:
    out = StringIO()
    with as_role("worker"):
        call_command("campaigns", *arguments, stdout=out)
    return out.getvalue()


def test_a_running_campaign_is_printed_with_its_bar() -> None:
    campaign = built([member(1, email="a@example.fr"), member(2)])
    said = printed()
    assert f"Campagne n° {campaign.pk}, mutuelle-du-phare : envoi en cours" in said
    assert "░" * 20 + "×" * 20 + " 2 personnes" in said
    assert "messages traités : 0 sur 1" in said


def test_failures_come_with_an_answer_without_the_address(mail: Recorder) -> None:
    mail.answers["camille@example.fr"] = "550 5.1.1 camille@example.fr is unknown"
    send(built([member(1, email="camille@example.fr")]))
    said = printed("--all")
    assert "réponse 550 du serveur de courriel : 1 (« 550 5.1.1 … is unknown »)" in said
    assert "camille" not in said


def test_why_a_campaign_halted_and_who_knows_is_said_in_words(mail: Recorder) -> None:
    mail.sender_answer = "550 5.7.1 not you"
    send(built([member(1, email="a@example.fr")]))
    said = printed()
    assert "Le serveur ou le prestataire refuse l’expéditeur" in said
    assert "prévenus par courriel : Armand, Paule" in said
    assert "sender_refused" not in said


def test_states_reasons_and_the_course_are_printed(mail: Recorder) -> None:
    send(built([member(1, email="a@example.fr"), member(2)]))
    said = printed("--all")
    assert "    ni courriel ni mobile sur la liste : 1" in said
    assert "    acceptée par le serveur : 1" in said
    assert "  informées dans le temps : | ▄| du 02/03 11:00 au " in said


def test_a_number_that_no_campaign_has_is_an_error() -> None:
    with pytest.raises(CommandError):
        printed("999999")


def test_what_ended_is_printed_when_asked_for(mail: Recorder) -> None:
    send(built([member(1, email="a@example.fr")]))
    assert printed() == "Aucune campagne en cours (--all montre les autres).\n"
    assert "terminée" in printed("--all")
