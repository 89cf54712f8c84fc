"""What is to be erased of each list, and when, for the page, the dry run and the eraser."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import models
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from insurers.models import AffectedList, ListEffect, ListState
from notifications.campaigns.steps import ENDED
from notifications.models import Campaign, CampaignKind, CampaignState, Exemption
from notifications.models.exemptions import IN_FORCE
from notifications.retention.periods import Periods, Terms, read_terms


class Subject(models.TextChoices):
    """What goes."""

    CONTACTS = "contacts", _("contacts")
    PROBLEMS = "problems", _("fichier des problèmes")


@dataclass(frozen=True)
class Due:
    """Something of a list that goes at a moment, or that waits for what `hindrance` says.

    `rows` are people for contacts, lines for the file of problems.
    """

    affected_list: AffectedList
    subject: Subject
    rows: int
    at: datetime | None
    hindrance: str = ""

    def is_over(self, now: datetime) -> bool:
        """Whether its time has come."""
        return self.at is not None and self.at <= now


def due_of(lists: Iterable[AffectedList]) -> list[Due]:
    """Return what remains to be erased of these lists, the first to go first."""
    decided = [one for one in lists if one.state in (ListState.ACCEPTED, ListState.WITHDRAWN)]
    terms, campaigns = read_terms(), defaultdict(list)
    for campaign in Campaign.objects.filter(affected_list__in=[one.pk for one in decided]):
        campaigns[campaign.affected_list_id].append(campaign)
    exempt = dict(
        Exemption.objects.filter(
            affected_list__in=[one.pk for one in decided], state__in=IN_FORCE
        ).values_list("affected_list", "approved_at")
    )
    found = [
        due for one in decided for due in _due(one, terms, campaigns[one.pk], exempt.get(one.pk))
    ]
    dated = sorted((due for due in found if due.at), key=lambda due: (due.at, due.affected_list.pk))
    return dated + [due for due in found if due.at is None]


def _due(
    affected_list: AffectedList,
    terms: Terms,
    campaigns: Sequence[Campaign],
    exempt_at: datetime | None,
) -> Iterator[Due]:
    periods = terms.of(breach_id=affected_list.breach_id, insurer_id=affected_list.insurer_id)
    lines = problem_lines(affected_list)
    if lines and affected_list.problems_erased_at is None and affected_list.decided_at:
        at = affected_list.decided_at + timedelta(days=periods.problems_days)
        yield Due(affected_list, Subject.PROBLEMS, lines, at)
    if affected_list.effect != ListEffect.WITHDRAW and affected_list.contacts_purged_at is None:
        yield _contacts_due(affected_list, periods, campaigns, exempt_at)


def problem_lines(affected_list: AffectedList) -> int:
    """Return how many lines the file of a list's problems has, or had."""
    report = getattr(affected_list, "report", None)
    counted = sum(lines for _severity, _code, lines in report.problems) if report else 0
    return counted + affected_list.rows_already_listed


def _contacts_due(
    affected_list: AffectedList,
    periods: Periods,
    campaigns: Sequence[Campaign],
    exempt_at: datetime | None,
) -> Due:
    people = affected_list.members - affected_list.members_without_contact
    running = [campaign.pk for campaign in campaigns if campaign.state not in ENDED]
    told = any(
        campaign.kind == CampaignKind.NOTICE and campaign.state == CampaignState.FINISHED
        for campaign in campaigns
    )
    hindrance = ""
    if running:
        hindrance = gettext("La campagne n° %(number)s n’est pas terminée.") % {
            "number": running[0]
        }
    elif not told and not exempt_at and not affected_list.everybody_left:
        hindrance = gettext("Personne de cette liste n’a encore été informé.")
    if hindrance:
        return Due(affected_list, Subject.CONTACTS, people, None, hindrance)
    ends = [*(campaign.finished_at for campaign in campaigns), exempt_at]
    ended = max(filter(None, ends), default=affected_list.decided_at)
    assert ended is not None  # It was accepted.
    at = ended + timedelta(days=periods.contacts_days)
    return Due(affected_list, Subject.CONTACTS, people, at)
