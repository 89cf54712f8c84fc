"""The portal operator sees how many people wait for which insurer, and how waits ended."""

from datetime import date
from uuid import NAMESPACE_URL, uuid5

import pytest
from django.core.cache import cache
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from insurers.models import Insurer
from lookup.models import Ending, WaitingAddress, WaitingTally
from tests import cast
from tests.lookup.test_waiting import text_of

pytestmark = pytest.mark.django_db
LIST = "admin:insurers_insurer_changelist"


@pytest.fixture
def odile(client: Client) -> Client:
    cache.clear()
    return cast.sign_in(client, cast.odile())


def waiting(insurer: Insurer, *, people: int, is_confirmed: bool = True) -> None:
    now = timezone.now()
    for number in range(people):
        token = f"{insurer.slug}{number}{is_confirmed}".encode()
        WaitingAddress.objects.create(
            insurer=insurer,
            fingerprint=uuid5(NAMESPACE_URL, token.decode()),
            sealed=b"sealed",
            token_sha256=token,
            language="fr",
            asked_at=now,
            confirmed_at=now if is_confirmed else None,
        )


def test_the_list_says_whom_to_ask_first(odile: Client) -> None:
    phare, dune = cast.phare(), cast.dune()
    waiting(phare, people=2)
    waiting(dune, people=3)
    waiting(phare, people=4, is_confirmed=False)
    column = odile.get(reverse(LIST)).context["cl"].list_display.index("people_waiting")
    page = odile.get(reverse(LIST), {"o": f"-{column}"})
    rows = [(one.name, one.people_waiting) for one in page.context["cl"].result_list]
    assert rows[:2] == [(dune.name, 3), (phare.name, 2)]
    assert "Personnes en attente" in text_of(page)


def test_the_list_can_show_only_those_that_are_awaited(odile: Client) -> None:
    cast.phare()
    waiting(cast.dune(), people=1)
    page = odile.get(reverse(LIST), {"attendu": "oui"})
    assert [one.slug for one in page.context["cl"].result_list] == ["mutuelle-de-la-dune"]


def test_how_waits_ended_is_read_and_never_changed(odile: Client) -> None:
    tally = WaitingTally.objects.create(
        insurer=cast.phare(), month_date=date(2026, 11, 1), ending=Ending.TOLD, people=7
    )
    page = odile.get(reverse("admin:lookup_waitingtally_changelist"))
    assert "prévenues" in text_of(page)
    change = reverse("admin:lookup_waitingtally_change", args=[tally.pk])
    assert odile.post(change, {"people": "8"}).status_code == 403
    assert odile.get(reverse("admin:lookup_waitingtally_add")).status_code == 403


def test_an_insurers_staff_does_not_reach_it(client: Client) -> None:
    cast.sign_in(client, cast.paule())
    assert client.get(reverse("admin:lookup_waitingtally_changelist")).status_code == 302
