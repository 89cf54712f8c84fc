"""A generated year: three breaches, sixty insurers, so many people, and all that happens.

The same seed gives the same year. Lists are read and accepted, campaigns approved, outboxes made
and messages moved by the portal's own functions; only providers are not there (`provider.py`).
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from random import Random

from insurers.lists.purging import run_purge
from insurers.models import (
    Affiliation,
    Breach,
    BreachOperator,
    Declaration,
    ExposedData,
    Insurer,
)
from notifications.retention.erasing import erase_what_is_due
from tests import cast
from tests.conftest import as_role
from tests.notifications.register.places import DAY, HOUR, Place, Story
from tests.notifications.register.stories import (
    ENDED,
    JUST_BEGUN,
    NO_LIST,
    UNDER_WAY,
    goes_on,
    is_not_concerned,
    learns_of_it_now,
    says_nothing,
    tells_everybody,
)

SEED = 20260104
END = datetime(2026, 11, 27, 9, tzinfo=UTC)
"""The moment at which everything is looked at."""
SIZES = (1, 1, 1, 3)
NEVER_NOTIFIED = 0.25
NOTIFIED_AFTER = (5, 30, 71, 72, 73, 200)  # hours
BREACHES = (
    (date(2026, 1, 12), ENDED),
    (date(2026, 9, 14), UNDER_WAY),
    (date(2026, 10, 5), JUST_BEGUN),
)


OVERDUE = 1  # the place whose contacts nobody erased in time


@dataclass
class Year:
    """Everything that happened, as those who did it know it."""

    breaches: list[Breach]
    places: list[Place]


def generate(people: int, *, seed: int = SEED) -> Year:
    """Have the year happen to about so many people."""
    chance = Random(seed)
    breaches = [_breach(number, day) for number, (day, _stories) in enumerate(BREACHES)]
    acts = [(number, story) for number, (_, stories) in enumerate(BREACHES) for story in stories]
    # A few insurers are larger than the others.
    sizes = [0 if act in NO_LIST else chance.choice(SIZES) for _, act in acts]
    each = people / sum(sizes)
    places = [
        _place(breaches, breach, _insurer(number), story, round(size * each), chance)
        for number, ((breach, story), size) in enumerate(zip(acts, sizes, strict=True))
    ]
    # A few have a part in a second breach.
    places += [
        _place(breaches, 1, place.insurer, tells_everybody, 60, chance) for place in places[1:3]
    ]
    overdue = places[OVERDUE]
    for place in sorted(places, key=lambda place: place.story is goes_on):
        if place is not overdue:
            place.story(place)
    _erase_what_is_due()
    overdue.story(overdue)
    return Year(breaches, places)


def _breach(number: int, announced: date) -> Breach:
    breach = Breach.objects.create(
        slug=f"annee-{number}",
        name_fr=f"Violation n° {number} (fictive)",
        name_en=f"Breach no. {number} (fictional)",
        summary_fr="Des comptes de professionnels ont été détournés.",
        summary_en="Accounts of professionals were hijacked.",
        announced_date=announced,
    )
    for code in _operators(number):
        BreachOperator.objects.create(
            breach=breach, operator=cast.operator(code), detected_date=announced - 2 * DAY
        )
        # The same data as in the breach of the other tests.
        for exposed in ExposedData.objects.filter(breach=cast.breach(), operator=cast.operator()):
            exposed.pk, exposed.breach, exposed.operator = None, breach, cast.operator(code)
            exposed.save()
    return breach


def _operators(breach: int) -> tuple[str, str]:
    return f"pay{breach}a", f"pay{breach}b"


def _insurer(number: int) -> Insurer:
    return Insurer.objects.create(
        slug=f"mutuelle-{number:02d}",
        name=f"Mutuelle {number:02d} (fictive)",
        dpo_name="Dominique Marin",
        contact_email="dpo@mutuelle.example.fr",
        contact_phone="01 99 00 00 01",
        contact_address="1 quai du Port, 29000 Exempleville",
        is_demo=True,
    )


def _place(
    breaches: list[Breach],
    breach: int,
    insurer: Insurer,
    story: Story,
    people: int,
    chance: Random,
) -> Place:
    """Tie an insurer to a breach, and have it declare; some tell the authority late, some never."""
    for code in _operators(breach):
        Affiliation.objects.create(
            insurer=insurer, operator=cast.operator(code), source=cast.source()
        )
    announced = datetime.combine(BREACHES[breach][0], time(8), tzinfo=UTC)
    aware_at = (
        announced + chance.randint(0, 14) * DAY + chance.randint(0, 600) * timedelta(minutes=1)
    )
    notified_at: datetime | None = aware_at + chance.choice(NOTIFIED_AFTER) * HOUR
    if chance.random() < NEVER_NOTIFIED:
        notified_at = None
    if story is learns_of_it_now:
        aware_at, notified_at = END - 10 * HOUR, None
    place = Place(
        breach=breaches[breach],
        insurer=insurer,
        story=story,
        operators=_operators(breach),
        people=people,
        aware_at=aware_at,
        notified_at=notified_at,
        is_concerned=story is not is_not_concerned,
        chance=Random(chance.random()),
    )
    if story is not says_nothing:
        Declaration.objects.create(
            breach=place.breach,
            insurer=insurer,
            is_concerned=place.is_concerned,
            awareness_at=aware_at,
            authority_notified_at=notified_at,
            declared_by=cast.paule(),
            declared_at=aware_at,
        )
    return place


def _erase_what_is_due() -> None:
    with as_role("worker"):
        for purge in erase_what_is_due(now=END):
            run_purge(purge_id=purge.pk, now=END)
