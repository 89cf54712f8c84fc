"""Whether the portal has an answer for an insurer: what its page shows, and what ends a wait."""

from collections.abc import Collection, Mapping, Sequence
from uuid import UUID

from insurers.models import Insurer
from lookup.answers import InsurerPage, answers_of_all
from lookup.statements import Said
from lookup.statuses import AnswerStatus
from notifications.models import PublishedStatement


def is_answered(page: InsurerPage, statements: Sequence[Said]) -> bool:
    """Whether an insurer's page has an answer: its own, a successor's, or a statement."""
    statuses = {page.status, *(successor.status for successor in page.successors)}
    return bool(statements) or statuses != {AnswerStatus.UNKNOWN}


def answered_insurers(insurer_ids: Collection[UUID]) -> set[UUID]:
    """Return those of these insurers whose pages have an answer, in a fixed number of queries."""
    if not insurer_ids:
        return set()
    successors = dict(Insurer.objects.values_list("pk", "successor_id"))
    chains = {insurer_id: _chain(insurer_id, successors) for insurer_id in insurer_ids}
    everyone = Insurer.objects.filter(pk__in={one for chain in chains.values() for one in chain})
    known = {
        insurer.pk
        for insurer, answers in answers_of_all(everyone)
        if any(answer.status != AnswerStatus.UNKNOWN for answer in answers)
    }
    said = PublishedStatement.objects.filter(insurer_id__in=insurer_ids)
    speaking = set(said.values_list("insurer_id", flat=True))
    return {one for one, chain in chains.items() if one in speaking or known & set(chain)}


def _chain(insurer_id: UUID, successors: Mapping[UUID, UUID | None]) -> list[UUID]:
    """Return an insurer and those that took it over, the next one first."""
    chain = [insurer_id]
    while (following := successors[chain[-1]]) is not None and following not in chain:
        chain.append(following)
    return chain
