"""The record of Article 33(5): versions that stay, gaps by name, and whose it is."""

from datetime import timedelta

import pytest
from django.test import Client

from audit.models import AuditEntry
from notifications.models import RecordVersion
from notifications.register.record import record_of
from tests import cast
from tests.notifications.story import accepted_list, member

pytestmark = pytest.mark.django_db

EDIT = "/espace/registre/alphapay-betapay-2026/mutuelle-du-phare/"
READ = "/registre/alphapay-betapay-2026/mutuelle-du-phare/article-33/"
FORM = {
    "facts": "Des comptes ont été détournés.",
    "nature": ["confidentiality"],
    "people_number": "2",
    "severity": "serious",
    "complements-TOTAL_FORMS": "2",
    "complements-INITIAL_FORMS": "0",
    "complements-0-sent_on": "2026-03-09",
    "complements-0-reference": "FR-12",
    "complements-0-text": "Le nombre de personnes.",
}


def items() -> dict[str, str]:
    found = record_of(breach=cast.breach(), insurer=cast.phare()).items
    return {item.name: "" if item.is_missing else item.value for item in found}


def test_what_is_missing_is_named() -> None:
    found = record_of(breach=cast.breach(), insurer=cast.phare())
    assert (found.number, found.edited_by) == (0, "")
    assert {"Faits", "Cause", "Prise de connaissance", "Information des personnes"} <= set(
        found.missing
    )
    assert "Motifs du retard" not in found.missing


def test_a_late_notification_lacks_its_reasons() -> None:
    declared = cast.declaration()
    declared.authority_notified_at = cast.NOW + timedelta(hours=73)
    declared.save()
    assert "Motifs du retard" in record_of(breach=cast.breach(), insurer=cast.phare()).missing


def test_staff_save_versions_that_the_auditor_reads(client: Client) -> None:
    accepted_list([member(1, email="a@example.fr"), member(2)])
    cast.sign_in(client, cast.paule())
    prefilled = client.get(EDIT).content.decode()
    assert "Date de naissance, Numéro d’adhérent" in prefilled
    assert client.post(EDIT, FORM).status_code == 302
    assert client.post(EDIT, FORM).status_code == 302  # Nothing new in it.
    assert client.post(EDIT, {**FORM, "facts": "Autre chose."}).status_code == 302
    assert list(RecordVersion.objects.values_list("number", "edited_by")) == [
        (2, cast.paule().pk),
        (1, cast.paule().pk),
    ]
    assert items()["facts"] == "Autre chose."
    assert items()["complements"] == "9 mars 2026 · FR-12 · Le nombre de personnes."
    page = cast.sign_in(client, cast.aude()).get(READ).content.decode()
    assert "Autre chose." in page
    assert "Version 1, enregistrée le" in page
    entries = AuditEntry.objects.filter(action="record.saved").order_by("sequence")
    assert [entry.detail.count('"facts"') for entry in entries] == [1, 1]
    assert "Autre" not in entries[1].detail


def test_a_complement_has_a_date(client: Client) -> None:
    cast.sign_in(client, cast.paule())
    answer = client.post(EDIT, {**FORM, "complements-0-sent_on": ""})
    assert answer.status_code == 422
    assert "Donnez la date de ce complément." in answer.content.decode()
    assert not RecordVersion.objects.exists()


def test_only_who_prepares_there_writes_and_only_who_may_reads(client: Client) -> None:
    cast.declaration(cast.dune())
    answers = {
        person.name: (client.get(READ).status_code, client.post(EDIT, FORM).status_code)
        for person in (cast.vera(), cast.aude(), cast.didier(), cast.odile())
        if cast.sign_in(client, person)
    }
    assert answers == {
        "Vera": (200, 403),
        "Aude": (200, 403),
        "Didier": (404, 404),
        "Odile": (404, 403),
    }


def test_a_file_number_needs_the_date_of_the_notification(client: Client) -> None:
    cast.sign_in(client, cast.paule())
    address = "/espace/declarations/alphapay-betapay-2026/mutuelle-du-phare/"
    form = {"is_concerned": "on", "awareness_at": "2026-03-02T10:00", "authority_reference": "FR-1"}
    assert "Donnez la date de la notification" in client.post(address, form).content.decode()
    client.post(address, {**form, "authority_notified_at": "2026-03-04T10:00"})
    assert items()["authority_reference"] == "FR-1"
    assert items()["authority_notified_at"] == "4 mars 2026, 10:00"
