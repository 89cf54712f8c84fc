"""The insurer's area: where each breach stands, and what to do next."""

from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from insurers.models import AffectedList, Breach, Declaration, Insurer, ListEffect, ListState, Role
from insurers.permissions import staff_of
from notifications.alerts.reach import running_alerts
from notifications.campaigns.approving import barred_from_approving
from notifications.campaigns.steps import OVER, STOPPABLE
from notifications.models import (
    Campaign,
    CampaignState,
    Exemption,
    ExemptionState,
    Notice,
    Publication,
    PublicationState,
)
from notifications.models.exemptions import OPEN


@dataclass(frozen=True)
class Desk:
    """One insurer's work on one breach."""

    insurer: Insurer
    breach: Breach
    declaration: Declaration | None
    lists: list[AffectedList]
    notices: list[Notice]
    campaigns: list[Campaign]
    exemptions: list[Exemption]  # Those in force, or that wait.
    statement_state: PublicationState | None
    roles: frozenset[Role]
    to_approve: Campaign | None  # The first that waits for this very person.

    @property
    def may_prepare(self) -> bool:
        """Whether the person may declare, upload and write here."""
        return bool(self.roles & {Role.PREPARER, Role.APPROVER})

    @property
    def accepted_lists(self) -> list[AffectedList]:
        """The lists that a notice can be started from: accepted, and without a campaign."""
        taken = {found.affected_list_id for found in self.campaigns if found.state not in OVER}
        taken |= {found.affected_list_id for found in self.exemptions}
        return [
            found
            for found in self.lists
            if found.state == ListState.ACCEPTED
            and found.effect != ListEffect.WITHDRAW
            and found.members > found.members_ended
            and found.pk not in taken
        ]

    @property
    def next_step(self) -> str:
        """The code of what remains to be done first."""
        states = {campaign.state for campaign in self.campaigns}
        if self.declaration is None:
            return "declare"
        if any(found.state == ListState.COLUMNS for found in self.lists):
            return "columns"
        if any(found.state == ListState.REVIEW for found in self.lists):
            return "decide"
        if CampaignState.SUBMITTED in states:
            return "approve"
        if self.exemption_that_waits:
            return "decide_exemption"
        if self.accepted_lists:
            return "submit" if self.notices else "write"
        if states & {CampaignState.APPROVED, *STOPPABLE}:
            return "follow"
        return "done" if self.campaigns or self.exemptions else "upload"

    @property
    def exemption_that_waits(self) -> Exemption | None:
        """The first exemption that somebody has to decide, or whose end is asked for."""
        return next((one for one in self.exemptions if one.state != ExemptionState.STANDING), None)


@require_safe
def space(request: HttpRequest) -> HttpResponse:
    """Show a desk for each insurer of the person and each breach that touches it."""
    desks = [
        _desk(request, insurer, breach)
        for insurer in Insurer.objects.filter(pk__in=staff_of(request).insurer_ids)
        for breach in Breach.objects.filter(
            operator_parts__operator__affiliations__insurer=insurer
        ).distinct()
        if staff_of(request).may_read(insurer.pk, breach.pk)
    ]
    context: dict[str, Any] = {
        "desks": desks,
        "running_alerts": running_alerts(staff_of(request)),
    }
    return render(request, "notifications/space.html", context)


def _desk(request: HttpRequest, insurer: Insurer, breach: Breach) -> Desk:
    mine = {"insurer": insurer, "breach": breach}
    campaigns = list(Campaign.objects.filter(**mine).select_related("affected_list"))
    roles = staff_of(request).roles.get(insurer.pk, frozenset())
    return Desk(
        insurer=insurer,
        breach=breach,
        declaration=Declaration.objects.filter(**mine).first(),
        lists=list(AffectedList.objects.filter(**mine).prefetch_related("operators")),
        notices=list(Notice.objects.filter(**mine).prefetch_related("versions", "operators")),
        campaigns=campaigns,
        exemptions=list(Exemption.objects.filter(**mine, state__in=OPEN).order_by("pk")),
        statement_state=_statement_state(insurer, breach),
        roles=roles,
        to_approve=_first_to_approve(campaigns, staff_of(request).user_id)
        if Role.APPROVER in roles
        else None,
    )


def _statement_state(insurer: Insurer, breach: Breach) -> PublicationState | None:
    """Return where the public statement stands, None before it was ever submitted."""
    mine = Publication.objects.filter(insurer=insurer, statement__breach=breach)
    state = mine.values_list("state", flat=True).first()
    return PublicationState(state) if state else None


def _first_to_approve(campaigns: list[Campaign], person_id: int) -> Campaign | None:
    submitted = (found for found in campaigns if found.state == CampaignState.SUBMITTED)
    mine = (found for found in submitted if person_id not in barred_from_approving(found))
    return next(mine, None)
