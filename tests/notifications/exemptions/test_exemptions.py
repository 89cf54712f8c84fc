"""An insurer relies on Article 34(3): four eyes, and every person counted exactly."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, ProgrammingError, transaction
from django.db.models import F
from django.utils import timezone

from audit.models import AuditEntry
from breachportal.models import User
from insurers.lists.purging import run_purge
from insurers.models import AffectedList, AffectedMember
from insurers.row_security import row_scope
from notifications.alerts.raising import raise_alerts
from notifications.campaigns.cancelling import cancel_messages
from notifications.campaigns.steps import CampaignRefused
from notifications.campaigns.stopping import cancel_campaign
from notifications.exemptions.deciding import (
    ExemptionRefused,
    approve_exemption,
    ask_to_lift,
    keep_exemption,
    lift_exemption,
    return_exemption,
    submit_exemption,
)
from notifications.models import (
    Alert,
    AlertKind,
    DeliveryEvent,
    Exemption,
    ExemptionGround,
    ExemptionState,
    Notification,
    State,
    StatementGround,
)
from notifications.register.recount import recount
from notifications.register.summing import sum_up
from notifications.replies.shown_answer import shown
from notifications.replies.standing import standing_of
from notifications.retention.closing import hindrances
from notifications.retention.due import due_of
from notifications.retention.erasing import erase_what_is_due
from notifications.samples.histories import histories
from notifications.sending.moves import move
from notifications.statements.content import StatementContent, StatementTexts
from notifications.statements.publishing import withdraw_statement
from tests import cast
from tests.conftest import WebClient, as_role
from tests.notifications import statements
from tests.notifications.effects import (
    add,
    check_figures,
    line,
    prepare,
    replace,
    send,
    withdraw,
    withdraw_whole,
)
from tests.notifications.story import accepted_list, member, submitted
from tests.smtp import Recorder

pytestmark = pytest.mark.django_db

WHY = "Les fichiers pris étaient chiffrés, et la clé n’a pas quitté le coffre de l’opérateur."
A, C = ExemptionGround.UNINTELLIGIBLE, ExemptionGround.DISPROPORTIONATE


def people(*numbers: int) -> list[str]:
    """Rows with an address each; a negative number has none."""
    return [member(abs(n), email=f"p{n}@example.fr" if n > 0 else "") for n in numbers]


def asked(found: AffectedList, ground: ExemptionGround = A) -> Exemption:
    """Submit one, by Paule."""
    return submit_exemption(
        affected_list=found,
        ground=ground,
        justification=WHY,
        submitted_by_id=cast.paule().pk,
        now=cast.NOW,
    )


def in_force(found: AffectedList, ground: ExemptionGround = A) -> Exemption:
    """Approve one, by Armand."""
    return approve_exemption(
        exemption_id=asked(found, ground).pk, approver_id=cast.armand().pk, now=cast.NOW
    )


def asked_to_lift(found: Exemption) -> None:
    """Paule asks."""
    ask_to_lift(
        exemption_id=found.pk, person_id=cast.paule().pk, reason="Clé retrouvée.", now=cast.NOW
    )


def lifted(found: Exemption) -> Exemption:
    """Lift one: Paule asks, Armand approves."""
    asked_to_lift(found)
    return lift_exemption(exemption_id=found.pk, approver_id=cast.armand().pk, now=cast.NOW)


def standings() -> dict[str, int]:
    """The line's people by standing, checked: kept sums say the same, and a recount agrees."""
    computed = {name: count for name, count in line().people.items() if count}
    check_figures()
    with as_role("worker"):
        sum_up(now=timezone.now())
        result = recount(now=timezone.now())
    assert (result.differences, list(result.found.values())) == (0, [])
    assert {name: count for name, count in line().people.items() if count} == computed
    return computed


def test_a_list_without_a_campaign_is_exempt_as_a_whole() -> None:
    found = accepted_list(people(1, 2, -3))
    asked_for = asked(found)
    assert standings() == {"in_progress": 3}
    approve_exemption(exemption_id=asked_for.pk, approver_id=cast.armand().pk, now=cast.NOW)
    assert standings() == {"exempt": 3}
    assert dict(line().figures.exempt_by_ground) == {"art_34_3_a": 3}


def test_after_a_campaign_only_those_it_could_not_tell_are_exempt(mail: Recorder) -> None:
    found = add(*people(1, 2, -3, -4))
    send(prepare(found))
    assert standings() == {"told": 2, "unreachable": 2}
    in_force(found)
    assert standings() == {"told": 2, "exempt": 2}
    assert line().figures.unreachable_by_reason.total() == 0


def test_what_a_cancelled_campaign_left_is_exempt(mail: Recorder) -> None:
    found = add(*people(1, 2, -3))
    campaign = prepare(found)
    cancel_campaign(campaign_id=campaign.pk, approver_id=cast.armand().pk, now=cast.NOW)
    with as_role("worker"):
        cancel_messages(campaign_id=campaign.pk, now=cast.NOW)
    in_force(found)
    assert standings() == {"exempt": 3}
    assert line().figures.messages_total == 2


def test_a_running_campaign_ends_first() -> None:
    found = add(*people(1))
    prepare(found)
    with pytest.raises(ExemptionRefused):
        asked(found)


@pytest.mark.parametrize("decided", [asked, in_force])
def test_no_campaign_starts_on_an_exempt_list(decided: Callable[..., Exemption]) -> None:
    found = add(*people(1))
    decided(found)
    with pytest.raises(CampaignRefused):
        submitted(found)


def test_nobody_is_exempt_where_everybody_is_told(mail: Recorder) -> None:
    found = add(*people(1))
    send(prepare(found))
    with pytest.raises(ExemptionRefused):
        asked(found)


def test_a_campaign_that_waits_for_approval_keeps_an_exemption_out() -> None:
    found = add(*people(1))
    submitted(found)
    with pytest.raises(ExemptionRefused):
        asked(found)


def test_lifting_gives_people_back(mail: Recorder) -> None:
    found = add(*people(1, -2))
    lifted(in_force(found))
    assert standings() == {"in_progress": 2}
    send(prepare(found))
    assert standings() == {"told": 1, "unreachable": 1}
    in_force(found)
    assert standings() == {"told": 1, "exempt": 1}
    lifted(Exemption.objects.get(state=ExemptionState.STANDING))
    assert standings() == {"told": 1, "unreachable": 1}


def test_an_exemption_stays_while_its_end_waits_and_where_that_is_refused() -> None:
    found = in_force(add(*people(1)))
    ask_to_lift(
        exemption_id=found.pk, person_id=cast.paule().pk, reason="Clé retrouvée.", now=cast.NOW
    )
    assert standings() == {"exempt": 1}
    keep_exemption(exemption_id=found.pk, approver_id=cast.armand().pk)
    assert standings() == {"exempt": 1}


@pytest.mark.parametrize(
    ("keeping", "said"),
    [(cast.armand, "Levée refusée"), (cast.paule, "Demande de levée retirée")],
)
def test_a_lift_that_is_refused_says_so_until_it_is_asked_again(
    client: WebClient, keeping: Callable[[], User], said: str
) -> None:
    found = in_force(accepted_list(people(1)))
    asked_to_lift(found)
    keep_exemption(exemption_id=found.pk, approver_id=keeping().pk)
    page = f"/espace/listes/{found.affected_list_id}/dispense/"
    register = "/registre/alphapay-betapay-2026/mutuelle-du-phare/"
    for person, address in ((cast.vera(), page), (cast.aude(), register)):
        text = cast.sign_in(client, person).get(address).content.decode()
        assert f"par le compte n° {keeping().pk}" in text[text.index(said) :][:120]
    asked_to_lift(found)
    for person, address in ((cast.vera(), page), (cast.aude(), register)):
        assert said not in cast.sign_in(client, person).get(address).content.decode()


def test_who_returned_an_exemption_is_said(client: WebClient) -> None:
    waiting = asked(accepted_list(people(1)))
    return_exemption(exemption_id=waiting.pk, approver_id=cast.armand().pk, comment="Précisez.")
    page = f"/espace/listes/{waiting.affected_list_id}/dispense/"
    text = cast.sign_in(client, cast.vera()).get(page).content.decode()
    assert f"par le compte n° {cast.armand().pk}" in text[text.index("<dt>Renvoyée") :][:120]


def test_who_leaves_an_exempt_list_counts_no_longer() -> None:
    found = add(*people(1, 2))
    in_force(found)
    withdraw(*people(1))
    assert standings() == {"exempt": 1}
    withdraw_whole(found)
    assert standings() == {}


def test_who_leaves_after_a_campaign_counts_as_having_left(mail: Recorder) -> None:
    found = add(*people(1, -2, -3))
    send(prepare(found))
    in_force(found)
    withdraw(*people(-2))
    assert standings() == {"told": 1, "exempt": 1}
    withdraw_whole(found)
    assert standings() == {"told": 1}


def test_who_is_on_a_second_list_is_told_from_there(mail: Recorder) -> None:
    first, second = add(*people(1, 2)), add(*people(2, 3))
    in_force(first)
    assert standings() == {"exempt": 2, "in_progress": 1}
    send(prepare(second))
    assert standings() == {"exempt": 1, "told": 2}


def test_a_list_that_replaces_an_exempt_one_is_decided_anew() -> None:
    in_force(add(*people(1, 2)))
    replace(*people(2, 3))
    assert standings() == {"in_progress": 2}


def test_an_address_that_bounces_after_the_exemption_is_covered_by_it(mail: Recorder) -> None:
    found = add(*people(1, -2))
    campaign = send(prepare(found))
    in_force(found)
    message = Notification.objects.get(campaign=campaign)
    with as_role("worker"), transaction.atomic():
        move(message, to=State.BOUNCED, reason="dsn-5.1.1", due_at=cast.NOW, now=cast.NOW)
    assert standings() == {"exempt": 2}
    assert line().figures.message_states == [(State.BOUNCED, 1)]


@pytest.mark.parametrize("name", ["paule", "vera"])
def test_whoever_submitted_or_sent_the_list_does_not_approve(name: str) -> None:
    found = add(*people(1))
    AffectedList.objects.filter(pk=found.pk).update(uploaded_by=cast.vera())
    waiting = asked(found)
    approver = getattr(cast, name)()
    with pytest.raises(ExemptionRefused):
        approve_exemption(exemption_id=waiting.pk, approver_id=approver.pk, now=cast.NOW)


def test_whoever_asked_to_lift_does_not_approve_it() -> None:
    found = in_force(add(*people(1)))
    ask_to_lift(
        exemption_id=found.pk, person_id=cast.armand().pk, reason="Clé retrouvée.", now=cast.NOW
    )
    with pytest.raises(ExemptionRefused):
        lift_exemption(exemption_id=found.pk, approver_id=cast.armand().pk, now=cast.NOW)


@pytest.mark.parametrize(
    ("constraint", "changed"),
    [
        ("exemption_approved_by_another_person", {"approved_by": F("submitted_by")}),
        ("nobody_exempt_without_approval", {"approved_by": None}),
        ("a_lift_has_a_reason", {"state": ExemptionState.LIFT_ASKED}),
        (
            "exemption_lifted_by_another_person",
            {
                "state": ExemptionState.LIFTED,
                "lift_reason": "x",
                "lift_asked_by": F("submitted_by"),
                "lifted_by": F("submitted_by"),
                "lifted_at": cast.NOW,
            },
        ),
    ],
)
def test_the_database_wants_another_person(constraint: str, changed: dict[str, Any]) -> None:
    found = in_force(add(*people(1)))
    with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
        Exemption.objects.filter(pk=found.pk).update(**changed)


def test_disproportionate_effort_needs_a_public_statement_with_that_ground() -> None:
    waiting = asked(add(*people(1)), C)
    statements.published()
    with pytest.raises(ExemptionRefused):
        approve_exemption(exemption_id=waiting.pk, approver_id=cast.armand().pk, now=cast.NOW)
    statements.published(instead_of_messages())
    approve_exemption(exemption_id=waiting.pk, approver_id=cast.armand().pk, now=cast.NOW)
    assert dict(line().figures.exempt_by_ground) == {"art_34_3_c": 1}


def test_a_statement_that_is_withdrawn_from_under_an_exemption_is_told() -> None:
    def told() -> list[str]:
        with as_role("worker"):
            raise_alerts(now=cast.NOW, kinds={AlertKind.EXEMPTION})
        return list(Alert.objects.filter(ended_at=None).values_list("subject", flat=True))

    published = statements.published(instead_of_messages())
    found = in_force(accepted_list(people(1)), C)
    assert told() == []
    withdraw_statement(
        publication_id=published.pk,
        approver_id=cast.armand().pk,
        reason="Adresse périmée.",
        now=cast.NOW,
    )
    assert told() == [f"list:{found.affected_list_id}"]
    lifted(found)
    assert told() == []


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Chiffré.",
        "Nous avons vérifié le dossier du numéro 2 84 12 76 451 089 46 : il était chiffré.",
        "Nous avons vérifié le dossier de lise.martin@example.fr : il était bien chiffré.",
        "Nous avons vérifié le dossier de la personne née le 12/03/1980 : il était chiffré.",
    ],
)
def test_a_justification_explains_and_names_nobody(text: str) -> None:
    with pytest.raises(ExemptionRefused):
        submit_exemption(
            affected_list=add(*people(1)),
            ground=A,
            justification=text,
            submitted_by_id=cast.paule().pk,
            now=cast.NOW,
        )


def test_each_step_is_in_the_trail() -> None:
    waiting = asked(add(*people(1)))
    return_exemption(
        exemption_id=waiting.pk,
        approver_id=cast.armand().pk,
        comment="Précisez l’algorithme.",
    )
    lifted(in_force(waiting.affected_list))
    steps = AuditEntry.objects.filter(action__startswith="exemption.").order_by("sequence")
    assert [entry.action.split(".")[1] for entry in steps] == [
        *("submitted", "returned", "submitted", "approved", "lift_asked", "lifted")
    ]
    assert all(WHY not in str(entry.detail) for entry in steps)


def test_another_insurer_sees_and_changes_none() -> None:
    found = in_force(add(*people(1)))
    dune, didier = cast.dune().pk, cast.didier().pk
    with as_role("web"), row_scope(insurers=[dune], role="staff", user_id=didier):
        assert not Exemption.objects.exists()
        assert not Exemption.objects.filter(pk=found.pk).update(state=ExemptionState.LIFTED)


def test_the_web_role_writes_no_event() -> None:
    with pytest.raises(ProgrammingError), transaction.atomic(), as_role("web"):
        DeliveryEvent.objects.create(
            campaign_id=1, state=State.EXEMPT, people=1, messages=0, at=cast.NOW
        )


def said_of(number: int) -> str:
    """Return what staff are told of why a person of the one list was not told."""
    with as_role("worker"):
        (listing,) = standing_of(
            insurer_id=cast.phare().pk,
            member_number=f"{number:09d}",
            birth_date="1980-03-12",
            birth_rank="",
        )
    (shown_one,) = shown([listing])
    return shown_one.why_none


def test_staff_are_told_that_somebody_is_exempt_and_why(mail: Recorder) -> None:
    mail.answers = {"p3@example.fr": "550 5.1.1 unknown"}
    found = add(*people(1, -2, 3))
    send(prepare(found))
    assert not said_of(1)
    assert "ni courriel ni mobile" in said_of(2)
    in_force(found)
    assert not said_of(1)
    assert "incompréhensibles" in said_of(2)
    assert "incompréhensibles" in said_of(3)
    ordinals = AffectedMember.objects.order_by("ordinal").values_list("ordinal", flat=True)
    drawn = histories(affected_list=found, ordinals=list(ordinals))
    assert [history["none"] for history in drawn] == ["", "art_34_3_a", "art_34_3_a"]


def test_contacts_of_an_exempt_list_go_in_time_and_it_does_not_keep_the_breach_open() -> None:
    found = add(*people(1))
    assert hindrances(breach=cast.breach())
    in_force(found)
    assert not hindrances(breach=cast.breach())
    (due,) = due_of([found])
    assert due.at == cast.NOW + timedelta(days=90)
    with as_role("worker"):
        (purge,) = erase_what_is_due(now=due.at)
        run_purge(purge_id=purge.pk, now=due.at)
    assert standings() == {"exempt": 1}


def instead_of_messages() -> StatementContent:
    return statements.complete(
        ground=StatementGround.ART_34_3_C,
        fr=StatementTexts(
            happened=statements.HAPPENED,
            measures=statements.MEASURES,
            reason="Nous n’avons ni l’adresse ni le numéro de la plupart des personnes concernées.",
        ),
    )
