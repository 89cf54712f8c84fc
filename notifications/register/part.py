"""An insurer's part in a breach: its line of the register, and the rows behind it."""

from dataclasses import dataclass

from insurers.models import AffectedList, Breach, Declaration, Insurer
from notifications.models import Campaign
from notifications.register.glance import KnownInsurer, Line, lines_of


@dataclass(frozen=True)
class Part:
    """What one insurer has of a breach. It `exists` where something ties the insurer to it."""

    breach: Breach
    insurer: Insurer
    line: Line
    exists: bool
    declaration: Declaration | None
    lists: list[AffectedList]
    campaigns: list[Campaign]


def part_of(*, breach: Breach, insurer: Insurer) -> Part:
    """Read an insurer's part: lists in the order of decisions, campaigns of submissions."""
    lines = lines_of(breach=breach, insurers=[insurer.pk])
    mine = {"breach": breach, "insurer": insurer}
    lists = AffectedList.objects.that_list_people().filter(**mine)
    campaigns = Campaign.objects.filter(**mine).select_related("notice_version")
    return Part(
        breach=breach,
        insurer=insurer,
        line=lines[0] if lines else Line(KnownInsurer(insurer.pk, insurer.slug, insurer.name)),
        exists=bool(lines),
        declaration=Declaration.objects.filter(**mine).first(),
        lists=list(lists.order_by("decided_at", "pk")),
        campaigns=list(campaigns.order_by("submitted_at")),
    )
