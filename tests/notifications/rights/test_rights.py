"""Access and erasure at one person's request, and an auditor's match: by the worker, recorded."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, ProgrammingError
from django.test import Client
from django.utils import timezone

from audit.models import AuditEntry
from breachportal.models import User
from insurers.lists.contacts import open_contacts
from insurers.models import AffectedMember, Mandate, Role
from insurers.row_security import ScopeRole, row_scope
from notifications.models import (
    Asked,
    AskedOutcome,
    Campaign,
    Notification,
    StaffAnswer,
    StaffQuestion,
)
from notifications.register.glance import lines_of
from notifications.replies.staff_questions import (
    PersonAsked,
    answer_staff_questions,
    ask_as_staff,
)
from tests import cast
from tests.conftest import WebClient, as_role
from tests.notifications.story import accepted_list, built, member, send

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("mail")]

LISE = PersonAsked("000000001", "1980-03-12", "")
TYPED = {"member_number": "000000001", "birth_date": "12/03/1980", "birth_rank": ""}


@pytest.fixture
def campaign() -> Campaign:
    """Lise was told, and a family on one address."""
    made = built(
        [
            member(1, email="lise@example.fr", mobile="0612345678"),
            member(2, email="famille@example.fr"),
            member(3, email="famille@example.fr"),
        ]
    )
    send(made)
    return made


def asked(
    what: Asked, *, by: Any = None, person: PersonAsked = LISE, reason: str = ""
) -> StaffQuestion:
    """Ask, have the worker answer, and return the question."""
    number = ask_as_staff(
        insurer_id=cast.phare().pk,
        asked_by_id=(by or cast.armand()).pk,
        person=person,
        asked=what,
        reason=reason,
        now=timezone.now(),
    )
    with as_role("worker"):
        answer_staff_questions(now=timezone.now())
    return StaffQuestion.objects.get(pk=number)


def listings(question: StaffQuestion) -> list[dict[str, Any]]:
    found = StaffAnswer.objects.get(question=question).content["listings"]
    assert isinstance(found, list)
    return found


def test_access_says_what_is_held_where_and_what_became_of_it(campaign: Campaign) -> None:
    (holding,) = listings(asked(Asked.ACCESS))
    assert holding["held"] == ["fingerprint", "contact", "email", "phone"]
    assert holding["sha256"] == bytes(campaign.affected_list.sha256 or b"").hex()
    assert holding["history"]["row"] == 2
    (message,) = holding["history"]["messages"]
    assert (message["channel"], message["state"]) == ("email", "accepted")


def test_erasure_takes_the_contact_and_leaves_everybody_else(campaign: Campaign) -> None:
    before = lines_of(breach=campaign.breach, insurers=[campaign.insurer.pk])[0].figures
    question = asked(Asked.ERASURE)
    (holding,) = listings(question)
    assert (holding["held"], holding["gone"]) == (["fingerprint"], ["contact", "email", "phone"])
    assert StaffAnswer.objects.get(question=question).content["erased"] == 1
    lise = AffectedMember.objects.get(ordinal=2)
    assert (lise.contact, lise.email_fingerprint, lise.phone_fingerprint) == (None, None, None)
    assert not Notification.objects.filter(ordinal=2).exclude(address_fingerprint=None).exists()
    assert Notification.objects.exclude(address_fingerprint=None).count() == 1
    opener = open_contacts(campaign.affected_list)
    for other in AffectedMember.objects.exclude(ordinal=2):
        assert opener.open(other.ordinal, bytes(other.contact or b"")).email == "famille@example.fr"
    assert lines_of(breach=campaign.breach, insurers=[campaign.insurer.pk])[0].figures == before
    # Again, it is done already.
    again = asked(Asked.ERASURE)
    assert StaffAnswer.objects.get(question=again).content["erased"] == 0


def test_one_of_a_family_is_erased_and_the_address_still_stands_for_the_others(
    campaign: Campaign,
) -> None:
    asked(Asked.ERASURE, person=PersonAsked("000000002", "1980-03-12", ""))
    assert AffectedMember.objects.get(ordinal=4).email_fingerprint is not None
    assert Notification.objects.exclude(address_fingerprint=None).count() == 2


def test_nobody_is_lost_by_asking_to_be_erased() -> None:
    accepted_list([member(1, email="lise@example.fr")])
    question = asked(Asked.ERASURE)
    assert question.outcome == AskedOutcome.IN_USE
    assert AffectedMember.objects.get().contact is not None


@pytest.mark.parametrize("what", [Asked.ACCESS, Asked.ERASURE])
def test_rights_are_answered_for_approvers_only(campaign: Campaign, what: Asked) -> None:
    for person in (cast.paule(), cast.vera(), cast.didier(), cast.aude(), cast.odile()):
        assert asked(what, by=person).outcome == AskedOutcome.NO_ROLE
    assert AffectedMember.objects.get(ordinal=2).contact is not None


def test_a_question_sealed_for_one_purpose_serves_no_other(campaign: Campaign) -> None:
    number = ask_as_staff(
        insurer_id=cast.phare().pk,
        asked_by_id=cast.armand().pk,
        person=LISE,
        asked=Asked.ACCESS,
        now=timezone.now(),
    )
    StaffQuestion.objects.filter(pk=number).update(asked=Asked.ERASURE)
    with as_role("worker"):
        answer_staff_questions(now=timezone.now())
    assert StaffQuestion.objects.get(pk=number).outcome == AskedOutcome.FOREIGN
    assert AffectedMember.objects.get(ordinal=2).contact is not None


def test_an_auditor_matches_a_person_with_a_reason_that_the_insurer_reads(
    campaign: Campaign,
) -> None:
    question = asked(
        Asked.MATCH, by=cast.aude(), reason="Plainte 12, de lise@example.fr, née le 12/03/1980"
    )
    (holding,) = listings(question)
    assert (holding["list_id"], holding["history"]["row"]) == (campaign.affected_list_id, 2)
    entry = AuditEntry.objects.get(action="member.matched")
    assert entry.scope == f"insurer:{cast.phare().pk}"
    reason = json.loads(entry.detail)["reason"]
    assert reason.startswith("Plainte 12")
    assert "lise" not in reason
    assert "1980" not in reason


def test_a_match_keeps_to_the_mandate(campaign: Campaign) -> None:
    aude = cast.aude()
    Mandate.objects.update(until_date=timezone.localdate() - timedelta(days=1))
    assert asked(Asked.MATCH, by=aude, reason="x").outcome == AskedOutcome.NO_ROLE
    with pytest.raises(IntegrityError):
        asked(Asked.MATCH, by=aude)


def test_the_web_role_lets_nobody_ask_what_is_not_theirs(campaign: Campaign) -> None:
    cases: list[tuple[ScopeRole, User, Asked]] = [
        ("staff", cast.armand(), Asked.MATCH),
        ("auditor", cast.aude(), Asked.ACCESS),
        ("auditor", cast.aude(), Asked.STANDING),
    ]
    for role, person, what in cases:
        with (
            pytest.raises(ProgrammingError, match="row-level security"),
            as_role("web"),
            row_scope(insurers=[cast.phare().pk], role=role, user_id=person.pk),
        ):
            ask_as_staff(
                insurer_id=cast.phare().pk,
                asked_by_id=person.pk,
                person=LISE,
                asked=what,
                reason="x",
                now=timezone.now(),
            )


@pytest.mark.parametrize("what", [Asked.ACCESS, Asked.ERASURE])
def test_the_approver_goes_from_asking_to_the_answer(
    client: WebClient, campaign: Campaign, what: Asked
) -> None:
    cast.sign_in(client, cast.armand())
    assert client.post("/espace/droits/", TYPED).status_code == 422
    text = _answered(client, "/espace/droits/", {**TYPED, "asked": what.value})
    assert f"Liste n° {campaign.affected_list_id}, ligne 2" in text
    assert ("Coordonnées effacées" in text) == (what == Asked.ERASURE)
    action = {"access": "member.accessed", "erasure": "member.erased"}[what]
    assert AuditEntry.objects.filter(action=action, outcome="done").count() == 1


def test_the_auditor_goes_from_asking_to_the_answer(client: WebClient, campaign: Campaign) -> None:
    cast.sign_in(client, cast.aude())
    refused = client.post("/registre/personne/", TYPED)
    assert "Dites pourquoi" in refused.content.decode()
    text = _answered(client, "/registre/personne/", {**TYPED, "reason": "Plainte 12"})
    assert "ligne 2" in text
    for secret in ("lise", "612345678", "000000001"):
        assert secret not in text


def test_a_person_on_no_list_is_said_so(client: WebClient, campaign: Campaign) -> None:
    cast.sign_in(client, cast.armand())
    typed = {**TYPED, "member_number": "999", "asked": "access"}
    assert "Sur aucune liste" in _answered(client, "/espace/droits/", typed)


def _answered(client: Client, address: str, typed: dict[str, str]) -> str:
    asked = client.post(address, typed)
    assert asked.status_code == 302, asked.content.decode()
    waits = client.get(asked["Location"])
    assert "En attente" in waits.content.decode()
    with as_role("worker"):
        answer_staff_questions(now=timezone.now())
    return client.get(asked["Location"]).content.decode()


def test_an_approver_of_another_insurer_finds_nobody(campaign: Campaign) -> None:
    other = cast.member_of(cast.dune(), "dora", Role.APPROVER)
    number = ask_as_staff(
        insurer_id=cast.dune().pk,
        asked_by_id=other.pk,
        person=LISE,
        asked=Asked.ERASURE,
        now=timezone.now(),
    )
    with as_role("worker"):
        answer_staff_questions(now=timezone.now())
    assert listings(StaffQuestion.objects.get(pk=number)) == []
    assert AffectedMember.objects.get(ordinal=2).contact is not None


@pytest.mark.parametrize(
    ("typed", "status"), [(("a@b " * 125).strip(), 302), ("\u200b\u200b", 422), (" ", 422)]
)
def test_a_reason_is_kept_or_refused_however_it_is_written(
    client: WebClient, typed: str, status: int
) -> None:
    """Masks may be longer than what they hide; signs that nobody sees are no reason."""
    cast.phare()
    cast.sign_in(client, cast.aude())
    assert client.post("/registre/personne/", TYPED | {"reason": typed}).status_code == status
    kept = list(StaffQuestion.objects.values_list("reason", flat=True))
    assert [len(reason) for reason in kept] == ([500] if status == 302 else [])


@pytest.mark.parametrize(
    ("what", "said"),
    [(Asked.ACCESS, "sont deux personnes du même numéro"), (Asked.ERASURE, "des deux sont")],
)
def test_the_answer_tells_twins_and_leaves_the_screen_when_it_is_erased(
    client: WebClient, what: Asked, said: str
) -> None:
    send(built([member(1, email="a@example.fr", name="A;Lise"), member(1, name="A;Line")]))
    cast.sign_in(client, cast.armand())
    text = _answered(client, "/espace/droits/", {**TYPED, "asked": what.value})
    assert said in text
    assert 'hx-trigger="load delay:5m"' in text
