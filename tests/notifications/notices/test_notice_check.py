"""A notice is judged while it is typed; nothing of that is kept."""

import pytest
from django.test import Client

from notifications.models import NoticeVersion
from tests import cast
from tests.notifications.story import accepted_list, draft_for, member

pytestmark = pytest.mark.django_db


@pytest.fixture
def draft() -> NoticeVersion:
    return draft_for(accepted_list([member(1, email="a@example.fr")]))


def check(client: Client, draft: NoticeVersion, **changed: str) -> str:
    cast.sign_in(client, cast.paule())
    shown = client.get(f"/espace/avis/{draft.notice_id}/")
    data = {name: value for name, value in shown.context["form"].initial.items() if value}
    answer = client.post(f"/espace/avis/{draft.notice_id}/verifier/", data | changed)
    return " ".join(answer.content.decode().split())


def test_each_unmet_point_stands_beside_its_field_with_its_article(
    client: Client, draft: NoticeVersion
) -> None:
    said = check(client, draft)
    assert 'id="unmet-fr_consequences" hx-swap-oob="innerHTML"><p class="error">' in said
    assert "33(3)(c)" in said
    assert draft.notice.versions.count() == 1


def test_a_point_that_is_met_goes(client: Client, draft: NoticeVersion) -> None:
    said = check(
        client, draft, fr_consequences="Quelqu’un peut se faire passer pour votre mutuelle."
    )
    assert 'id="unmet-fr_consequences" hx-swap-oob="innerHTML"> </div>' in said


def test_the_parts_of_an_sms_and_what_makes_it_longer_are_said(
    client: Client, draft: NoticeVersion
) -> None:
    assert "GSM-7" in check(client, draft)
    said = check(client, draft, fr_sms="{organisme} : reçu, ê ô ’. Tapez {portail}. {référence}")
    assert "UCS-2" in said
    assert "ç ê ô ’" in said


def test_bad_input_is_judged_too(client: Client, draft: NoticeVersion) -> None:
    said = check(client, draft, contact_email="pas une adresse", fr_advice="x" * 6000)
    assert 'id="unmet-fr_advice"' in said


def test_an_auditor_cannot_ask(client: Client, draft: NoticeVersion) -> None:
    cast.sign_in(client, cast.aude())
    assert client.post(f"/espace/avis/{draft.notice_id}/verifier/").status_code == 403
