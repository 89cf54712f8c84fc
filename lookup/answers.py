"""What the directory lets us answer about an insurer, breach by breach, and on which grounds.

A source that speaks of the insurer decides; without one, a known relationship with a breached
operator makes it *very likely*; otherwise we do not know, and never say « not concerned ».
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property

from django.db.models import Prefetch, QuerySet

from insurers.models import (
    Affiliation,
    Breach,
    BreachOperator,
    ExposedData,
    ImpactReport,
    ImpactStatus,
    Insurer,
    Operator,
    Population,
    Source,
)
from lookup.statuses import AnswerStatus

STRENGTH = list(AnswerStatus)
STATUS_OF_REPORT = {
    ImpactStatus.CONCERNED: AnswerStatus.CONCERNED,
    ImpactStatus.PARTLY: AnswerStatus.PARTLY,
    ImpactStatus.NOT_CONCERNED: AnswerStatus.NOT_CONCERNED,
}


@dataclass(frozen=True)
class Ground:
    """What is known of an insurer with one operator (None: the source names no operator)."""

    operator: Operator | None
    status: AnswerStatus
    report: ImpactReport | None
    affiliations: Sequence[Affiliation]


@dataclass(frozen=True)
class DataLists:
    """What was exposed, and what was not, at one operator for one population.

    Each is grouped by what the sources say of it (certainty and remark), so that it is said once.
    """

    operator: Operator
    population: Population
    exposed: Sequence[Sequence[ExposedData]]
    spared: Sequence[Sequence[ExposedData]]

    @property
    def sources(self) -> list[Source]:
        """The sources of all of it, each once (prefetch `exposed_data__sources` first)."""
        rows = [row for group in (*self.exposed, *self.spared) for row in group]
        return list({source.pk: source for row in rows for source in row.sources.all()}.values())


@dataclass(frozen=True)
class Answer:
    """The answer for one insurer in one breach."""

    insurer: Insurer
    breach: Breach
    grounds: Sequence[Ground]

    @cached_property
    def status(self) -> AnswerStatus:
        """The strongest of the grounds: concerned, partly, likely, not concerned, unknown."""
        statuses = [ground.status for ground in self.grounds]
        return min(statuses, key=STRENGTH.index, default=AnswerStatus.UNKNOWN)

    @cached_property
    def operator_parts(self) -> list[BreachOperator]:
        """The parts of the operators by which people may be concerned; all if none is named."""
        touched = {
            ground.operator.pk if ground.operator else None
            for ground in self.grounds
            if ground.status != AnswerStatus.NOT_CONCERNED
        }
        parts = list(self.breach.operator_parts.all())
        return [part for part in parts if part.operator_id in touched or None in touched]

    @cached_property
    def data_lists(self) -> list[DataLists]:
        """What was exposed and what was not, for those operators, insured people first."""
        operators = {part.operator_id for part in self.operator_parts}
        return [lists for lists in data_lists(self.breach) if lists.operator.pk in operators]


@dataclass(frozen=True)
class InsurerPage:
    """An insurer with its answers (strongest first), and the organisations around it."""

    insurer: Insurer
    answers: Sequence[Answer]
    silent_breaches: Sequence[Breach]  # breaches about which nothing ties the insurer to
    successors: Sequence["InsurerPage"]

    @property
    def status(self) -> AnswerStatus:
        """The strongest answer, for the page's title."""
        return self.answers[0].status if self.answers else AnswerStatus.UNKNOWN


def read_page(insurer: Insurer) -> InsurerPage:
    """Return the page of an insurer; a former brand brings its successors' answers along."""
    breaches = list(breaches_with_facts())
    chain = [insurer, *_successors(insurer)]
    affiliations = list(_affiliations().filter(insurer__in=chain))
    reports = list(_reports().filter(insurer__in=chain))
    pages: list[InsurerPage] = []
    for one in reversed(chain):
        own = [row for row in affiliations if row.insurer_id == one.pk]
        said = [row for row in reports if row.insurer_id == one.pk]
        pages.insert(0, InsurerPage(one, *_answers(one, breaches, own, said), tuple(pages)))
    return pages[0]


def breaches_with_facts() -> QuerySet[Breach]:
    """Return the breaches with their operators and data, in a fixed number of queries."""
    data = ExposedData.objects.select_related("operator", "population", "category")
    parts = BreachOperator.objects.select_related("operator").order_by("operator__name")
    return Breach.objects.prefetch_related(
        Prefetch("exposed_data", data.order_by("operator__name", "category__position", "pk")),
        Prefetch("operator_parts", parts),
    )


def data_lists(breach: Breach) -> list[DataLists]:
    """Group a breach's exposed data (prefetched) by population and operator."""
    groups: dict[tuple[int, int], list[ExposedData]] = {}
    for row in breach.exposed_data.all():
        groups.setdefault((row.population_id, row.operator_id), []).append(row)
    lists = [
        DataLists(
            rows[0].operator,
            rows[0].population,
            _by_word([row for row in rows if row.is_exposed]),
            _by_word([row for row in rows if not row.is_exposed]),
        )
        for rows in groups.values()
    ]
    return sorted(lists, key=lambda one: (one.population.pk, one.operator.name))


def _by_word(rows: Sequence[ExposedData]) -> list[list[ExposedData]]:
    groups: dict[tuple[str, str], list[ExposedData]] = {}
    for row in rows:
        groups.setdefault((row.certainty, row.note_fr), []).append(row)
    return list(groups.values())


def answers_of_all(insurers: QuerySet[Insurer] | None = None) -> list[tuple[Insurer, list[Answer]]]:
    """Return every insurer with its answers, in a fixed number of queries."""
    chosen = (Insurer.objects.all() if insurers is None else insurers).select_related("successor")
    everyone = list(chosen.prefetch_related("aliases", "amc_numbers"))
    breaches = list(breaches_with_facts())
    own, said = defaultdict(list), defaultdict(list)
    for affiliation in _affiliations().filter(insurer__in=chosen):
        own[affiliation.insurer_id].append(affiliation)
    for report in _reports().filter(insurer__in=chosen):
        said[report.insurer_id].append(report)
    return [(one, _answers(one, breaches, own[one.pk], said[one.pk])[0]) for one in everyone]


def _successors(insurer: Insurer) -> list[Insurer]:
    chain = [insurer]
    while chain[-1].successor is not None and chain[-1].successor not in chain:
        chain.append(chain[-1].successor)
    return chain[1:]


def _affiliations() -> QuerySet[Affiliation]:
    related = Affiliation.objects.select_related("operator", "source")
    return related.order_by("operator__name", "valid_from_date", "pk")


def _reports() -> QuerySet[ImpactReport]:
    return ImpactReport.objects.select_related("operator", "source")


def _answers(
    insurer: Insurer,
    breaches: Sequence[Breach],
    affiliations: Sequence[Affiliation],
    reports: Sequence[ImpactReport],
) -> tuple[list[Answer], list[Breach]]:
    """Return the answers, strongest first, and the breaches that nothing ties it to."""
    answers, silent = [], []
    for breach in breaches:
        if grounds := _grounds(breach, affiliations, reports):
            answers.append(Answer(insurer, breach, grounds))
        elif breach.is_demo == insurer.is_demo:
            silent.append(breach)
    answers.sort(key=lambda answer: STRENGTH.index(answer.status))
    return answers, silent


def _grounds(
    breach: Breach, affiliations: Sequence[Affiliation], reports: Sequence[ImpactReport]
) -> list[Ground]:
    """Return what is known, operator by operator; a report without operator speaks for all."""
    said = {one.operator_id: one for one in reports if one.breach_id == breach.pk}
    general = said.get(None)
    grounds = []
    for part in breach.operator_parts.all():
        worked = [one for one in affiliations if _may_hold_data(one, part, breach)]
        report = said.get(part.operator_id)
        if report:
            status = STATUS_OF_REPORT[ImpactStatus(report.status)]
        elif general or not worked:
            continue
        elif any(_ran_until(one, _date_of(part, breach)) for one in worked):
            status = AnswerStatus.LIKELY
        else:
            status = AnswerStatus.UNKNOWN
        grounds.append(Ground(part.operator, status, report, worked))
    if general:
        status = STATUS_OF_REPORT[ImpactStatus(general.status)]
        grounds.append(Ground(None, status, general, ()))
    return grounds


def _may_hold_data(affiliation: Affiliation, part: BreachOperator, breach: Breach) -> bool:
    """Whether the insurer came to this operator before the breach."""
    happened = _date_of(part, breach)
    start = affiliation.valid_from_date
    return affiliation.operator_id == part.operator_id and not (
        start and happened and start > happened
    )


def _ran_until(affiliation: Affiliation, happened: date | None) -> bool:
    end = affiliation.valid_until_date
    return end is None or happened is None or end >= happened


def _date_of(part: BreachOperator, breach: Breach) -> date | None:
    return part.detected_date or part.announced_date or breach.announced_date
