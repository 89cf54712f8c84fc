"""The page of reports: each reads what is theirs, grouped and inert."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from breachportal.models import User
from insurers.models import Insurer
from notifications.tasks import forget_suspicious
from notifications.verifying.suspicious import report_message
from tests import cast
from tests.conftest import as_role

pytestmark = pytest.mark.django_db
ADDRESS = "/espace/signalements/"


def report(text: str, insurer: Insurer | None, days_ago: int = 0) -> None:
    with as_role("web"):
        today = timezone.localdate() - timedelta(days=days_ago)
        report_message(text=text, channel="sms", insurer=insurer, today=today)


@pytest.fixture
def _reports() -> None:
    report("Le Phare : payez sur https://scam.test/a?id=1", cast.phare())
    report("le phare : payez sur https://scam.test/b?id=2", cast.phare(), 2)
    report("La Dune vous rembourse", cast.dune())
    report("Personne de précis", None)


def read(client: Client, person: User) -> str:
    return cast.sign_in(client, person).get(ADDRESS).content.decode()


@pytest.mark.usefixtures("_reports")
@pytest.mark.parametrize("person", [cast.paule, cast.vera, cast.aude])
def test_staff_and_auditors_read_what_names_their_insurer(client: Client, person: object) -> None:
    page = read(client, person())  # type: ignore[operator]
    assert "2 signalements" in page
    assert "Dune" not in page
    assert "Personne de précis" not in page


@pytest.mark.usefixtures("_reports")
def test_the_operator_reads_all(client: Client) -> None:
    page = read(client, cast.odile())
    for words in ("2 signalements", "La Dune vous rembourse", "Personne de précis"):
        assert words in page


@pytest.mark.usefixtures("_reports")
def test_a_link_is_inert_and_has_lost_its_end(client: Client) -> None:
    page = read(client, cast.paule())
    assert "hxxps://scam[.]test/" in page
    assert "scam.test" not in page
    assert "id=" not in page.partition('class="pasted"')[2].partition("</pre>")[0]
    assert 'content="telephone=no' in page
    assert "<code>hxxps://scam[.]test/a?…</code>" in page
    assert "<code>hxxps://scam[.]test/b?…</code>" in page


def test_what_was_pasted_is_escaped(client: Client) -> None:
    report("<script>alert(1)</script>\u202e", cast.phare())
    page = read(client, cast.paule())
    assert "<script>alert" not in page
    assert "\u202e" not in page


def test_nobody_reads_a_number_reported_of_another_insurer(client: Client) -> None:
    report("Appelez le 08 99 00 00 01", cast.phare())
    report("Appelez le 08 99 00 00 02", cast.dune())
    page = read(client, cast.paule())
    assert "08 99 00 00 01" in page
    assert "08 99 00 00 02" not in page


def test_there_may_be_none(client: Client) -> None:
    assert "Aucun signalement" in read(client, cast.paule())


def test_many_are_read_by_pages(client: Client) -> None:
    for number in range(21):
        report("mot " * (number + 1), cast.phare(), number)
    page = read(client, cast.paule())
    assert page.count('class="pasted"') == 20
    assert 'href="?page=2"' in page
    assert client.get(f"{ADDRESS}?page=2").content.decode().count('class="pasted"') == 1


def test_whoever_has_no_role_reads_none(client: Client) -> None:
    cast.sign_in(client, cast.user("nadia"))
    assert client.get(ADDRESS).status_code == 403


def test_the_task_erases_what_is_old(client: Client) -> None:
    report("Ancien", cast.phare(), 400)
    report("Nouveau", cast.phare())
    with as_role("worker"):
        forget_suspicious()
    page = read(client, cast.paule())
    assert "Nouveau" in page
    assert "Ancien" not in page
