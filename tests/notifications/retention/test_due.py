"""When contacts and files of problems go, and what they wait for."""

from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.test import override_settings
from pytest_django import DjangoAssertNumQueries

from insurers.lists.purging import run_purge
from insurers.models import AffectedList, AffectedMember, ListPurge
from notifications.models import Erasure, ErasureKind, RetentionPeriod
from notifications.register.glance import lines_of
from notifications.retention.due import Due, Subject, due_of
from notifications.retention.erasing import erase_what_is_due
from tests import cast
from tests.conftest import WebClient, as_role
from tests.notifications.story import accepted_list, approved, built, member, send

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("mail")]

WRONG = "000000002;12/03/1980;Phare;Omar;omar@;;"
DAY = timedelta(days=1)


def contacts(found: AffectedList) -> Due:
    found.refresh_from_db()
    return next(due for due in due_of([found]) if due.subject == Subject.CONTACTS)


def erase(*, after: timedelta) -> list[ListPurge]:
    with as_role("worker"):
        purges = erase_what_is_due(now=cast.NOW + after)
        for purge in purges:
            run_purge(purge_id=purge.pk, now=cast.NOW + after)
    return purges


def told() -> AffectedList:
    campaign = built([member(1, email="lise@example.fr"), WRONG])
    send(campaign)
    assert campaign.finished_at is not None
    type(campaign).objects.update(finished_at=cast.NOW)
    return campaign.affected_list


def test_contacts_go_ninety_days_after_the_campaign_and_figures_stay() -> None:
    found = told()
    before = lines_of(breach=found.breach, insurers=[found.insurer.pk])[0].figures
    assert contacts(found).at == cast.NOW + 90 * DAY
    assert not erase(after=90 * DAY - timedelta(seconds=1))
    (purge,) = erase(after=90 * DAY)
    purge.refresh_from_db()
    assert purge.finished_at is not None
    assert purge.key_destroyed_at is not None
    assert {bytes(m.contact or b"") for m in AffectedMember.objects.all()} == {b""}
    assert lines_of(breach=found.breach, insurers=[found.insurer.pk])[0].figures == before
    found.refresh_from_db()
    assert due_of([found]) == []
    assert erase(after=91 * DAY) == []


def test_contacts_wait_for_their_campaign() -> None:
    found = accepted_list([member(1, email="lise@example.fr")])
    assert contacts(found).at is None
    assert contacts(found).hindrance == "Personne de cette liste n’a encore été informé."
    campaign = approved(found)
    assert contacts(found).hindrance == f"La campagne n° {campaign.pk} n’est pas terminée."
    assert erase(after=1000 * DAY) == []


def test_an_insurer_has_its_own_days_before_those_of_the_breach() -> None:
    found = told()
    days = {"contacts_days": 30, "problems_days": 10}
    RetentionPeriod.objects.create(breach=found.breach, insurer=None, **days)
    assert contacts(found).at == cast.NOW + 30 * DAY
    RetentionPeriod.objects.create(
        breach=found.breach, insurer=found.insurer, contacts_days=7, problems_days=1
    )
    RetentionPeriod.objects.create(breach=found.breach, insurer=cast.dune(), **days)
    assert contacts(found).at == cast.NOW + 7 * DAY


def test_the_file_of_problems_goes_with_a_proof_and_its_counts_stay() -> None:
    found = told()
    lines = found.problems.count()
    assert lines
    erase(after=30 * DAY - timedelta(seconds=1))
    assert found.problems.count() == lines
    erase(after=30 * DAY)
    found.refresh_from_db()
    assert (found.problems.count(), found.problems_erased_at) == (0, cast.NOW + 30 * DAY)
    assert sum(count for _severity, _code, count in found.report.problems) == lines
    proof = Erasure.objects.get()
    assert (proof.kind, proof.counts) == (ErasureKind.PROBLEMS, {"lines": lines})
    assert proof.finished_at == cast.NOW + 30 * DAY
    erase(after=31 * DAY)
    assert Erasure.objects.get().counts == {"lines": lines}


def test_the_register_still_says_why_rows_were_rejected(client: WebClient) -> None:
    campaign = built([member(1, email="lise@example.fr"), ";12/03/1980;Phare;Omar;;;"])
    place = f"{campaign.breach.slug}/{campaign.insurer.slug}"
    cast.sign_in(client, cast.aude())
    before = client.get(f"/registre/{place}/").content.decode()
    erase(after=30 * DAY)
    assert not campaign.affected_list.problems.exists()
    after = client.get(f"/registre/{place}/").content.decode()
    for page in (before, after):
        assert "Lignes rejetées" in page


def test_many_lists_take_no_more_statements_than_one(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    for number in (1, 2, 3):
        accepted_list([member(number)])
    lists = list(AffectedList.objects.select_related("report"))
    for some in (lists[:1], lists):
        with django_assert_num_queries(3):
            assert len(due_of(some)) == len(some)


def test_a_dry_run_says_what_would_go_and_changes_nothing() -> None:
    found = told()
    accepted_list([member(5, email="ines@example.fr")])
    said = StringIO()
    with as_role("worker"):
        call_command("apply_retention", "--dry-run", stdout=said)
    lines = said.getvalue().splitlines()
    assert lines[0].startswith(f"{found.insurer.name}, liste n° {found.pk} : fichier des")
    assert "échu depuis le 31/05/2026" in said.getvalue()
    assert "Personne de cette liste n’a encore été informé." in said.getvalue()
    assert AffectedMember.objects.exclude(contact=None).count() == 3
    assert not ListPurge.objects.exists()
    assert not Erasure.objects.exists()


@override_settings(ROLE="web")
def test_the_web_role_does_not_erase() -> None:
    with pytest.raises(CommandError, match="PORTAL_ROLE=worker"):
        call_command("apply_retention")


def test_the_page_says_what_goes_when_and_what_went(client: WebClient) -> None:
    found = told()
    page = cast.sign_in(client, cast.vera()).get("/espace/conservation/")
    text = page.content.decode()
    assert "90 jours après la fin de la campagne" in text
    assert "31 mai 2026" in text
    assert "Rien n’a encore été effacé." in text
    erase(after=90 * DAY)
    text = client.get("/espace/conservation/").content.decode()
    assert f"Clé list/{found.pk}/1 détruite le 31 mai 2026" in text
    assert "tout ce qui avait un terme est effacé." in text
    assert "1 ligne" in text


def test_the_page_shows_nothing_of_another_insurer(client: WebClient) -> None:
    told()
    text = cast.sign_in(client, cast.didier()).get("/espace/conservation/").content.decode()
    assert "Mutuelle du Phare" not in text
    assert "Aucune liste n’a encore été envoyée" in text


def test_an_auditor_reads_it(client: WebClient) -> None:
    told()
    text = cast.sign_in(client, cast.aude()).get("/espace/conservation/").content.decode()
    assert "Mutuelle du Phare" in text
