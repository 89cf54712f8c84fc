"""An insurer's public statement: written in versions, approved by another person, withdrawn."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any

import pytest
from django.core import mail as django_mail
from django.db import IntegrityError, ProgrammingError, connection, transaction
from django.test import Client

from audit.models import AuditEntry
from insurers.models import Role
from insurers.row_security import row_scope
from notifications.models import (
    Publication,
    PublicationState,
    PublishedStatement,
    StatementGround,
    StatementVersion,
)
from notifications.notices.content import NoticeContent, save_version
from notifications.statements.checklist import unmet_by
from notifications.statements.content import StatementContent, StatementTexts, draft_of
from notifications.statements.publishing import (
    PublicationRefused,
    approve_statement,
    return_statement,
    submit_statement,
    withdraw_statement,
)
from tests import cast
from tests.conftest import as_role
from tests.notifications import story
from tests.notifications.statements import (
    HAPPENED,
    MEASURES,
    complete,
    published,
    saved,
    submitted,
)

pytestmark = pytest.mark.django_db

PAGE = "/espace/communications/alphapay-betapay-2026/mutuelle-du-phare/"
BREACH = "/registre/alphapay-betapay-2026/"
REGISTER = "/registre/alphapay-betapay-2026/mutuelle-du-phare/"
FORM = {
    "ground": "inform",
    "contact_name": "Dominique Phare",
    "contact_phone": "01 99 00 00 01",
    "fr_happened": HAPPENED,
    "fr_measures": MEASURES,
}


def fields(content: StatementContent) -> list[str]:
    return [problem.field for problem in unmet_by(content, cast.phare())]


def approve(publication: Publication, person_id: int) -> Publication:
    return approve_statement(publication_id=publication.pk, approver_id=person_id, now=cast.NOW)


def send_back(publication: Publication, comment: str) -> Publication:
    return return_statement(
        publication_id=publication.pk,
        approver_id=cast.armand().pk,
        comment=comment,
        now=cast.NOW,
    )


def withdraw(publication: Publication, reason: str = "Remplacée par une lettre.") -> Publication:
    return withdraw_statement(
        publication_id=publication.pk,
        approver_id=cast.armand().pk,
        reason=reason,
        now=cast.NOW,
    )


def test_a_complete_statement_meets_the_checklist() -> None:
    assert fields(complete()) == []


def test_the_first_draft_brings_the_contact_of_the_directory() -> None:
    draft = draft_of(None, cast.phare(), cast.breach())
    assert (draft.contact_name, draft.contact_phone) == ("Dominique Phare", "01 99 00 00 01")
    assert fields(draft) == ["fr_happened", "fr_measures"]


def test_the_first_draft_brings_what_the_notice_says() -> None:
    notice = story.draft_for(story.accepted_list([story.member(1, email="a@example.fr")])).notice
    content = story.complete(NoticeContent.from_json(notice.versions.get().content))
    texts = replace(content.fr, measures="{organisme} a prévenu la CNIL ; appelez le {téléphone}.")
    save_version(
        notice=notice,
        content=replace(content, fr=texts, contact_phone="01 99 00 00 09"),
        author_id=cast.paule().pk,
        now=cast.NOW,
    )
    draft = draft_of(None, cast.phare(), cast.breach())
    assert "découverte le 18 février 2026" in draft.fr.happened
    assert draft.fr.measures == (
        "Mutuelle du Phare (fictive) a prévenu la CNIL ; appelez le 01 99 00 00 09."
    )
    assert draft.contact_phone == "01 99 00 00 09"
    assert draft.en.happened == ""
    assert fields(draft) == []


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"ground": StatementGround.ART_34_3_C.value}, "fr_reason"),
        ({"contact_name": " "}, "contact_name"),
        ({"contact_phone": "", "contact_address": ""}, "contact_phone"),
        ({"fr": StatementTexts("Trop court.", MEASURES)}, "fr_happened"),
        ({"fr": StatementTexts(HAPPENED, "")}, "fr_measures"),
        ({"fr": StatementTexts("x" * 40, MEASURES)}, "fr_happened"),
        ({"contact_email": '"Profitez"@phare.example'}, "contact_email"),
        ({"en": StatementTexts(measures=MEASURES)}, "en_happened"),
        ({"fr": StatementTexts(HAPPENED + " Profitez de nos offres.", MEASURES)}, "fr_happened"),
        ({"fr": StatementTexts(HAPPENED, MEASURES + " Voir ailleurs.com.")}, "fr_measures"),
        ({"fr": StatementTexts(HAPPENED, MEASURES + " 1 80 03 29 019 123")}, "fr_measures"),
        ({"fr": StatementTexts(HAPPENED, MEASURES + "<script>x</script>")}, "fr_measures"),
        ({"fr": StatementTexts(HAPPENED, MEASURES + " Bonjour {prénom}.")}, "fr_measures"),
        ({"contact_address": "www.phare.example"}, "contact_address"),
    ],
)
def test_what_is_missing_or_out_of_place_is_named(changed: dict[str, object], field: str) -> None:
    assert fields(complete(**changed)) == [field]
    with pytest.raises(PublicationRefused):
        submitted(complete(**changed))


def test_each_save_is_a_version_with_its_hash() -> None:
    first, second = saved(), saved(complete(contact_name="Le service des données"))
    assert (first.number, second.number) == (1, 2)
    assert bytes(first.sha256) == complete().sha256() != bytes(second.sha256)
    assert StatementContent.from_json(first.content) == complete()


def test_nothing_is_public_before_another_person_approves() -> None:
    found = submitted()
    assert not PublishedStatement.objects.exists()
    approve(found, cast.armand().pk)
    (shown,) = PublishedStatement.objects.all()
    assert (shown.number, shown.published_at) == (1, cast.NOW)


def test_who_edited_any_version_or_submitted_does_not_approve() -> None:
    found = submitted()
    with pytest.raises(PublicationRefused):
        approve(found, cast.paule().pk)
    StatementVersion.objects.update(edited_by=cast.armand())
    with pytest.raises(PublicationRefused):
        approve(found, cast.armand().pk)


def test_the_database_refuses_the_submitter_as_approver() -> None:
    found = published()
    with pytest.raises(IntegrityError), transaction.atomic():
        Publication.objects.update(decided_by=found.submitted_by)


def test_one_version_waits_and_one_is_public() -> None:
    submitted()
    with pytest.raises(PublicationRefused):
        submitted(complete(contact_name="Le service des données"))
    approve(Publication.objects.get(), cast.armand().pk)
    published(complete(contact_name="Le service des données"))
    states = Publication.objects.order_by("pk").values_list("state", flat=True)
    assert list(states) == [PublicationState.REPLACED, PublicationState.PUBLISHED]
    assert [shown.number for shown in PublishedStatement.objects.all()] == [3]


def test_a_public_version_is_not_submitted_again() -> None:
    found = published()
    with pytest.raises(PublicationRefused):
        submit_statement(version=found.version, submitted_by_id=cast.paule().pk, now=cast.NOW)


def test_what_changed_after_submission_is_not_published() -> None:
    found = submitted()
    StatementVersion.objects.update(sha256=b"\0" * 32)
    with pytest.raises(PublicationRefused):
        approve(found, cast.armand().pk)


def test_a_return_says_what_to_correct() -> None:
    found = submitted()
    with pytest.raises(PublicationRefused):
        send_back(found, "  ")
    found = send_back(found, "Dites depuis quand.")
    assert (found.state, found.return_comment) == ("returned", "Dites depuis quand.")
    with pytest.raises(PublicationRefused):
        approve(found, cast.armand().pk)


def test_a_return_is_mailed_to_those_who_wrote_it(
    django_capture_on_commit_callbacks: Callable[..., AbstractContextManager[Any]],
) -> None:
    found = submitted()
    with django_capture_on_commit_callbacks(execute=True):
        send_back(found, "Dites depuis quand.")
    (sent,) = django_mail.outbox
    assert sent.to == [cast.paule().email]
    assert PAGE in sent.body
    assert "depuis quand" not in sent.body


def test_a_withdrawal_has_a_reason_and_ends_the_public_page() -> None:
    found = published()
    with pytest.raises(PublicationRefused):
        withdraw(found, " ")
    withdraw(found)
    assert not PublishedStatement.objects.exists()
    with pytest.raises(IntegrityError), transaction.atomic():
        Publication.objects.update(withdrawal_reason="")


def test_the_trail_keeps_every_step() -> None:
    withdraw(published())
    entries = AuditEntry.objects.filter(action__startswith="statement.").order_by("sequence")
    assert list(entries.values_list("action", flat=True)) == [
        f"statement.{step}" for step in ("saved", "submitted", "published", "withdrawn")
    ]
    assert all(complete().sha256().hex() in entry.detail for entry in entries)


def test_the_story_in_the_browser(client: Client) -> None:
    cast.sign_in(client, cast.paule())
    assert "À régler" not in client.get(PAGE).content.decode()
    client.post(PAGE, FORM | {"fr_measures": ""})
    assert "Décrivez les mesures prises ou proposées." in client.get(PAGE).content.decode()
    client.post(PAGE, FORM)
    client.post(f"{PAGE}soumettre/")
    waiting = Publication.objects.get()
    cast.sign_in(client, cast.armand())
    page = client.get(PAGE).content.decode()
    assert "Version 2, à approuver" in page
    client.post(f"/espace/publications/{waiting.pk}/approuver/")
    page = client.get("/organismes/mutuelle-du-phare/").content.decode()
    assert HAPPENED in page
    assert waiting.version.sha256.hex() in page
    client.post(f"/espace/publications/{waiting.pk}/retirer/", {"reason": "Erreur de date."})
    assert HAPPENED not in client.get("/organismes/mutuelle-du-phare/").content.decode()
    register = client.get(REGISTER).content.decode()
    assert "Erreur de date." in register
    assert HAPPENED in register
    assert waiting.version.sha256.hex() in register


def test_one_person_with_both_roles_does_not_approve_her_own(client: Client) -> None:
    found = submitted()
    cast.member_of(cast.phare(), "paule", Role.APPROVER)
    cast.sign_in(client, cast.paule())
    assert "un autre approbateur doit décider" in client.get(PAGE).content.decode()
    client.post(f"/espace/publications/{found.pk}/approuver/")
    assert not PublishedStatement.objects.exists()
    assert AuditEntry.objects.filter(action="statement.published", outcome="refused").exists()


def test_a_returned_version_comes_back_with_the_comment(client: Client) -> None:
    found = submitted()
    cast.sign_in(client, cast.armand())
    client.post(f"/espace/publications/{found.pk}/renvoyer/", {"comment": "Dites depuis quand."})
    cast.sign_in(client, cast.paule())
    page = client.get(PAGE).content.decode()
    assert "Dites depuis quand." in page
    assert "Soumettre la version 1" in page


@pytest.mark.parametrize(
    ("name", "method", "status"),
    [
        ("vera", "get", 200),
        ("vera", "post", 403),
        ("didier", "get", 404),
        ("aude", "get", 403),
    ],
)
def test_who_reads_and_who_writes(client: Client, name: str, method: str, status: int) -> None:
    cast.phare(), cast.dune()
    cast.sign_in(client, getattr(cast, name)())
    assert getattr(client, method)(PAGE, FORM).status_code == status
    assert not StatementVersion.objects.exists()


@pytest.mark.parametrize("step", ["approuver", "renvoyer", "retirer"])
@pytest.mark.parametrize(("name", "status"), [("paule", 403), ("didier", 404), ("aude", 403)])
def test_only_the_insurers_approvers_decide(
    client: Client, step: str, name: str, status: int
) -> None:
    found = submitted()
    cast.sign_in(client, getattr(cast, name)())
    answer = client.post(f"/espace/publications/{found.pk}/{step}/", {"comment": "x"})
    assert answer.status_code == status
    found.refresh_from_db()
    assert found.state == PublicationState.SUBMITTED


def test_the_auditor_reads_what_was_public_and_nothing_else(client: Client) -> None:
    published()
    submitted(complete(fr=StatementTexts("Rien n’est encore décidé de ce texte-là.", MEASURES)))
    page = cast.sign_in(client, cast.aude()).get(REGISTER).content.decode()
    assert HAPPENED in page
    assert "pour informer" in page
    assert "Rien n’est encore décidé" not in page


def test_the_register_says_whose_statement_is_public(client: Client) -> None:
    found = published()
    cast.sign_in(client, cast.aude())
    assert "communication publique du 02/03/2026" in client.get(BREACH).content.decode()
    withdraw(found)
    assert "communication publique du" not in client.get(BREACH).content.decode()


def test_a_fault_in_the_form_gives_back_what_was_written(client: Client) -> None:
    cast.sign_in(client, cast.paule())
    answer = client.post(PAGE, FORM | {"contact_email": "pas une adresse"})
    assert answer.status_code == 422
    assert HAPPENED in answer.content.decode()


def test_without_a_scope_the_web_role_reads_what_is_public_and_no_draft() -> None:
    published()
    saved(complete(contact_name="Un brouillon"))
    with as_role("web"):
        assert PublishedStatement.objects.count() == 1
        assert not StatementVersion.objects.exists()
        assert not Publication.objects.exists()


@pytest.mark.parametrize("step", ["UPDATE {} SET number = 9", "DELETE FROM {}"])
def test_the_web_role_changes_no_version(step: str) -> None:
    saved()
    statement = step.format("notifications_statementversion")
    with as_role("web"), row_scope(insurers=[cast.phare().pk], role="staff", user_id=1):
        with pytest.raises(ProgrammingError, match="permission denied"), transaction.atomic():
            connection.cursor().execute(statement)


def test_an_auditor_cannot_publish_at_the_database() -> None:
    found = submitted()
    with as_role("web"), row_scope(insurers=[cast.phare().pk], role="auditor", user_id=1):
        assert not Publication.objects.filter(pk=found.pk).update(return_comment="x")


def test_the_reason_of_article_34_is_shown(client: Client) -> None:
    reason = "Plus d’un million d’anciens adhérents n’ont laissé aucune adresse valable."
    content = complete(ground=StatementGround.ART_34_3_C.value)
    published(replace(content, fr=replace(content.fr, reason=reason)))
    page = client.get("/organismes/mutuelle-du-phare/").content.decode()
    assert reason in page
    assert "tient lieu de message individuel" in page


def test_english_readers_get_english_where_there_is_some(client: Client) -> None:
    published()
    page = client.get("/en/organismes/mutuelle-du-phare/").content.decode()
    assert '<div lang="fr"><p>En février' in page
    assert "Les mesures prises" in page
    english = StatementTexts(
        "In February 2026 accounts at Alphapay were hijacked.",
        "All of these accounts are closed since then.",
    )
    published(complete(en=english))
    page = client.get("/en/organismes/mutuelle-du-phare/").content.decode()
    assert english.happened in page
    assert '<div lang="fr">' not in page
    assert "Les mesures prises" not in page


def test_what_is_written_is_escaped(client: Client) -> None:
    published(complete(fr=StatementTexts(HAPPENED + " Moins de < 5 & rien d’autre.", MEASURES)))
    page = client.get("/organismes/mutuelle-du-phare/").content.decode()
    assert "&lt; 5 &amp; rien" in page


def test_the_space_leads_to_the_statement(client: Client) -> None:
    published()
    page = cast.sign_in(client, cast.paule()).get("/espace/").content.decode()
    assert PAGE in page
    assert "publiée" in page
