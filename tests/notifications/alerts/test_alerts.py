"""Alerts: raised once, ended by themselves, mailed to those concerned and to nobody else."""

from collections.abc import Callable, Collection
from datetime import timedelta
from uuid import UUID

import pytest
from django.core import mail as outgoing
from django.db import connection
from django.test import override_settings
from pytest_django import DjangoCaptureOnCommitCallbacks

from audit.models import AuditEntry
from audit.trail import PORTAL, record
from insurers.models import AffectedList, Breach, Declaration, FingerprintKey, Mandate
from notifications.alerts.conditions import QUICK, SLOW
from notifications.alerts.raising import raise_alerts
from notifications.campaigns.halting import halt_campaign
from notifications.models import Alert, AlertKind, Campaign, RecountResult
from tests import cast
from tests.audit.tampering import behind_its_back
from tests.conftest import WebClient, as_role
from tests.notifications.story import accepted_list, built, member, send

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)
HOURS = timedelta(hours=72)


Look = Callable[..., list[Alert]]


@pytest.fixture
def look(django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks) -> Look:
    """Look for alerts as the worker does, and send their mails."""

    def looking(
        after: timedelta = timedelta(), *, kinds: Collection[AlertKind] = QUICK
    ) -> list[Alert]:
        with django_capture_on_commit_callbacks(execute=True), as_role("worker"):
            return raise_alerts(now=cast.NOW + after, kinds=kinds)

    return looking


def kinds() -> list[str]:
    return sorted(Alert.objects.filter(ended_at=None).values_list("kind", flat=True))


def test_a_clock_that_ran_out_is_told_once_and_ends(look: Look) -> None:
    people = {cast.paule().email, cast.armand().email, cast.aude().email}
    others = {cast.vera().email, cast.odile().email, cast.didier().email}
    Breach.objects.update(announced_date=None)
    declaration = cast.declaration()
    assert look(HOURS) == []
    (alert,) = look(HOURS + timedelta(seconds=1))
    assert (alert.kind, alert.insurer_id) == (AlertKind.CLOCK, cast.phare().pk)
    assert {message.to[0] for message in outgoing.outbox} == people
    assert not others & people
    assert "Notifiez la CNIL" in str(outgoing.outbox[0].body)
    assert look(HOURS + DAY) == []
    assert len(outgoing.outbox) == len(people)
    Declaration.objects.filter(pk=declaration.pk).update(
        authority_notified_at=cast.NOW + HOURS + DAY
    )
    look(HOURS + 2 * DAY)
    alert.refresh_from_db()
    assert (alert.ended_at, alert.mailed) == (cast.NOW + HOURS + 2 * DAY, 3)


def test_silence_is_told_to_the_operator_in_one_message(look: Look, client: WebClient) -> None:
    operators = {cast.odile().email, cast.user("olga").email}
    insurers = {cast.phare().pk, cast.dune().pk}
    Breach.objects.update(announced_date=cast.NOW.date() - 13 * DAY)
    assert look() == []
    assert {alert.insurer_id for alert in look(DAY)} == insurers
    assert kinds() == ["silent", "silent"]
    mailed = {message.to[0]: message.subject for message in outgoing.outbox}
    assert len(mailed) == len(outgoing.outbox)
    assert {mailed[person] for person in operators} == {"2 alertes sur le portail"}
    text = next(str(mail.body) for mail in outgoing.outbox if mail.to[0] in operators)
    assert text.count("- Organisme silencieux (") == 2
    assert text.count("n’a rien déclaré") == 1, "what to do is said once for all of a kind"
    page = cast.sign_in(client, cast.odile()).get("/espace/alertes/").content.decode()
    assert "Organisme silencieux (2)" in page
    assert page.count("n’a rien déclaré") == 1
    cast.declaration(cast.dune())
    look(2 * DAY)
    assert Alert.objects.get(ended_at=None).insurer_id == cast.phare().pk


def test_who_listed_people_is_not_silent(look: Look) -> None:
    accepted_list([member(1)])
    Breach.objects.update(announced_date=cast.NOW.date() - 20 * DAY)
    assert look() == []


def test_a_halted_campaign_is_shown_and_mailed_by_the_halt_alone(
    look: Look, client: WebClient
) -> None:
    campaign = built([member(1, email="lise@example.fr")])
    halt_campaign(campaign_id=campaign.pk, reason="failures", now=cast.NOW)
    look()
    assert kinds() == ["halted"]
    assert outgoing.outbox == []
    for person in (cast.vera(), cast.aude()):
        text = cast.sign_in(client, person).get("/espace/alertes/").content.decode()
        assert f"Campagne n° {campaign.pk}" in text
    for person, address in ((cast.vera(), "/espace/"), (cast.aude(), "/registre/")):
        text = cast.sign_in(client, person).get(address).content.decode()
        assert "1 alerte demande que quelqu’un agisse" in text
    for person in (cast.didier(), cast.odile()):
        text = cast.sign_in(client, person).get("/espace/alertes/").content.decode()
        assert "Aucune alerte en cours." in text
    assert client.get("/espace/alertes/").status_code == 200


@pytest.mark.usefixtures("mail")
def test_an_erasure_that_is_late_is_told(look: Look) -> None:
    campaign = built([member(1, email="lise@example.fr")])
    send(campaign)
    Campaign.objects.update(finished_at=cast.NOW)
    assert look(92 * DAY - timedelta(seconds=1)) == []
    (alert,) = look(92 * DAY)
    assert (alert.kind, alert.subject) == (
        AlertKind.ERASURE,
        f"list:{campaign.affected_list_id}",
    )


def test_a_breach_that_cannot_be_closed_is_told_to_the_operator(look: Look) -> None:
    operators = {cast.odile().email, cast.user("olga").email}
    accepted_list([member(1)])
    Breach.objects.update(closing_date=cast.NOW.date())
    assert look(DAY) == []
    (alert,) = look(2 * DAY)
    assert (alert.kind, alert.subject, alert.detail) == ("erasure", "breach", {"hindrances": 1})
    assert {message.to[0] for message in outgoing.outbox} == operators


def test_a_key_near_its_term_is_told(look: Look) -> None:
    accepted_list([member(1)])
    FingerprintKey.objects.update(created_at=cast.NOW)
    assert look(334 * DAY) == []
    (alert,) = look(335 * DAY)
    assert (alert.kind, alert.subject) == (AlertKind.KEY, "key:1")


def test_no_alert_or_mail_names_a_person(look: Look) -> None:
    accepted_list([member(1, email="lise@example.fr")])
    cast.declaration()
    look(100 * DAY)
    kept = str(list(Alert.objects.values())) + str([m.body for m in outgoing.outbox])
    assert "lise" not in kept
    assert "000000001" not in kept


def test_a_recount_that_differs_is_told_until_one_agrees(look: Look) -> None:
    cast.odile()
    place = {"breach": cast.breach(), "insurer": cast.phare()}
    times = {"started_at": cast.NOW, "finished_at": cast.NOW, "events": 1, "lines": 1}
    result = RecountResult.objects.create(**times, differences=1)
    result.found.create(**place, kind="tally", recounted_people=1, kept_people=2)
    Breach.objects.update(announced_date=None)
    (alert,) = look()
    assert (alert.kind, alert.insurer_id) == (AlertKind.RECOUNT, cast.phare().pk)
    assert cast.odile().email in {message.to[0] for message in outgoing.outbox}
    RecountResult.objects.create(**times, differences=0)
    look()
    assert kinds() == []


@override_settings(TRAIL_HEADS_DIR=None)
def test_a_trail_that_was_changed_is_told(look: Look) -> None:
    accepted_list([member(1)])
    assert look(kinds=SLOW) == []
    with behind_its_back():
        AuditEntry.objects.filter(scope=f"insurer:{cast.phare().pk}").update(actor="x")
    (alert,) = look(kinds=SLOW)
    assert (alert.kind, alert.insurer_id, alert.subject) == (
        AlertKind.TRAIL,
        cast.phare().pk,
        "entry:1",
    )
    # The quick look, which reads no entry, does not take it back.
    look()
    assert "trail" in kinds()


@override_settings(TRAIL_HEADS_DIR=None)
@pytest.mark.parametrize("scope", ["insurer:x" * 20, f"insurer:{UUID(int=7)}"])
def test_a_chain_of_nobody_hides_no_other(look: Look, scope: str) -> None:
    """Written by whoever may write anything, or of an insurer that the directory lost."""
    for one in (scope, PORTAL):
        record(action="user.changed", scope=one)
    with behind_its_back():
        AuditEntry.objects.update(actor="x")
    assert len(look(kinds=SLOW)) == 2
    connection.check_constraints()
    assert {alert.subject.split()[0] for alert in Alert.objects.all()} == {"entry:1"}


def test_a_clock_that_was_set_back_ends_an_alert_all_the_same(look: Look) -> None:
    Breach.objects.update(announced_date=None)
    declaration = cast.declaration()
    (alert,) = look(HOURS + DAY)
    Declaration.objects.filter(pk=declaration.pk).update(authority_notified_at=cast.NOW)
    look(HOURS)
    alert.refresh_from_db()
    assert alert.ended_at == alert.raised_at


def test_a_file_of_problems_that_stays_is_told_though_the_contacts_have_gone(look: Look) -> None:
    found = accepted_list([member(1), ";12/03/1980;Phare;Omar;;;"])
    AffectedList.objects.filter(pk=found.pk).update(
        decided_at=cast.NOW, contacts_purged_at=cast.NOW
    )
    assert look(32 * DAY - timedelta(seconds=1)) == []
    (alert,) = look(32 * DAY)
    assert (alert.kind, alert.subject) == (AlertKind.ERASURE, f"list:{found.pk}")


def test_what_comes_and_goes_is_mailed_once_a_day(look: Look) -> None:
    cast.aude()
    Breach.objects.update(announced_date=None)
    declaration = cast.declaration()
    mine = Declaration.objects.filter(pk=declaration.pk)
    for minutes in range(0, 60, 20):
        assert len(look(HOURS + timedelta(minutes=minutes + 1))) == 1
        mine.update(authority_notified_at=cast.NOW + HOURS)
        look(HOURS + timedelta(minutes=minutes + 11))
        mine.update(authority_notified_at=None)
    people = {message.to[0] for message in outgoing.outbox}
    assert len(outgoing.outbox) == len(people)
    assert cast.aude().email in people
    look(HOURS + 2 * DAY)
    assert len(outgoing.outbox) == 2 * len(people)
    assert Alert.objects.count() == 4


def test_a_mandate_without_insurers_is_mailed_nothing(look: Look) -> None:
    Mandate.objects.get(user=cast.aude()).insurers.clear()
    accepted_list([member(1)])
    FingerprintKey.objects.update(created_at=cast.NOW - 400 * DAY)
    assert len(look()) == 1
    assert cast.aude().email not in {message.to[0] for message in outgoing.outbox}
