"""What insurers do in a generated year, a story each; three tuples have those of the breaches.

Those of ENDED leave nothing open: that breach can be closed.
"""

import pyrage

from insurers.lists.purging import purge_contacts, run_purge
from insurers.models import ListEffect
from notifications.campaigns.cancelling import cancel_messages
from notifications.campaigns.stopping import cancel_campaign, pause_campaign
from notifications.exemptions.deciding import ask_to_lift, lift_exemption
from notifications.letters.exports import ask_for_letters
from notifications.letters.rows import make_rows
from notifications.models import Campaign, CampaignKind, Channel, ExemptionGround, ReceiptKind
from notifications.outbox.settling import settle_stale
from notifications.sending.doubts import DOUBT_DELAY, DoubtPolicy, resolve_doubts
from notifications.sending.leases import recover_batches
from tests import cast
from tests.conftest import as_role
from tests.notifications.register.places import DAY, HOUR, NEVER_BORN, Place, Story
from tests.notifications.register.provider import Answers, die_sending, hand_over, report

PRINTER = pyrage.x25519.Identity.generate()
EVERY_CHANNEL = (Channel.EMAIL, Channel.SMS, Channel.LETTER)
FEW_FAIL = Answers(bounced=15, deferred=15, failed=3)
MOST_FAIL = Answers(bounced=150)
SOME_DOUBT = Answers(uncertain=20)


def says_nothing(place: Place) -> None:
    """Neither a declaration nor a list (`year.py` declares for all the others)."""


def lists_nobody(place: Place) -> None:
    """A declaration, and nothing more."""


def learns_of_it_now(place: Place) -> None:
    """A declaration of last night."""


def is_not_concerned(place: Place) -> None:
    """A declaration that it is not."""


def tells_everybody(place: Place) -> None:
    campaign = place.begin(place.listed(place.some_people()))
    place.tell(campaign)
    _reported(place, campaign, ReceiptKind.DELIVERED, of=80)


def meets_failures(place: Place) -> None:
    """Refusals at once and by receipt, hard and soft; complaints; SMS where there is a mobile."""
    campaign = place.begin(place.listed(place.some_people()))
    place.tell(campaign, FEW_FAIL)
    _reported(place, campaign, ReceiptKind.DELIVERED, of=60)
    _reported(place, campaign, ReceiptKind.HARD, of=100, code="dsn-5.1.1")
    _reported(place, campaign, ReceiptKind.FAILED, of=120)
    _reported(place, campaign, ReceiptKind.SOFT, of=120)
    _reported(place, campaign, ReceiptKind.COMPLAINED, of=120)
    place.now += DAY
    place.tell(campaign)
    # Addresses that bounced are on the next list again: nothing goes there for a year.
    again = [row._replace(number=row.number + 500_000_000) for row in place.sheets[0].rows[:400]]
    place.tell(place.begin(place.listed(again)))


def writes_letters(place: Place) -> None:
    """Letters to whom nothing else reaches, and to those whose e-mail and SMS came back."""
    campaign = place.begin(place.listed(place.some_people()), channels=EVERY_CHANNEL)
    place.tell(campaign, FEW_FAIL)
    _printed(place, campaign)
    _reported(place, campaign, ReceiptKind.HARD, of=120)
    place.tell(campaign)
    _printed(place, campaign)


def writes_only_letters(place: Place) -> None:
    campaign = place.begin(place.listed(place.some_people(0.3)), channels=[Channel.LETTER])
    _printed(place, campaign)


def sends_again(place: Place) -> None:
    """A worker dies, answers get lost: who is in doubt is written to once more."""
    campaign = place.begin(place.listed(place.some_people()))
    _lost(place, campaign)
    place.tell(campaign, SOME_DOUBT)
    _reported(place, campaign, ReceiptKind.DELIVERED, of=80)
    with as_role("worker"):
        place.now += DOUBT_DELAY + HOUR
        assert resolve_doubts(now=place.now)
    place.tell(campaign)


def leaves_doubts(place: Place) -> None:
    campaign = place.begin(place.listed(place.some_people()), in_doubt=DoubtPolicy.FLAG)
    _lost(place, campaign)
    place.tell(campaign, SOME_DOUBT)


def completes_and_corrects(place: Place) -> None:
    """Whoever was told is told again, twice, and counts once."""
    sheet = place.listed(place.some_people())
    place.tell(place.begin(sheet), FEW_FAIL)
    for kind in (CampaignKind.COMPLEMENT, CampaignKind.CORRECTION):
        place.now += 5 * DAY
        place.tell(place.begin(sheet, kind=kind), FEW_FAIL)


def withdraws_unused(place: Place) -> None:
    """A list is withdrawn before its campaign; half of its people are on the next one."""
    people = place.some_people()
    half = people[: len(people) // 2]
    place.withdraw(place.listed(people))
    place.tell(place.begin(place.listed(half)), FEW_FAIL)


def withdraws_used(place: Place) -> None:
    """A list is withdrawn while its messages leave; some that had left come back later."""
    sheet = place.listed(place.some_people())
    campaign = place.begin(sheet)
    place.tell(campaign, most=len(sheet.rows) // 3)
    place.withdraw(sheet)
    _reported(place, campaign, ReceiptKind.HARD, of=40)
    place.tell(campaign)


def withdraws_some(place: Place) -> None:
    people = place.some_people()
    campaign = place.begin(place.listed(people))
    place.tell(campaign, most=len(people) // 2)
    place.listed(people[::9], effect=ListEffect.WITHDRAW)
    place.tell(campaign)


def replaces_unused(place: Place) -> None:
    people = place.some_people()
    place.listed(people)
    place.tell(place.begin(place.listed(people[30:], effect=ListEffect.REPLACE)))


def replaces_used(place: Place) -> None:
    """A new file takes the place of one that is half sent: the rest of it is cancelled."""
    people = place.some_people()
    campaign = place.begin(place.listed(people))
    place.tell(campaign, most=len(people) // 2)
    new = [row for row in people if row.number % 7] + place.some_people(0.1)
    sheet = place.listed(new, effect=ListEffect.REPLACE)
    place.tell(campaign)
    place.tell(place.begin(sheet), FEW_FAIL)


def changes_contacts(place: Place) -> None:
    """A file adds people, and says other addresses of some who are told, or wait to be."""
    people = place.some_people()
    campaign = place.begin(place.listed(people))
    place.tell(campaign, FEW_FAIL, most=len(people) // 2)
    moved = [row._replace(email=f"nouveau{row.number}@example.fr") for row in people[::6]]
    sheet = place.listed(moved + place.some_people(0.1))
    place.tell(campaign)
    place.tell(place.begin(sheet))


def rejects_rows(place: Place) -> None:
    """Rows of people who cannot be told; a later list brings some of them corrected."""
    people = place.some_people()
    wrong = [row._replace(born=NEVER_BORN) if n % 19 == 0 else row for n, row in enumerate(people)]
    sheet = place.listed(wrong)
    place.tell(place.begin(sheet))
    rejected = [row for n, row in enumerate(people) if n % 19 == 0]
    still = [row._replace(born=NEVER_BORN) for row in rejected[:2]]
    place.tell(place.begin(place.listed(rejected[:-3] + still, corrects=sheet)))


def has_two_operators(place: Place) -> None:
    """Some are on the lists of both operators, told of each; a third list names both at once."""
    people = place.some_people(0.7)
    place.tell(place.begin(place.listed(people)), FEW_FAIL)
    other = people[::3] + place.some_people(0.2)
    place.tell(place.begin(place.listed(other, operators=place.operators[1:])))
    both = other[::2] + people[1::3] + place.some_people(0.1)
    place.tell(place.begin(place.listed(both, operators=place.operators)))


def lists_twice(place: Place) -> None:
    """Whoever the first list's campaign told is told already on the second."""
    people = place.some_people()
    place.tell(place.begin(place.listed(people)), FEW_FAIL)
    place.tell(place.begin(place.listed(people[::2] + place.some_people(0.2))))


def erases_contacts(place: Place) -> None:
    """The contacts go; what providers say afterwards still counts."""
    sheet = place.listed(place.some_people())
    campaign = place.begin(sheet)
    place.tell(campaign, FEW_FAIL)
    with as_role("worker"):
        purge = purge_contacts(affected_list=sheet.affected_list, requested_by=None, now=place.now)
        run_purge(purge_id=purge.pk, now=place.now)
    _reported(place, campaign, ReceiptKind.HARD, of=120)
    _reported(place, campaign, ReceiptKind.SOFT, of=150)
    _reported(place, campaign, ReceiptKind.DELIVERED, of=100)


def is_exempt(place: Place) -> None:
    """Who could not be told need not be told one by one, by a ground of Article 34(3)."""
    sheet = place.listed(place.some_people())
    place.tell(place.begin(sheet), FEW_FAIL)
    place.exempt(sheet, ExemptionGround.UNINTELLIGIBLE)


def is_exempt_from_the_start(place: Place) -> None:
    """Nobody of the file is written to."""
    place.exempt(place.listed(place.some_people()), ExemptionGround.RISK_REMOVED)


def gives_up_its_exemption(place: Place) -> None:
    sheet = place.listed(place.some_people())
    exemption = place.exempt(sheet, ExemptionGround.UNINTELLIGIBLE)
    ask_to_lift(
        exemption_id=exemption.pk,
        person_id=cast.paule().pk,
        reason="La clé a été prise elle aussi.",
        now=place.now,
    )
    lift_exemption(exemption_id=exemption.pk, approver_id=cast.armand().pk, now=place.now)
    sheet.exempt_by = ""


def cancels(place: Place) -> None:
    sheet = place.listed(place.some_people())
    campaign = place.begin(sheet)
    place.tell(campaign, most=len(sheet.rows) // 4)
    cancel_campaign(campaign_id=campaign.pk, approver_id=cast.armand().pk, now=place.now)
    with as_role("worker"):
        assert cancel_messages(campaign_id=campaign.pk, now=place.now)
    _reported(place, campaign, ReceiptKind.HARD, of=60)


def pauses(place: Place) -> None:
    sheet = place.listed(place.some_people())
    campaign = place.begin(sheet)
    place.tell(campaign, FEW_FAIL, most=len(sheet.rows) // 2)
    pause_campaign(campaign_id=campaign.pk, person_id=cast.paule().pk, now=place.now)


def halts(place: Place) -> None:
    """More fail than are tolerated: the portal stops the campaign by itself."""
    campaign = place.begin(place.listed(place.some_people()))
    place.tell(campaign, MOST_FAIL, most=120)


def goes_on(place: Place) -> None:
    """A worker has messages in its hands at the moment of the count."""
    sheet = place.listed(place.some_people())
    campaign = place.begin(sheet)
    place.tell(campaign, FEW_FAIL, most=len(sheet.rows) // 3)
    place.now += HOUR
    with as_role("worker"):
        die_sending(campaign, at=place.now, chance=place.chance, after=10, is_found=False)


def waits_for_approval(place: Place) -> None:
    place.submit(place.listed(place.some_people()))


def waits_for_its_outbox(place: Place) -> None:
    place.approve(place.submit(place.listed(place.some_people())))


def waits_for_a_decision(place: Place) -> None:
    """One list is accepted and has no campaign; another one is read, and nobody has decided."""
    place.listed(place.some_people(0.6))
    place.listed(place.some_people(0.4), is_accepted=False)


ENDED: tuple[Story, ...] = (
    says_nothing,
    tells_everybody,
    meets_failures,
    writes_letters,
    sends_again,
    completes_and_corrects,
    withdraws_unused,
    withdraws_used,
    withdraws_some,
    replaces_unused,
    rejects_rows,
    has_two_operators,
    lists_twice,
    erases_contacts,
    writes_only_letters,
    tells_everybody,
    *(says_nothing, lists_nobody, lists_nobody, lists_nobody),
)
UNDER_WAY: tuple[Story, ...] = (
    says_nothing,
    tells_everybody,
    leaves_doubts,
    is_exempt,
    cancels,
    pauses,
    halts,
    waits_for_approval,
    waits_for_its_outbox,
    waits_for_a_decision,
    replaces_used,
    changes_contacts,
    goes_on,
    is_not_concerned,
    is_exempt_from_the_start,
    gives_up_its_exemption,
    *(says_nothing, lists_nobody, lists_nobody, lists_nobody),
)
JUST_BEGUN: tuple[Story, ...] = (
    *(says_nothing, says_nothing, says_nothing, says_nothing, says_nothing, says_nothing),
    *(lists_nobody, lists_nobody, lists_nobody, lists_nobody, lists_nobody, lists_nobody),
    *(learns_of_it_now, learns_of_it_now, is_not_concerned, is_not_concerned),
    tells_everybody,
    waits_for_approval,
    withdraws_used,
    halts,
)
NO_LIST = (says_nothing, lists_nobody, learns_of_it_now, is_not_concerned)


def _reported(
    place: Place, campaign: Campaign, kind: ReceiptKind, *, of: int, code: str = ""
) -> None:
    """Have the provider report on one in `of`, and the sweep settle whoever that concerns."""
    place.now += HOUR
    with as_role("worker"):
        place.now = report(campaign, kind, of=of, at=place.now, code=code)
        settle_stale(now=place.now)
    campaign.refresh_from_db()


def _printed(place: Place, campaign: Campaign) -> None:
    place.now += DAY
    export = ask_for_letters(
        campaign=campaign,
        recipient=str(PRINTER.to_public()),
        requested_by_id=cast.paule().pk,
        now=place.now,
    )
    with as_role("worker"):
        assert make_rows(export_id=export.pk, now=place.now)
        hand_over(campaign, at=place.now, chance=place.chance)


def _lost(place: Place, campaign: Campaign) -> None:
    """Lose a worker in the middle of a batch; the sweep finds it."""
    place.now += HOUR
    with as_role("worker"):
        die_sending(campaign, at=place.now, chance=place.chance, after=10)
        place.now += HOUR
        assert recover_batches(now=place.now) == 1
