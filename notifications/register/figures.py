"""The figures of the register, from tallies and lists' counts: no page counts messages."""

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from django.db.models import QuerySet, Sum

from insurers.lists.rejected import rows_to_correct
from insurers.models import (
    AffectedList,
    Affiliation,
    Breach,
    BreachOperator,
    Declaration,
    Insurer,
    ListState,
)
from notifications.models import (
    Campaign,
    CampaignKind,
    CampaignState,
    Publication,
    PublicationState,
    RegisterSum,
    State,
    Tally,
)
from notifications.reasons import reason_label
from notifications.register.summing import Totals, changed_insurers, totals_of
from notifications.states import FAILURES, IN_PROGRESS, NOT_ARRIVED, STANDING_OF, Standing

# Their outbox was made. (Before that a campaign is returned, never cancelled.)
BUILT = (
    CampaignState.SENDING,
    CampaignState.PAUSED,
    CampaignState.HALTED,
    CampaignState.FINISHED,
    CampaignState.CANCELLED,
)


@dataclass
class Figures:
    """People by standing, unreachable people by reason, messages by state."""

    listed: int = 0
    people: Counter[Standing] = field(default_factory=Counter)
    unreachable_by_reason: Counter[str] = field(default_factory=Counter)
    cancelled_by_reason: Counter[str] = field(default_factory=Counter)
    exempt_by_ground: Counter[str] = field(default_factory=Counter)
    people_by_state: Counter[State] = field(default_factory=Counter)
    messages: Counter[State] = field(default_factory=Counter)

    def add(self, state: State, reason: str, people: int, messages: int) -> None:
        """Add one tally."""
        standing = STANDING_OF[state]
        self.people[standing] += people
        self.people_by_state[state] += people
        self.messages[state] += messages
        if standing == Standing.UNREACHABLE and people:
            self.unreachable_by_reason[reason] += people
        if standing == Standing.CANCELLED and people:
            self.cancelled_by_reason[reason] += people
        if standing == Standing.EXEMPT and people:
            self.exempt_by_ground[reason] += people

    @property
    def adds_up(self) -> bool:
        """Whether listed = told + in progress + unreachable + exempt + told already + cancelled."""
        return self.listed == sum(self.people.values())

    @property
    def standings(self) -> list[tuple[Standing, int]]:
        """The people by standing, in the order of the equation."""
        return [(standing, self.people[standing]) for standing in Standing]

    @property
    def message_states(self) -> list[tuple[State, int]]:
        """The messages by state, without the states that have none."""
        return [(state, self.messages[state]) for state in State if self.messages[state]]

    @property
    def unreachable_reasons(self) -> list[tuple[str, int]]:
        """The unreachable people by reason in words, the most frequent first."""
        return [
            (reason_label(reason), people)
            for reason, people in self.unreachable_by_reason.most_common()
            if people
        ]

    @property
    def cancelled_reasons(self) -> list[tuple[str, int]]:
        """The people to whom nothing more is sent, by reason in words."""
        return [
            (reason_label(reason), people)
            for reason, people in self.cancelled_by_reason.most_common()
            if people
        ]

    @property
    def exempt_grounds(self) -> list[tuple[str, int]]:
        """The exempt people by ground in words, the most frequent first."""
        return [
            (reason_label(ground), people)
            for ground, people in self.exempt_by_ground.most_common()
            if people
        ]

    @property
    def messages_total(self) -> int:
        """All messages made, whatever their state."""
        return sum(self.messages.values())

    @property
    def messages_done(self) -> int:
        """The messages that are no longer in progress."""
        return sum(count for state, count in self.messages.items() if state not in IN_PROGRESS)

    @property
    def bar(self) -> list[tuple[str, str, int]]:
        """The standings that hold people, for a stacked bar: code, label, people."""
        return [
            (standing.value, str(standing.label), people)
            for standing, people in self.standings
            if people > 0
        ]


class Line(Protocol):
    """What charts and rows read of a line, whether it is made of objects or of plain rows."""

    @property
    def insurer(self) -> Any: ...
    @property
    def declaration(self) -> Any: ...
    @property
    def figures(self) -> Figures: ...
    @property
    def rows_rejected(self) -> int: ...
    @property
    def totals(self) -> Totals: ...
    @property
    def first_message_at(self) -> datetime | None: ...
    @property
    def last_message_at(self) -> datetime | None: ...
    @property
    def is_silent(self) -> bool: ...


@dataclass
class RegisterLine:
    """One insurer in one breach.

    Each person counts once, whatever the lists and operators; who left the lists before being
    told counts no longer. `rows_rejected` are people whom nobody can tell until their rows are
    corrected: they stand beside the figures, not in them.
    """

    breach: Breach
    insurer: Insurer
    declaration: Declaration | None = None
    lists: list[AffectedList] = field(default_factory=list)
    campaigns: list[Campaign] = field(default_factory=list)
    figures: Figures = field(default_factory=Figures)
    rows_rejected: int = 0
    public_statement: Publication | None = None
    totals: Totals = field(default_factory=Totals)

    @property
    def first_message_at(self) -> datetime | None:
        """When the first message was handed over."""
        return min((c.first_message_at for c in self.campaigns if c.first_message_at), default=None)

    @property
    def last_message_at(self) -> datetime | None:
        """When the last message was handed over."""
        return max((c.last_message_at for c in self.campaigns if c.last_message_at), default=None)

    @property
    def is_silent(self) -> bool:
        """Whether the insurer has declared nothing and listed nobody."""
        return self.declaration is None and not self.lists


def register_lines(*, breach: Breach, insurers: Collection[Insurer]) -> list[RegisterLine]:
    """Return a line per insurer that has a part in the breach, silent ones first, then by name.

    An insurer has a part when the directory or the insurer itself ties it to the breach. For a
    few insurers: a page of many reads `glance_lines`.
    """
    mine = {insurer.pk: insurer for insurer in insurers}
    lines: dict[UUID, RegisterLine] = {}

    def line(pk: UUID) -> RegisterLine:
        return lines.setdefault(pk, RegisterLine(breach, mine[pk]))

    tied = BreachOperator.objects.filter(breach=breach).values("operator")
    affiliations = Affiliation.objects.filter(operator__in=tied, insurer__in=mine)
    for pk in affiliations.values_list("insurer", flat=True):
        line(pk)
    for declaration in Declaration.objects.filter(breach=breach, insurer__in=mine):
        line(declaration.insurer_id).declaration = declaration
    lists = AffectedList.objects.that_list_people().filter(breach=breach, insurer__in=mine)
    for affected_list in lists.order_by("decided_at", "pk"):
        entry = line(affected_list.insurer_id)
        entry.lists.append(affected_list)
        entry.figures.listed += affected_list.members - affected_list.members_uncounted
    campaigns = Campaign.objects.filter(breach=breach, insurer__in=mine)
    for campaign in campaigns.select_related("notice_version").order_by("submitted_at"):
        line(campaign.insurer_id).campaigns.append(campaign)
    public = Publication.objects.filter(
        statement__breach=breach, insurer__in=mine, state=PublicationState.PUBLISHED
    )
    for publication in public:
        line(publication.insurer_id).public_statement = publication
    _add_totals(breach, lines)
    for entry in lines.values():
        _add_people(entry)
        standing = [found for found in entry.lists if found.state != ListState.WITHDRAWN]
        entry.rows_rejected = rows_to_correct(standing)
    return sorted(lines.values(), key=lambda line: (not line.is_silent, line.insurer.name))


def _add_totals(breach: Breach, lines: dict[UUID, RegisterLine]) -> None:
    """Give each line the sums made beforehand; where they are out of date, add up the tallies."""
    changed = changed_insurers(breach_id=breach.pk)
    sums = RegisterSum.objects.filter(breach=breach, insurer__in=lines).defer("summed_at")
    summed = {
        row.insurer_id: Totals.from_row(row)
        for row in sums
        if row.listed == lines[row.insurer_id].figures.listed
    }
    for pk, line in lines.items():
        if pk in summed and pk not in changed:
            line.totals = summed[pk]
        elif any(campaign.state in BUILT for campaign in line.campaigns):
            line.totals = totals_of(breach_id=breach.pk, insurer_id=pk, listed=line.figures.listed)


def _add_people(line: RegisterLine) -> None:
    """Add a line's tallies to its figures; people of lists without an outbox are in progress.

    Who is told again by a complement or correction counts where they were told first; its
    messages are counted.
    """
    built = [campaign for campaign in line.campaigns if campaign.state in BUILT]
    notices = [campaign for campaign in built if campaign.kind == CampaignKind.NOTICE]
    begun = {campaign.affected_list_id for campaign in notices}
    waiting = sum(
        listed.members - listed.members_uncounted for listed in line.lists if listed.pk not in begun
    )
    line.figures.people[Standing.IN_PROGRESS] += waiting
    counted, sent = {one.pk for one in notices}, {one.pk for one in built}
    for campaign_id, _channel, state, reason, people, uncounted, messages in line.totals.sums:
        if campaign_id in sent:
            whole = people - uncounted if campaign_id in counted else 0
            line.figures.add(State(state), reason, whole, messages)


def add_tallies(figures: Figures, tallies: QuerySet[Tally]) -> None:
    """Sum tallies over hours and shards into figures."""
    rows = tallies.values_list("state", "reason").annotate(Sum("people"), Sum("messages"))
    for state, reason, people, messages in rows.order_by("state", "reason"):
        figures.add(State(state), reason, people, messages)


def failures_of(*, campaign: Campaign) -> list[tuple[str, State, str, int]]:
    """Return channel, state, reason and messages of what did not arrive, the most first."""
    rows = (
        Tally.objects.filter(campaign=campaign, state__in=NOT_ARRIVED)
        .values_list("channel", "state", "reason")
        .annotate(messages=Sum("messages"))
        .filter(messages__gt=0)
        .order_by("-messages", "channel", "state", "reason")
    )
    return [(row[0], State(row[1]), row[2], row[3]) for row in rows]


def ended_and_failed(campaign_id: int) -> tuple[int, int]:
    """Return how many messages of a campaign ended, and how many of them failed for good."""
    figures = Figures()
    add_tallies(figures, Tally.objects.filter(campaign_id=campaign_id))
    return figures.messages_done, sum(figures.messages[state] for state in FAILURES)


def failed_share(campaign_id: int) -> float:
    """Return the share of ended messages that failed for good, between 0 and 1."""
    ended, failed = ended_and_failed(campaign_id)
    return failed / ended if ended else 0.0


def campaign_figures(campaign: Campaign) -> Figures:
    """Return the figures of one campaign; before its outbox, all its people are in progress."""
    if campaign.state in BUILT:
        figures = Figures(listed=campaign.affected_list.members)
        add_tallies(figures, Tally.objects.filter(campaign=campaign))
        return figures
    return list_figures(campaign.affected_list)


def list_figures(affected_list: AffectedList) -> Figures:
    """Return the figures of a list, from its notice campaign if its outbox is built."""
    campaign = Campaign.objects.filter(
        affected_list=affected_list, kind=CampaignKind.NOTICE, state__in=BUILT
    ).first()
    if campaign is not None:
        return campaign_figures(campaign)
    figures = Figures(listed=affected_list.members)
    figures.people[Standing.CANCELLED] = affected_list.members_ended
    figures.people[Standing.IN_PROGRESS] = affected_list.members - affected_list.members_ended
    return figures
