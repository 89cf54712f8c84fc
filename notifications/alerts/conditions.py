"""What is wrong now (worker only): each function looks at one kind of thing."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from audit.checking import faults_of_trail
from audit.trail import PORTAL, insurer_scope
from insurers.models import (
    AffectedList,
    Breach,
    Declaration,
    FingerprintKey,
    Insurer,
    KeyState,
    ListPurge,
)
from notifications.evidence.left_heads import compare_with_left_heads
from notifications.exemptions.deciding import lacks_statement
from notifications.models import (
    AlertKind,
    Campaign,
    CampaignState,
    Exemption,
    ExemptionGround,
    RecountResult,
)
from notifications.models.alerts import LONGEST_SUBJECT
from notifications.models.exemptions import IN_FORCE
from notifications.register.clock import ClockState, clock_of
from notifications.retention.closing import hindrances
from notifications.retention.due import due_of

ERASURE_GRACE = timedelta(days=2)


@dataclass(frozen=True)
class Condition:
    """Something that is wrong; two with the same `place` are the same."""

    kind: AlertKind
    insurer_id: UUID | None = None
    breach_id: int | None = None
    subject: str = ""
    detail: dict[str, int | str] = field(default_factory=dict)
    is_for_operator: bool = False

    @property
    def place(self) -> tuple[str, UUID | None, int | None, str]:
        """What tells it from others."""
        return self.kind, self.insurer_id, self.breach_id, self.subject


def conditions(kinds: Iterable[AlertKind], *, now: datetime) -> list[Condition]:
    """Return everything of these kinds that is wrong."""
    return [found for kind in kinds for found in LOOKS[kind](now)]


def _overdue_clocks(now: datetime) -> Iterator[Condition]:
    waiting = Declaration.objects.filter(is_concerned=True, authority_notified_at=None)
    for declaration in waiting:
        clock = clock_of(declaration=declaration, now=now)
        if clock.state == ClockState.LATE and clock.deadline_at is not None:
            yield Condition(
                AlertKind.CLOCK,
                declaration.insurer_id,
                declaration.breach_id,
                detail={"deadline": clock.deadline_at.isoformat()},
            )


def _silent_insurers(now: datetime) -> Iterator[Condition]:
    """Insurers that the directory ties to a breach, and that have said and listed nothing."""
    since = timezone.localdate(now) - timedelta(days=settings.SILENT_AFTER_DAYS)
    for breach in Breach.objects.filter(announced_date__lte=since):
        if breach.is_closed(timezone.localdate(now)):
            continue
        mine = {"insurer": OuterRef("pk"), "breach": breach}
        silent = Insurer.objects.filter(
            ~Exists(Declaration.objects.filter(**mine)),
            ~Exists(AffectedList.objects.that_list_people().filter(**mine)),
            affiliations__operator__breach_parts__breach=breach,
        )
        for insurer_id in silent.values_list("pk", flat=True).distinct():
            yield Condition(AlertKind.SILENT, insurer_id, breach.pk, is_for_operator=True)


def _halted_campaigns(now: datetime) -> Iterator[Condition]:
    for campaign in Campaign.objects.filter(state=CampaignState.HALTED):
        yield Condition(
            AlertKind.HALTED,
            campaign.insurer_id,
            campaign.breach_id,
            subject=f"campaign:{campaign.pk}",
            detail={"reason": campaign.halt_reason},
        )


def _old_keys(now: datetime) -> Iterator[Condition]:
    """Keys in force that reach their age within a month."""
    limit = now - timedelta(days=settings.KEY_LASTS_DAYS - 30)
    old = FingerprintKey.objects.filter(
        state=KeyState.CURRENT, destroyed_at=None, created_at__lte=limit
    )
    for key in old:
        yield Condition(
            AlertKind.KEY,
            breach_id=key.breach_id,
            subject=f"key:{key.version}",
            detail={"created": key.created_at.isoformat()},
            is_for_operator=True,
        )


def _late_erasures(now: datetime) -> Iterator[Condition]:
    late = now - ERASURE_GRACE
    kept = Q(contacts_purged_at=None) | Q(problems_erased_at=None)
    lists = AffectedList.objects.select_related("report").filter(kept)
    for due in due_of(lists.order_by("pk")):
        if due.is_over(late):
            yield _late_list(due.affected_list)
    for purge in ListPurge.objects.filter(finished_at=None, requested_at__lte=late):
        yield _late_list(purge.list)
    for breach in Breach.objects.filter(closing_date__lte=timezone.localdate(late)):
        if found := hindrances(breach=breach):
            yield Condition(
                AlertKind.ERASURE,
                breach_id=breach.pk,
                subject="breach",
                detail={"hindrances": len(found)},
                is_for_operator=True,
            )


def _late_list(affected_list: AffectedList) -> Condition:
    return Condition(
        AlertKind.ERASURE,
        affected_list.insurer_id,
        affected_list.breach_id,
        subject=f"list:{affected_list.pk}",
        is_for_operator=True,
    )


def _exemptions_without_statement(now: datetime) -> Iterator[Condition]:
    """Exemptions in force that rest on a public communication which is no longer published."""
    in_force = Exemption.objects.filter(state__in=IN_FORCE, ground=ExemptionGround.DISPROPORTIONATE)
    for exemption in in_force:
        if lacks_statement(exemption):
            yield Condition(
                AlertKind.EXEMPTION,
                exemption.insurer_id,
                exemption.breach_id,
                subject=f"list:{exemption.affected_list_id}",
            )


def _differing_figures(now: datetime) -> Iterator[Condition]:
    """What the last recount did not find again, by insurer and breach."""
    last = RecountResult.objects.first()
    if last is not None and last.differences:
        places = last.found.order_by().values_list("insurer", "breach").distinct()
        for insurer_id, breach_id in places:
            yield Condition(AlertKind.RECOUNT, insurer_id, breach_id, is_for_operator=True)


def _broken_trails(now: datetime) -> Iterator[Condition]:
    """Chains changed behind the portal's back, as they or heads that left say; late heads."""
    left = compare_with_left_heads(now=now)
    if left is None:
        faults = faults_of_trail()
    else:
        faults = faults_of_trail(left.comparison, fingerprints=left.fingerprints)
        for subject in left.faults:
            yield Condition(AlertKind.TRAIL, subject=subject, is_for_operator=True)
    insurers = {insurer_scope(pk): pk for pk in Insurer.objects.values_list("pk", flat=True)}
    for scope, fault in sorted(faults.items()):
        subject = f"entry:{fault.sequence}"
        # A chain of nobody must not keep the others from being told.
        is_known = scope == PORTAL or scope in insurers
        yield Condition(
            AlertKind.TRAIL,
            insurers.get(scope),
            subject=subject if is_known else f"{subject} {scope}"[:LONGEST_SUBJECT],
            is_for_operator=True,
        )


Look = Callable[[datetime], Iterator[Condition]]
LOOKS: dict[AlertKind, Look] = {
    AlertKind.CLOCK: _overdue_clocks,
    AlertKind.SILENT: _silent_insurers,
    AlertKind.HALTED: _halted_campaigns,
    AlertKind.RECOUNT: _differing_figures,
    AlertKind.KEY: _old_keys,
    AlertKind.ERASURE: _late_erasures,
    AlertKind.EXEMPTION: _exemptions_without_statement,
    AlertKind.TRAIL: _broken_trails,
}
SLOW = {AlertKind.TRAIL}  # It reads every entry: once a day.
QUICK = set(LOOKS) - SLOW
