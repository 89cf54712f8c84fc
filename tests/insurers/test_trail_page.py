"""The trail as people read it."""

import re
from pathlib import Path

import pytest

from audit.models import AuditEntry
from audit.trail import PORTAL, account, insurer_scope, record
from insurers.trail_views import PAGE
from insurers.trail_words import ACTIONS, KINDS, action_words, detail_words, subject_words
from tests import cast
from tests.conftest import WebClient

pytestmark = pytest.mark.django_db

APPS = ("audit", "breachportal", "insurers", "notifications", "lookup")
PAGE_ADDRESS = "/registre/journal/"


def phare_scope() -> str:
    return insurer_scope(cast.phare().pk)


def sequences(client: WebClient, query: str = "") -> list[int]:
    rows = client.get(f"{PAGE_ADDRESS}{query}").context["rows"]
    return [row.entry.sequence for row in rows]


@pytest.mark.parametrize(
    ("who", "status"),
    [("paule", 200), ("vera", 200), ("aude", 200), ("odile", 200), ("nadia", 403)],
)
def test_who_reads_the_trail(client: WebClient, who: str, status: int) -> None:
    person = cast.user("nadia") if who == "nadia" else getattr(cast, who)()
    assert cast.sign_in(client, person).get(PAGE_ADDRESS).status_code == status


@pytest.mark.parametrize(
    ("who", "chains"),
    [
        ("paule", ["Mutuelle du Phare (fictive)"]),
        ("aude", ["Mutuelle du Phare (fictive)", "Portail"]),
        ("odile", ["Portail"]),
        ("didier", ["Mutuelle de la Dune (fictive)"]),
    ],
)
def test_each_person_chooses_among_its_own_chains(
    client: WebClient, who: str, chains: list[str]
) -> None:
    cast.phare(), cast.dune()
    page = cast.sign_in(client, getattr(cast, who)()).get(PAGE_ADDRESS)
    assert [name for _scope, name in page.context["form"].fields["chain"].choices] == chains


def test_another_insurers_chain_cannot_be_asked_for(client: WebClient) -> None:
    record(action="list.accepted", scope=phare_scope(), subject="list:4242")
    cast.sign_in(client, cast.didier())
    assert "list:4242" not in client.get(PAGE_ADDRESS, {"chain": phare_scope()}).content.decode()


def test_an_entry_names_its_author_and_says_a_refusal(client: WebClient) -> None:
    armand = cast.armand()
    record(action="campaign.approved", scope=phare_scope(), actor=account(armand.pk))
    page = cast.sign_in(client, cast.paule()).get(PAGE_ADDRESS).content.decode()
    assert "Armand" in page
    assert "Campagne approuvée" in page
    assert "campaign.approved" in page


def test_every_action_that_the_code_records_has_words() -> None:
    source = "".join(path.read_text() for app in APPS for path in Path(app).rglob("*.py"))
    kinds = "|".join(KINDS)
    recorded = set(re.findall(rf'"((?:{kinds})\.[a-z_]+)"', source)) - {"invitation.html"}
    assert recorded == set(ACTIONS)


@pytest.mark.parametrize(
    ("action", "words"),
    [
        ("insurer.changed", "Modification\u00a0: organisme complémentaire"),
        ("affiliation.imported", "Import\u00a0: rattachement"),
        ("something.new", "something.new"),
    ],
)
def test_an_action_of_the_administration_is_named_after_its_table(action: str, words: str) -> None:
    assert action_words(action) == words


def test_figures_and_roles_of_an_entry_are_read_by_people(client: WebClient) -> None:
    figures = {"members": 49974, "role": "approver", "concerned": True}
    record(action="list.ingested", scope=phare_scope(), subject="list:7", detail=figures)
    row = cast.sign_in(client, cast.paule()).get(PAGE_ADDRESS).context["rows"][0]
    assert row.subject == "liste n° 7"
    said = {detail.name: detail.value for detail in row.details}
    assert said == {"personnes": "49\u202f974", "rôle": "approbateur", "concerné": "oui"}


@pytest.mark.parametrize(
    ("detail", "words"),
    [
        ({"effect": "replace"}, ("effet", "remplacer")),
        ({"purge": "list"}, ("objet de l’effacement", "liste entière")),
        ({"field": "birth_date"}, ("donnée", "date de naissance")),
        ({"member_number": 3}, ("numéro d’adhérent", "3")),
    ],
)
def test_codes_of_lists_are_said_in_words(
    detail: dict[str, object], words: tuple[str, str]
) -> None:
    record(action="list.uploaded", scope=phare_scope(), detail=detail)
    (said,) = detail_words(AuditEntry.objects.get())
    assert (said.name, said.value) == words


@pytest.mark.parametrize(
    ("detail", "words"),
    [
        (
            {"code": "nir_column", "row": None, "column": "email"},
            "Une colonne contient des numéros de sécurité sociale\u00a0: courriel.",
        ),
        (
            {"code": "no_valid_row", "row": 2, "column": "phone", "problem": "phone_format"},
            "Aucune ligne n’est utilisable. La première en cause est la ligne 2"
            " (téléphone mobile)\u00a0: le numéro de mobile n’est pas valable.",
        ),
        (
            {"code": "no_valid_row", "row": 2, "column": "phone", "problem": "a_later_problem"},
            "Aucune ligne n’est utilisable. La première en cause est la ligne 2",
        ),
        ({"code": "broken_quotes", "row": 7}, "Un guillemet est mal placé à la ligne 7."),
        ({"code": "broken_quotes"}, "Un guillemet est mal placé à la ligne ?."),
        ({"code": "a_later_code"}, "a_later_code"),
    ],
)
def test_the_trail_says_why_a_list_was_refused(detail: dict[str, object], words: str) -> None:
    record(action="list.refused", scope=phare_scope(), detail=detail)
    (said,) = detail_words(AuditEntry.objects.get())
    assert said.name == "motif"
    assert said.value.startswith(words)


def test_what_is_forgotten_is_a_column() -> None:
    assert subject_words("column:7") == "colonne n° 7"


def test_entries_are_filtered_by_action_and_day(client: WebClient) -> None:
    for action in ("list.accepted", "campaign.approved", "list.refused"):
        record(action=action, scope=phare_scope())
    cast.sign_in(client, cast.paule())
    assert sequences(client, "?action=list.") == [3, 1]
    assert sequences(client, "?to_date=2001-01-01") == []
    assert sequences(client, "?from_date=2001-01-01") == [3, 2, 1]


@pytest.mark.parametrize(
    "query", ["?from_date=hier", "?before=x", "?chain=insurer:0", "?action=%00"]
)
def test_bad_filters_are_said_and_do_not_fail(client: WebClient, query: str) -> None:
    page = cast.sign_in(client, cast.paule()).get(f"{PAGE_ADDRESS}{query}")
    assert page.status_code == 200
    assert "À corriger" in page.content.decode()


def test_older_entries_come_page_by_page_without_gap(client: WebClient) -> None:
    for _number in range(PAGE + 3):
        record(action="list.accepted", scope=PORTAL)
    cast.sign_in(client, cast.odile())
    first = client.get(PAGE_ADDRESS)
    assert sequences(client) == list(range(PAGE + 3, 3, -1))
    assert sequences(client, f"?{first.context['older']}") == [3, 2, 1]
