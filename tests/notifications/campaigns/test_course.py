"""A campaign's page says its rate, its end, its course and its failures, from tallies."""

import re
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from notifications.campaigns.course import course_of, failures_with_examples, speed_of, take_samples
from notifications.models import AnswerExample, Campaign, CampaignSample, CampaignState
from notifications.register.figures import campaign_figures
from notifications.states import Standing
from tests import cast
from tests.conftest import as_role
from tests.notifications.story import built, member, send
from tests.smtp import Recorder

pytestmark = pytest.mark.django_db


def ten() -> list[str]:
    return [member(number, email=f"p{number}@example.fr") for number in range(10)]


def halfway(campaign: Campaign, done: int) -> None:
    """Pretend that a sample of 30 s ago had so many messages done."""
    Campaign.objects.filter(pk=campaign.pk).update(
        state=CampaignState.SENDING, first_message_at=cast.NOW - timedelta(minutes=30)
    )
    campaign.refresh_from_db()
    CampaignSample.objects.create(
        campaign=campaign,
        at=cast.NOW - timedelta(seconds=30),
        people={"told": done, "in_progress": 10 - done},
        messages_done=done,
    )


def speed(campaign: Campaign) -> Any:
    return speed_of(campaign=campaign, figures=campaign_figures(campaign), now=cast.NOW)


def test_the_rate_is_what_ended_since_a_recent_sample(mail: Recorder) -> None:
    campaign = built(ten())
    send(campaign)
    halfway(campaign, 4)
    assert speed(campaign).per_second == pytest.approx(6 / 30)


def test_the_end_is_what_is_left_at_that_rate(mail: Recorder) -> None:
    mail.answers["p3@example.fr"] = "450 later"
    campaign = built(ten())
    send(campaign)
    halfway(campaign, 3)
    assert speed(campaign).end_at == cast.NOW + timedelta(seconds=1 / (6 / 30))


def test_without_progress_no_end_is_promised() -> None:
    campaign = built(ten())
    halfway(campaign, 0)
    assert (speed(campaign).per_second, speed(campaign).end_at) == (0, None)


def test_a_paused_campaign_has_no_rate() -> None:
    campaign = built(ten())
    halfway(campaign, 0)
    campaign.state = CampaignState.PAUSED
    assert speed(campaign) is None


def test_a_sample_holds_the_tallies_of_the_moment() -> None:
    campaign = built(ten())
    with as_role("worker"):
        take_samples(now=cast.NOW)
        take_samples(now=cast.NOW)
    assert campaign.samples.get().people["in_progress"] == 10


def test_samples_of_long_campaigns_are_thinned() -> None:
    campaign = built(ten())
    start = campaign.approved_at
    assert start is not None
    CampaignSample.objects.bulk_create(
        CampaignSample(
            campaign=campaign, at=start + timedelta(seconds=10 * n), people={}, messages_done=0
        )
        for n in range(1, 2000)
    )
    with as_role("worker"):
        take_samples(now=start + timedelta(seconds=20_000))
    kept = campaign.samples.count()
    assert 120 <= kept <= 120 + 62
    points = course_of(
        campaign=campaign,
        figures=campaign_figures(campaign),
        now=start + timedelta(seconds=20_000),
    )
    assert len(points) <= 24


def test_the_course_ends_with_what_stands_now(mail: Recorder) -> None:
    campaign = built(ten())
    send(campaign)
    points = course_of(campaign=campaign, figures=campaign_figures(campaign), now=cast.NOW)
    assert points[0].people == {Standing.IN_PROGRESS: 10}
    assert points[-1].people[Standing.TOLD] == 10


def test_a_refusal_is_shown_in_the_servers_words_without_the_address(
    mail: Recorder, client: Client
) -> None:
    mail.answers["camille.phare@example.fr"] = "550 5.1.1 user camille.phare (Phare) unknown here"
    campaign = built([member(1, email="camille.phare@example.fr"), *ten()[2:]])
    send(campaign)
    failures = failures_with_examples(campaign=campaign)
    assert [(found.reason, found.messages) for found in failures] == [("smtp-550", 1)]
    assert failures[0].example == "550 5.1.1 user … (…) unknown here"
    cast.sign_in(client, cast.vera())
    page = client.get(f"/espace/campagnes/{campaign.pk}/").content.decode()
    assert "unknown here" in page


def under_way(mail: Recorder) -> Campaign:
    """Six messages in the last thirty seconds, and one to come."""
    mail.answers["p3@example.fr"] = "450 later"
    campaign = built(ten())
    send(campaign)
    now = timezone.now()
    Campaign.objects.update(first_message_at=now - timedelta(minutes=30))
    CampaignSample.objects.create(
        campaign=campaign, at=now - timedelta(seconds=30), people={}, messages_done=3
    )
    return campaign


def test_the_page_says_rate_end_and_states_and_is_renewed_while_it_sends(
    mail: Recorder, client: Client
) -> None:
    campaign = under_way(mail)
    cast.sign_in(client, cast.vera())
    address = f"/espace/campagnes/{campaign.pk}/"
    page = client.get(address).content.decode()
    assert "En ce moment\xa0: 0,2 messages par seconde." in page
    assert "À ce rythme, fin vers le" in page
    assert 'class="bar bar-told"' in page
    for part in ("avancement", "evolution"):
        assert f'hx-get="{address}{part}/"' in page
        assert f'hx-get="{address}{part}/"' in client.get(f"{address}{part}/").content.decode()
    Campaign.objects.update(state=CampaignState.FINISHED, finished_at=timezone.now())
    for part in ("", "avancement/", "evolution/"):
        ended = client.get(f"{address}{part}").content.decode()
        assert "hx-get" not in ended
        assert "messages par seconde" not in ended


def test_a_terminal_says_rate_and_end_too(mail: Recorder) -> None:
    under_way(mail)
    out = StringIO()
    call_command("campaigns", stdout=out)
    assert re.search(
        r"en ce moment : 0\.2 messages par seconde, fin vers le \d\d/\d\d/\d{4} à", out.getvalue()
    )


def test_the_chart_and_its_table_say_the_same(mail: Recorder, client: Client) -> None:
    campaign = built(ten())
    send(campaign)
    cast.sign_in(client, cast.vera())
    page = client.get(f"/espace/campagnes/{campaign.pk}/evolution/").content.decode()
    assert '<polygon class="bar bar-told"' in page
    assert 'role="img"' in page
    assert "style=" not in page
    assert page.count('<th scope="row"') == 2


def test_what_htmx_renews_reads_no_message(mail: Recorder, client: Client) -> None:
    campaign = built(ten())
    send(campaign)
    cast.sign_in(client, cast.vera())
    with CaptureQueriesContext(connection) as queries:
        client.get(f"/espace/campagnes/{campaign.pk}/avancement/")
        client.get(f"/espace/campagnes/{campaign.pk}/evolution/")
    said = " ".join(query["sql"] for query in queries)
    assert "notifications_tally" in said
    assert "notifications_notification" not in said
    assert "notifications_deliveryevent" not in said


def test_staff_of_another_insurer_see_no_sample_and_no_answer(client: Client) -> None:
    campaign = built(ten())
    halfway(campaign, 1)
    AnswerExample.objects.create(campaign=campaign, channel="email", reason="smtp-550", text="no")
    cast.sign_in(client, cast.didier())
    assert client.get(f"/espace/campagnes/{campaign.pk}/evolution/").status_code == 404
    with as_role("web"):
        assert not CampaignSample.objects.exists()
        assert not AnswerExample.objects.exists()
