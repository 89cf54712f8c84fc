"""The pages of an exemption: asked, decided, lifted; shown on the register."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import pytest
from django.core import mail as outgoing
from django.urls import reverse

from insurers.models import AffectedList
from notifications.models import Exemption, ExemptionState
from tests import cast
from tests.conftest import WebClient
from tests.notifications import statements
from tests.notifications.exemptions.test_exemptions import (
    WHY,
    C,
    asked,
    in_force,
    instead_of_messages,
)

pytestmark = pytest.mark.django_db

ASKED = {"ground": "art_34_3_a", "justification": WHY}


def page(client: WebClient, found: AffectedList) -> str:
    return client.get(reverse("exemption", args=[found.pk])).content.decode()


def take(client: WebClient, step: str, exemption: Exemption, **sent: str) -> str:
    """Take a step; return the page that follows."""
    response = client.post(reverse(f"exemption_{step}", args=[exemption.pk]), sent, follow=True)
    return str(response.content.decode())


def test_from_the_list_to_an_exemption_in_force_and_back(
    client: WebClient, listed: AffectedList
) -> None:
    cast.declaration()
    cast.sign_in(client, cast.paule())
    address = reverse("exemption", args=[listed.pk])
    assert address in client.get(reverse("list_detail", args=[listed.pk])).content.decode()
    client.post(address, ASKED)
    exemption = Exemption.objects.get()
    assert "dispense, ou sa levée" in client.get(reverse("space")).content.decode()
    cast.sign_in(client, cast.armand())
    assert WHY in page(client, listed)
    assert "couvrirait 1 personne." in page(client, listed)
    assert "Approuvée" in take(client, "approve", exemption)
    assert "Levée demandée" in take(client, "ask_to_lift", exemption, reason="Clé retrouvée.")
    take(client, "lift", exemption)
    exemption.refresh_from_db()
    assert exemption.state == ExemptionState.LIFT_ASKED
    take(client, "keep", exemption)
    cast.sign_in(client, cast.paule())
    take(client, "ask_to_lift", exemption, reason="Clé retrouvée.")
    cast.sign_in(client, cast.armand())
    assert "de nouveau à prévenir" in take(client, "lift", exemption)


def test_a_refusal_stands_beside_the_text_that_stays(
    client: WebClient, listed: AffectedList
) -> None:
    cast.sign_in(client, cast.paule())
    text = "Nous avons vérifié le dossier de lise.martin@example.fr : il était bien chiffré."
    response = client.post(reverse("exemption", args=[listed.pk]), {**ASKED, "justification": text})
    assert response.status_code == 422
    assert text in response.content.decode()
    assert not Exemption.objects.exists()


def test_it_comes_back_with_a_comment_on_the_page_and_a_mail(
    client: WebClient,
    listed: AffectedList,
    django_capture_on_commit_callbacks: Callable[..., AbstractContextManager[Any]],
) -> None:
    cast.sign_in(client, cast.armand())
    with django_capture_on_commit_callbacks(execute=True):
        take(client, "return", asked(listed), comment="Précisez l’algorithme.")
    assert "Précisez l’algorithme." in page(client, listed)
    (message,) = outgoing.outbox
    assert (message.to, "algorithme" in message.body) == ([cast.paule().email], False)


def test_the_page_says_that_ground_c_wants_a_public_statement(
    client: WebClient, listed: AffectedList
) -> None:
    cast.sign_in(client, cast.armand())
    exemption = asked(listed, C)
    assert reverse("exemption_approve", args=[exemption.pk]) not in page(client, listed)
    assert "Aucune communication publique" in page(client, listed)
    statements.published(instead_of_messages())
    assert "Aucune communication publique" not in page(client, listed)
    assert reverse("exemption_approve", args=[exemption.pk]) in page(client, listed)


def test_the_register_shows_it_with_its_ground_and_people(
    client: WebClient, listed: AffectedList
) -> None:
    in_force(listed)
    cast.sign_in(client, cast.aude())
    places = [cast.breach().slug, cast.phare().slug]
    insurer_page = client.get(reverse("register_insurer", args=places)).content.decode()
    assert WHY in insurer_page
    assert "Dispense approuvée" in insurer_page
    line = client.get(reverse("register_breach", args=places[:1])).content.decode()
    assert "dispensées, données incompréhensibles" in line
