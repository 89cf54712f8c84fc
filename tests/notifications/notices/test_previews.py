"""Previews show nobody real; a trial goes to whoever asked for it, and tells nobody."""

from datetime import timedelta

import pytest
from django.test import Client

from insurers.row_security import row_scope
from notifications.models import NoticeVersion, Notification, Tally, Trial
from notifications.notices.previews import RECIPIENTS
from notifications.notices.trials import (
    AT_MOST,
    LOST_AFTER,
    TrialRefused,
    ask_for_trial,
    send_trial_message,
    status_of,
)
from tests import cast
from tests.conftest import Writing, as_role
from tests.notifications.story import accepted_list, member, notice_for
from tests.smtp import Recorder

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def _written_once(beginning: Writing, standing_cast: None) -> int:
    with beginning():
        found = accepted_list([member(1, email="reelle@example.fr", name="Reel;Rose")])
        return notice_for(found).pk


@pytest.fixture
def version(_written_once: int) -> NoticeVersion:
    return NoticeVersion.objects.get(pk=_written_once)


def ask(version: NoticeVersion) -> Trial:
    return ask_for_trial(
        version=version, recipient=RECIPIENTS[0], asked_by_id=cast.paule().pk, now=cast.NOW
    )


@pytest.mark.parametrize("code", [recipient.code for recipient in RECIPIENTS])
def test_each_kind_of_recipient_is_shown_and_none_is_real(
    client: Client, version: NoticeVersion, code: str
) -> None:
    cast.sign_in(client, cast.vera())
    address = f"/espace/avis/{version.notice_id}/apercu/"
    page = client.get(address, {"pour": code})
    frame = client.get(f"{address}courriel/", {"pour": code})
    assert page.status_code == frame.status_code == 200
    for shown in (page.content.decode(), frame.content.decode()):
        assert "reelle@" not in shown
        assert "Rose" not in shown


def test_the_frame_runs_nothing_and_loads_nothing(client: Client, version: NoticeVersion) -> None:
    cast.sign_in(client, cast.vera())
    frame = client.get(f"/espace/avis/{version.notice_id}/apercu/courriel/")
    policy = frame["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "sandbox" in policy
    assert "frame-ancestors 'self'" in policy
    assert frame["X-Frame-Options"] == "SAMEORIGIN"
    assert "src=" not in frame.content.decode()


def test_a_trial_goes_to_who_asks_and_counts_for_nothing(
    mail: Recorder, version: NoticeVersion
) -> None:
    trial = ask(version)
    with as_role("worker"):
        send_trial_message(trial_id=trial.pk, now=cast.NOW)
        send_trial_message(trial_id=trial.pk, now=cast.NOW)
    trial.refresh_from_db()
    assert trial.state == "accepted"
    assert mail.recipients == [cast.paule().email]
    assert "[TEST]" in str(mail.messages[0]["Subject"])
    assert not Notification.objects.exists()
    assert not Tally.objects.exists()


def test_ten_trials_a_day_and_no_more(version: NoticeVersion) -> None:
    for _number in range(AT_MOST):
        ask(version)
    with pytest.raises(TrialRefused):
        ask(version)


def test_the_trials_of_one_do_not_use_up_those_of_another(version: NoticeVersion) -> None:
    for _number in range(AT_MOST):
        ask(version)
    ask_for_trial(
        version=version, recipient=RECIPIENTS[0], asked_by_id=cast.armand().pk, now=cast.NOW
    )


@pytest.mark.parametrize(("person", "seen"), [("paule", 1), ("armand", 0), ("didier", 0)])
def test_the_web_reads_nobody_elses_trial(version: NoticeVersion, person: str, seen: int) -> None:
    ask(version)
    reader = getattr(cast, person)()
    place = cast.dune() if person == "didier" else cast.phare()
    with (
        as_role("web"),
        row_scope(insurers=[place.pk], role="staff", user_id=reader.pk),
    ):
        assert Trial.objects.count() == seen


def test_a_trial_without_an_answer_is_said_to_be_lost(
    client: Client, version: NoticeVersion
) -> None:
    trial = ask(version)
    Trial.objects.filter(pk=trial.pk).update(taken_up_at=cast.NOW)  # by a worker that was killed
    trial.refresh_from_db()
    assert status_of(trial, now=cast.NOW + LOST_AFTER) == "waiting"
    assert status_of(trial, now=cast.NOW + LOST_AFTER + timedelta(seconds=1)) == "lost"
    with as_role("worker"):
        send_trial_message(trial_id=trial.pk, now=cast.NOW)  # It may have left: not again.
    trial.refresh_from_db()
    assert trial.state == ""
    page = cast.sign_in(client, cast.paule()).get(f"/espace/avis/{version.notice_id}/apercu/")
    assert "sans réponse" in page.content.decode()


def test_a_viewer_sends_no_trial(client: Client, version: NoticeVersion) -> None:
    cast.sign_in(client, cast.vera())
    assert client.post(f"/espace/avis/{version.notice_id}/essai/").status_code == 403
    assert not Trial.objects.exists()
