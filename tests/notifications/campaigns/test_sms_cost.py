"""What SMS cost is known, and frozen with their sender, before anybody approves."""

from dataclasses import replace

import pytest
from django.urls import reverse

from notifications.campaigns.sms_cost import sms_texts
from notifications.campaigns.steps import CampaignRefused
from notifications.campaigns.submitting import submit_campaign
from notifications.models import Channel
from notifications.notices.content import NoticeContent, save_version
from tests import cast
from tests.conftest import WebClient
from tests.notifications.story import accepted_list, member, notice_for

pytestmark = pytest.mark.django_db
CHANNELS = (Channel.EMAIL, Channel.SMS)


def content_of(name: str) -> NoticeContent:
    found = accepted_list([member(1, mobile="0639980001")])
    content = NoticeContent.from_json(notice_for(found).content)
    return replace(content, controller_name=name)


def test_the_text_of_the_portal_itself_forces_no_ucs2() -> None:
    for text in sms_texts(content_of("Mutuelle du Phare")):
        assert (text.forcing, text.is_gsm, text.parts) == ((), True, 2)


def test_characters_of_a_name_that_force_ucs2_are_said_with_what_they_cost() -> None:
    (text, *_) = sms_texts(content_of("L’Océan prévoyant ê"))
    assert text.forcing == ("’", "ê")
    assert not text.is_gsm
    assert text.plain_parts < text.parts


def test_the_plain_variant_takes_the_parts_that_were_said() -> None:
    content = content_of("L’Océan prévoyant ê")
    (text, *_) = sms_texts(content)
    (plain, *_) = sms_texts(content, has_plain_sms=True)
    assert plain.parts == text.plain_parts
    assert "L'Océan prévoyant e" in plain.text


def submit(sender: str, *, name: str = "") -> int:
    found = accepted_list([member(n, mobile=f"063998000{n}") for n in range(3)])
    version = notice_for(found)
    if name:
        content = replace(NoticeContent.from_json(version.content), controller_name=name)
        version = save_version(
            notice=version.notice, content=content, author_id=cast.paule().pk, now=cast.NOW
        )
    campaign = submit_campaign(
        version=version,
        affected_list=found,
        channels=CHANNELS,
        submitted_by_id=cast.paule().pk,
        sms_sender=sender,
        now=cast.NOW,
    )
    assert campaign.plan["sms"] == {"sender": sender, "is_plain": False}
    return campaign.pk


def test_a_sender_that_french_operators_refuse_is_refused() -> None:
    with pytest.raises(CampaignRefused):
        submit("Mutuelle du Phare")


def test_the_approver_sees_sender_text_and_parts(client: WebClient) -> None:
    campaign = submit("MutPhare", name="L’Océan (fictive)")
    cast.sign_in(client, cast.armand())
    page = client.get(reverse("campaign", args=[campaign])).content.decode()
    assert "MutPhare" in page
    assert "L’alphabet court des SMS n’a pas ’" in page
    assert "parties facturées au plus" in page
