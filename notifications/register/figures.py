"""The figures of the register, from tallies and lists' counts: no page counts messages."""

from collections import Counter
from dataclasses import dataclass, field

from django.db.models import QuerySet, Sum

from insurers.models import AffectedList
from notifications.exemptions.standing import ground_of, with_exempt
from notifications.models import Campaign, CampaignKind, CampaignState, State, Tally
from notifications.reasons import reason_label
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


def add_tallies(figures: Figures, tallies: QuerySet[Tally], ground: str = "") -> None:
    """Sum tallies over hours and shards into figures, those of an exempt list by its `ground`."""
    summed = tallies.values_list("state", "reason").annotate(Sum("people"), Sum("messages"))
    rows = [(0, "", *row) for row in summed.order_by("state", "reason")]
    for _campaign, _channel, state, reason, people, messages in with_exempt(rows, {0: ground}):
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
        is_notice = campaign.kind == CampaignKind.NOTICE
        ground = ground_of(campaign.affected_list_id) if is_notice else ""
        add_tallies(figures, Tally.objects.filter(campaign=campaign), ground)
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
    left = affected_list.members - affected_list.members_ended
    if ground := ground_of(affected_list.pk):
        figures.add(State.EXEMPT, ground, left, 0)
    else:
        figures.people[Standing.IN_PROGRESS] = left
    return figures
