"""Decide not to tell each person of a list: submit, approve, return; lift it the same way."""

import hashlib
import json
from collections.abc import Iterator
from datetime import datetime

from django.db import transaction
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from audit.trail import account, insurer_scope, record
from insurers.models import AffectedList, ListState
from notifications.campaigns.approving import barred_by_list
from notifications.campaigns.refusals import StepRefused
from notifications.campaigns.steps import ENDED
from notifications.exemptions.mail import tell_submitter
from notifications.exemptions.standing import is_decided_for
from notifications.models import (
    Campaign,
    CampaignKind,
    Exemption,
    ExemptionGround,
    ExemptionState,
    Publication,
    PublicationState,
    StatementGround,
)
from notifications.notices.forbidden import forbidden_in
from notifications.notices.visible_text import explains
from notifications.reasons import CAMPAIGN_CANCELLED
from notifications.register.figures import Figures, list_figures
from notifications.states import Standing
from notifications.verifying.masking import masked

LONGEST = 5000  # characters of a text

_NOT_SUBMITTED = _("Cette dispense n’attend plus d’approbation.")
_ANOTHER = _(
    "La personne qui approuve n’est jamais celle qui a envoyé la liste ou soumis la demande."
    " Demandez à un autre approbateur."
)


class ExemptionRefused(StepRefused):
    """The rule that forbids a step, for people."""


@transaction.atomic
def submit_exemption(
    *,
    affected_list: AffectedList,
    ground: ExemptionGround,
    justification: str,
    submitted_by_id: int,
    now: datetime,
) -> Exemption:
    """Submit a ground and why it holds, for approval by somebody else; raise ExemptionRefused."""
    text = _checked(justification)
    affected_list = _held(affected_list.pk)
    _check_list(affected_list)
    if is_decided_for(affected_list.pk):
        raise ExemptionRefused(_("Cette liste a déjà une dispense, en vigueur ou à approuver."))
    made = Exemption.objects.create(
        insurer_id=affected_list.insurer_id,
        breach_id=affected_list.breach_id,
        affected_list=affected_list,
        ground=ground,
        justification=text,
        sha256=content_hash(affected_list=affected_list, ground=ground, justification=text),
        state=ExemptionState.SUBMITTED,
        submitted_by_id=submitted_by_id,
        submitted_at=now,
    )
    _record(made, "exemption.submitted", submitted_by_id)
    return made


def barred_from_approving(found: Exemption) -> set[int]:
    """Return who uploaded or decided the list, or submitted the exemption."""
    return barred_by_list(found.affected_list) | {found.submitted_by_id}


@transaction.atomic
def approve_exemption(*, exemption_id: int, approver_id: int, now: datetime) -> Exemption:
    """Put an exemption in force: from now on its people are counted so. Raises ExemptionRefused."""
    found = _locked(exemption_id, ExemptionState.SUBMITTED, otherwise=_NOT_SUBMITTED)
    if approver_id in barred_from_approving(found):
        raise ExemptionRefused(_ANOTHER)
    _check_list(found.affected_list)
    expected = content_hash(
        affected_list=found.affected_list, ground=found.ground, justification=found.justification
    )
    if bytes(found.sha256) != expected:
        raise ExemptionRefused(_("Ce qui a été soumis a changé : soumettez à nouveau."))
    if lacks_statement(found):
        raise ExemptionRefused(
            _(
                "Publiez d’abord une communication publique faite à la place de messages"
                " individuels : sans elle, ce motif ne dispense personne."
            )
        )
    found.state = ExemptionState.STANDING
    found.approved_by_id, found.approved_at = approver_id, now
    found.save(update_fields=["state", "approved_by", "approved_at"])
    _record(found, "exemption.approved", approver_id)
    return found


@transaction.atomic
def return_exemption(*, exemption_id: int, approver_id: int, comment: str) -> Exemption:
    """Send what was submitted back with a comment; raise ExemptionRefused."""
    found = _locked(exemption_id, ExemptionState.SUBMITTED, otherwise=_NOT_SUBMITTED)
    found.return_comment = _checked(comment, otherwise=_("Dites ce qui est à corriger."))
    found.state = ExemptionState.RETURNED
    found.save(update_fields=["state", "return_comment"])
    _record(found, "exemption.returned", approver_id)
    tell_submitter(exemption=found)
    return found


@transaction.atomic
def ask_to_lift(*, exemption_id: int, person_id: int, reason: str, now: datetime) -> Exemption:
    """Ask that an exemption ends, for approval by somebody else; it stays in force until then."""
    found = _locked(
        exemption_id,
        ExemptionState.STANDING,
        otherwise=_("Cette dispense n’est pas en vigueur, ou sa levée est déjà demandée."),
    )
    found.lift_reason = _checked(reason, otherwise=_("Dites pourquoi lever la dispense."))
    found.state = ExemptionState.LIFT_ASKED
    found.lift_asked_by_id, found.lift_asked_at = person_id, now
    found.save(update_fields=["state", "lift_reason", "lift_asked_by", "lift_asked_at"])
    _record(found, "exemption.lift_asked", person_id)
    return found


@transaction.atomic
def lift_exemption(*, exemption_id: int, approver_id: int, now: datetime) -> Exemption:
    """End an exemption: its people are counted as before it. Raises ExemptionRefused."""
    found = _locked(exemption_id, ExemptionState.LIFT_ASKED, otherwise=_NOT_SUBMITTED)
    if approver_id == found.lift_asked_by_id:
        raise ExemptionRefused(_ANOTHER)
    found.state = ExemptionState.LIFTED
    found.lifted_by_id, found.lifted_at = approver_id, now
    found.save(update_fields=["state", "lifted_by", "lifted_at"])
    _record(found, "exemption.lifted", approver_id)
    return found


@transaction.atomic
def keep_exemption(*, exemption_id: int, approver_id: int) -> Exemption:
    """Leave an exemption in force whose end was asked for; the reason stays in its place."""
    found = _locked(exemption_id, ExemptionState.LIFT_ASKED, otherwise=_NOT_SUBMITTED)
    found.state = ExemptionState.STANDING
    found.save(update_fields=["state"])
    _record(found, "exemption.lift_returned", approver_id)
    return found


def lacks_statement(found: Exemption) -> bool:
    """Whether it rests on a public communication, and none is published with that ground."""
    if found.ground != ExemptionGround.DISPROPORTIONATE:
        return False
    return not Publication.objects.filter(
        statement__breach=found.breach_id,
        insurer=found.insurer_id,
        state=PublicationState.PUBLISHED,
        version__content__ground=StatementGround.ART_34_3_C.value,
    ).exists()


def content_hash(*, affected_list: AffectedList, ground: str, justification: str) -> bytes:
    """Return the SHA-256 that binds list, ground and justification: what an approver approves."""
    bound = {
        "ground": str(ground),
        "justification": justification,
        "list": affected_list.pk,
        "list_sha256": bytes(affected_list.sha256 or b"").hex(),
    }
    return hashlib.sha256(json.dumps(bound, sort_keys=True).encode()).digest()


def what_hinders(affected_list: AffectedList, figures: Figures) -> str | Promise:
    """Return why a list, of which these are the figures, can have no exemption now, or ""."""
    accepted = AffectedList.objects.that_list_people().filter(state=ListState.ACCEPTED)
    if not accepted.filter(pk=affected_list.pk).exists():
        return _("Choisissez une liste acceptée, qui n’est pas retirée.")
    campaigns = Campaign.objects.filter(affected_list=affected_list, kind=CampaignKind.NOTICE)
    if campaigns.exclude(state__in=ENDED).exists():
        return _("Cette liste a une campagne en cours : attendez sa fin, ou annulez-la.")
    if not people_covered(figures):
        return _("Tout le monde sur cette liste est informé, ou l’a quittée : rien à dispenser.")
    return ""


def people_covered(figures: Figures) -> int:
    """Return how many people of a list's an exemption covers, or would cover."""
    untold = (Standing.EXEMPT, Standing.UNREACHABLE, Standing.IN_PROGRESS)
    cancelled = figures.cancelled_by_reason[CAMPAIGN_CANCELLED]
    return sum(figures.people[standing] for standing in untold) + cancelled


def _check_list(affected_list: AffectedList) -> None:
    if said := what_hinders(affected_list, list_figures(affected_list)):
        raise ExemptionRefused(said)


def _checked(text: str, *, otherwise: str | Promise = "") -> str:
    """Return a text that names nobody; a justification (without `otherwise`) is a sentence."""
    text = text.strip()[:LONGEST]
    if otherwise and not text:
        raise ExemptionRefused(otherwise)
    if not otherwise and not explains(text):
        raise ExemptionRefused(
            _("Écrivez en quoi le motif est rempli, en une phrase au moins (six mots).")
        )
    for said in _naming(text):
        raise ExemptionRefused(said)
    return text


def _naming(text: str) -> Iterator[str | Promise]:
    """Yield why a text may name a person; it stays in the register for good."""
    for found in forbidden_in(text, is_filled_in=False):
        yield found.message
    if masked(text) != text:
        yield _(
            "Retirez ce qui ressemble à un numéro, une adresse ou une référence d’une personne : ce"
            " texte reste au registre."
        )


def _held(list_id: int) -> AffectedList:
    """Lock a list: no campaign is submitted for it at the same moment."""
    return AffectedList.objects.select_for_update(of=("self",)).get(pk=list_id)


def _locked(exemption_id: int, state: ExemptionState, *, otherwise: str | Promise) -> Exemption:
    """Lock an exemption and its list; raise ExemptionRefused(`otherwise`) in another state."""
    list_id = Exemption.objects.values_list("affected_list", flat=True).get(pk=exemption_id)
    affected_list = _held(list_id)
    found = Exemption.objects.select_for_update().get(pk=exemption_id)
    found.affected_list = affected_list
    if found.state != state:
        raise ExemptionRefused(otherwise)
    return found


def _record(found: Exemption, action: str, actor_id: int) -> None:
    record(
        action=action,
        scope=insurer_scope(found.insurer_id),
        actor=account(actor_id),
        subject=f"exemption:{found.pk}",
        detail={
            "list": found.affected_list_id,
            "ground": str(found.ground),
            "sha256": bytes(found.sha256).hex(),
        },
    )
