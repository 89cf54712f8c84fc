"""What an insurer's page of the register shows beside its figures: provenance, steps, reports."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, Max

from audit.models import AuditEntry
from audit.trail import actor_of, insurer_scope
from insurers.lists.report import reasons
from insurers.models import AffectedList, Insurer, ListReport
from insurers.trail_views import Row, named
from notifications.exemptions.refusals import Refusal, last_refusals
from notifications.models import Approval, Campaign, Channel, Exemption, SuspiciousMessage

STEPS = ("campaign.halted", "campaign.paused", "campaign.resumed", "campaign.cancelled")
PAGE = 25


@dataclass(frozen=True)
class ListShown:
    """A list with its file's hash, whoever sent and decided it, its rejected rows by reason."""

    listed: AffectedList
    sha256: str
    sent_by: str
    decided_by: str
    rejected: Sequence[tuple[str, int]]
    exemptions: Sequence[tuple[Exemption, Refusal | None]]


@dataclass(frozen=True)
class CampaignShown:
    """A campaign with its plan in words, its approvals, and what stopped it."""

    campaign: Campaign
    channels: str
    approvals: Sequence[Approval]
    steps: Sequence[Row]


def shown_lists(lists: Sequence[AffectedList]) -> list[ListShown]:
    """Return the lists as the page shows them; people by the numbers of their accounts."""
    # Of the report: the file of problems is erased after a while, its counts are not.
    rejected = {
        report.pk: [(one.said.what, one.lines) for one in reasons(report) if one.is_rejection]
        for report in ListReport.objects.filter(pk__in=[one.pk for one in lists])
    }
    found = list(Exemption.objects.filter(affected_list__in=[one.pk for one in lists]))
    refusals = last_refusals(found)
    exemptions: dict[int, list[tuple[Exemption, Refusal | None]]] = {}
    for exemption in found:
        of_list = exemptions.setdefault(exemption.affected_list_id, [])
        of_list.append((exemption, refusals.get(exemption.pk)))
    return [
        ListShown(
            listed=one,
            sha256=bytes(one.sha256 or b"").hex(),
            sent_by=actor_of(account_id=one.uploaded_by_id, token_id=one.uploaded_with_id),
            decided_by=actor_of(account_id=one.decided_by_id, token_id=None),
            rejected=rejected.get(one.pk, []),
            exemptions=exemptions.get(one.pk, []),
        )
        for one in lists
    ]


def shown_campaigns(insurer: Insurer, campaigns: Sequence[Campaign]) -> list[CampaignShown]:
    """Return the campaigns as the page shows them, with the steps that the trail has of each."""
    entries = AuditEntry.objects.filter(
        scope=insurer_scope(insurer.pk),
        action__in=STEPS,
        subject__in=[f"campaign:{one.pk}" for one in campaigns],
    )
    steps: dict[str, list[Row]] = {}
    for row in named(list(entries.order_by("sequence"))):
        steps.setdefault(row.entry.subject, []).append(row)
    approvals: dict[int, list[Approval]] = {}
    for approval in Approval.objects.filter(campaign__in=campaigns).select_related("version"):
        approvals.setdefault(approval.campaign_id, []).append(approval)
    return [
        CampaignShown(
            campaign=one,
            channels=" → ".join(str(Channel(code).label) for code in one.plan.get("channels", [])),
            approvals=approvals.get(one.pk, []),
            steps=steps.get(f"campaign:{one.pk}", []),
        )
        for one in campaigns
    ]


def suspicious_counts(insurer: Insurer) -> dict[str, Any]:
    """Return how many messages people reported as claiming to be the insurer's, the last when."""
    return SuspiciousMessage.objects.filter(insurer=insurer).aggregate(
        total=Count("pk"), kinds=Count("alike", distinct=True), last_date=Max("reported_date")
    )


def timeline(insurer: Insurer, before: int | None) -> tuple[list[Row], int | None]:
    """Return PAGE entries of the insurer's trail, the newest first, and where older ones begin."""
    entries = AuditEntry.objects.filter(scope=insurer_scope(insurer.pk)).order_by("-sequence")
    if before is not None:
        entries = entries.filter(sequence__lt=before)
    found = list(entries[: PAGE + 1])
    older = found[PAGE - 1].sequence if len(found) > PAGE else None
    return named(found[:PAGE]), older
