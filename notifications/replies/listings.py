"""Where those who ask stand, whatever list, insurer or breach, and how they can be reached.

A whole batch of questions is looked up at once: what it costs in statements depends on how many
insurers and breaches it concerns, not on how many people ask.
"""

import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import connection

from insurers.lists.finding import find_members, people_meant
from insurers.lists.fingerprint_keys import UnknownKeyVersionError
from insurers.lists.keystore import KeyNotFoundError, StoreUnreachableError, WrongKeyError
from insurers.models import AffectedList, Insurer, ListState
from notifications.channels.sms_account import sms_account
from notifications.models import Channel
from notifications.replies.questions import Question

logger = logging.getLogger(__name__)

KEY_TROUBLE = (KeyNotFoundError, StoreUnreachableError, UnknownKeyVersionError, WrongKeyError)
Place = tuple[int, int]
"""A list, and the line of its file."""

# Addresses that stand for too many people, and those that bounced, are left out.
LISTINGS = """
SELECT m.list_id, m.ordinal, m.name_tag, l.insurer_id, l.breach_id,
    m.email_fingerprint, m.phone_fingerprint,
    m.contact IS NOT NULL AND m.email_fingerprint IS NOT NULL AND NOT EXISTS (
        SELECT FROM notifications_suppression s WHERE s.insurer_id = l.insurer_id
            AND s.address_fingerprint = m.email_fingerprint AND s.until_at > %(now)s
    ) AND NOT EXISTS (
        SELECT FROM notifications_crowdedaddress c JOIN notifications_campaign p
            ON p.id = c.campaign_id AND p.affected_list_id = m.list_id
        WHERE c.address_fingerprint = m.email_fingerprint
    ),
    m.contact IS NOT NULL AND m.phone_fingerprint IS NOT NULL AND NOT EXISTS (
        SELECT FROM notifications_crowdedaddress c JOIN notifications_campaign p
            ON p.id = c.campaign_id AND p.affected_list_id = m.list_id
        WHERE c.address_fingerprint = m.phone_fingerprint
    )
FROM unnest(%(lists)s::int[], %(ordinals)s::int[]) AS found (list_id, ordinal)
JOIN affected_member m ON m.list_id = found.list_id AND m.ordinal = found.ordinal
JOIN insurers_affectedlist l ON l.id = m.list_id
"""


@dataclass(frozen=True)
class Listing:
    """Where somebody stands, and by which channels they can be reached from there."""

    list_id: int
    ordinal: int
    name_tag: int
    insurer_id: UUID
    breach_id: int
    email: UUID | None
    phone: UUID | None
    has_email: bool
    has_phone: bool

    @property
    def channels(self) -> list[str]:
        """E-mail, else SMS."""
        has_phone = self.has_phone and sms_account() is not None
        usable = [(Channel.EMAIL, self.has_email), (Channel.SMS, has_phone)]
        return [channel.value for channel, is_usable in usable if is_usable]


def listings_of(questions: Sequence[Question], *, now: datetime) -> list[list[Listing] | None]:
    """Return, for each question, where the person stands, whatever list, insurer or breach.

    None where a key is out of reach, which is not « not found »: the question has to wait.
    """
    successor = successors()
    families = {
        insurer_id: related_insurers(insurer_id, successor)
        for insurer_id in {question.insurer_id for question in questions}
    }
    found: list[set[Place]] = [set() for _ in questions]
    waiting: set[int] = set()
    for breach_id, insurer_id in _lists_of(set().union(*families.values())):
        concerned = [
            number
            for number, question in enumerate(questions)
            if insurer_id in families[question.insurer_id]
        ]
        people = [_people(questions[number]) for number in concerned]
        try:
            everyone = find_members(
                breach_id=breach_id,
                insurer_id=insurer_id,
                people=[person for meant in people for person in meant],
            )
        except KEY_TROUBLE:
            logger.exception("questions about insurer %s wait for its keys", insurer_id)
            waiting.update(concerned)
            continue
        standing = iter(everyone)
        for number, meant in zip(concerned, people, strict=True):
            for _person in meant:
                found[number] |= {(one.list_id, one.ordinal) for one in next(standing)}
    known = _read_listings(set().union(*found), now)
    return [
        None if number in waiting else [known[place] for place in sorted(places) if place in known]
        for number, places in enumerate(found)
    ]


def _people(question: Question) -> list[tuple[str, str, str]]:
    return people_meant(
        member_number=question.member_number,
        birth_date=question.birth_date,
        birth_rank=question.birth_rank,
    )


def successors() -> dict[UUID, UUID]:
    """Return who took over each insurer that was taken over."""
    return dict(Insurer.objects.exclude(successor=None).values_list("pk", "successor_id"))


def related_insurers(insurer_id: UUID, successor: Mapping[UUID, UUID]) -> set[UUID]:
    """Return an insurer with all that it took over, and all that took it over."""
    before: dict[UUID, set[UUID]] = defaultdict(set)
    for predecessor, after in successor.items():
        before[after].add(predecessor)
    related, place = {insurer_id}, insurer_id
    while (later := successor.get(place)) is not None and later not in related:
        related.add(later)
        place = later
    earlier = {insurer_id}
    while earlier:
        earlier = {one for place in earlier for one in before[place]} - related
        related |= earlier
    return related


def last_successor(insurer_id: UUID, successor: Mapping[UUID, UUID]) -> UUID:
    """Return who took an insurer over in the end: the same for all that are related by it."""
    chain = [insurer_id]
    while (later := successor.get(chain[-1])) is not None:
        if later in chain:  # They took each other over: one of them stands for all.
            return min(chain[chain.index(later) :])
        chain.append(later)
    return chain[-1]


def _lists_of(insurers: Iterable[UUID]) -> list[tuple[int, UUID]]:
    """Return the breaches and insurers that there are accepted lists of."""
    accepted = AffectedList.objects.with_members().filter(
        insurer__in=insurers, state=ListState.ACCEPTED
    )
    return list(accepted.order_by().values_list("breach_id", "insurer_id").distinct())


def _read_listings(places: Iterable[Place], now: datetime) -> dict[Place, Listing]:
    lists, ordinals = zip(*places, strict=True) if places else ((), ())
    if not lists:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(LISTINGS, {"lists": list(lists), "ordinals": list(ordinals), "now": now})
        listings = [Listing(*row) for row in cursor.fetchall()]
    return {(one.list_id, one.ordinal): one for one in listings}
