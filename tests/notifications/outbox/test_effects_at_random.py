"""Scripted chance: lists that add, replace and withdraw while messages leave and bounce.

Whatever the order: nobody is told twice for the same operator, whoever can be told at the end
is, everybody counts once, and the figures add up after every step.
"""

import random

import pytest
from django.utils import timezone

from insurers.models import AffectedList, ListEffect, ListState
from notifications.models import Campaign, CampaignState, Notification, State, Told
from notifications.outbox.settling import settle_stale
from notifications.states import Standing
from tests.conftest import as_role
from tests.notifications.effects import check_figures, prepare, send, told_twice, withdraw_whole
from tests.notifications.story import accepted_list, member
from tests.smtp import Recorder

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("mail")]
STEPS = 14


class World:
    """What an insurer knows of eight people, and has sent to the portal."""

    def __init__(self, seed: int, mail: Recorder) -> None:
        self.chance = random.Random(seed)
        self.mail = mail
        self.contact: dict[int, str] = {}
        # By list: who stands there, and whose contact a later list corrected.
        self.standing: dict[int, dict[int, str]] = {}
        self.corrected: dict[int, dict[int, str]] = {}
        self.lines = 0

    def step(self) -> None:
        self.chance.choice(
            [self.add, self.add, self.replace, self.withdraw, self.tell, self.whole]
        )()
        check_figures()

    def add(self) -> None:
        self._send_list(ListEffect.ADD, self._some())

    def replace(self) -> None:
        some = self._some()
        self._send_list(ListEffect.REPLACE, some)
        self.contact = {number: self.contact[number] for number in some}

    def withdraw(self) -> None:
        some = self._some(new_contacts=False)
        self._send_list(ListEffect.WITHDRAW, some)
        for number in some:
            self.contact.pop(number, None)

    def whole(self) -> None:
        """Withdraw a list; whom another one names stays, or comes back."""
        lists = list(AffectedList.objects.open_to_campaigns())
        if lists and self.chance.random() < 0.5:
            found = self.chance.choice(lists)
            withdraw_whole(found)
            self._let_go(found)
            if self.chance.random() < 0.3:
                self._send_list(ListEffect.ADD, list(self.contact) or [1])
                self.contact.setdefault(1, "")

    def tell(self) -> None:
        for found in AffectedList.objects.open_to_campaigns().filter(campaigns=None):
            if self.chance.random() < 0.7:
                prepare(found)
        for campaign in Campaign.objects.filter(state=CampaignState.SENDING):
            if self.chance.random() < 0.6:
                send(campaign)

    def tell_all(self) -> None:
        """Prepare and send all that remains."""
        for found in AffectedList.objects.open_to_campaigns().filter(campaigns=None):
            prepare(found)
        for _ in range(3):
            for campaign in Campaign.objects.filter(state=CampaignState.SENDING):
                send(campaign)

    def reachable(self) -> set[str]:
        """Return, for each person who stays listed, the start of every address that is right."""
        return {address.split(".")[0] for address in self.contact.values() if "good" in address} | {
            address for address in self.contact.values() if address.startswith("foyer")
        }

    def _some(self, *, new_contacts: bool = True) -> list[int]:
        some = self.chance.sample(range(1, 9), self.chance.randint(1, 5))
        for number in some if new_contacts else ():
            if self.chance.random() < 0.5 or number not in self.contact:
                self.contact[number] = self._contact(number)
        return some

    def _contact(self, number: int) -> str:
        kind = self.chance.choice(["good", "good", "bad", "family", "none"])
        if kind == "none":
            return ""
        if kind == "family":
            return f"foyer{number // 3}@example.fr"
        address = f"p{number}.{self.chance.randint(1, 3)}.{kind}@example.fr"
        if kind == "bad":
            self.mail.answers[address] = "550 no such user"
        return address

    def _send_list(self, effect: ListEffect, some: list[int]) -> None:
        # Empty rows at the end make each file another file.
        self.lines += 1
        rows = [member(n, email=self.contact.get(n, "")) for n in some] + [""] * self.lines
        found = accepted_list(rows, effect=effect)
        if effect != ListEffect.ADD:
            for people in (*self.standing.values(), *self.corrected.values()):
                for number in list(people):
                    if (number in some) == (effect == ListEffect.WITHDRAW):
                        people.pop(number)
        if effect == ListEffect.WITHDRAW:
            return
        for left in AffectedList.objects.filter(state=ListState.WITHDRAWN):
            self.standing.pop(left.pk, None)
        contacts = {number: self.contact.get(number, "") for number in some}
        for pk, people in self.standing.items():
            for number, contact in contacts.items():
                if contact and people.get(number, contact) != contact:
                    self.corrected.setdefault(pk, {})[number] = people.pop(number)
        self.standing[found.pk] = contacts

    def _let_go(self, found: AffectedList) -> None:
        """Learn who stays once a list has left."""
        left = self.standing.pop(found.pk)
        unused = AffectedList.objects.filter(pk__in=self.standing, is_in_use=False)
        for pk in unused.order_by("-pk").values_list("pk", flat=True):
            for number in left.keys() & self.corrected.get(pk, {}).keys():
                if not any(number in people for people in self.standing.values()):
                    self.standing[pk][number] = self.corrected[pk].pop(number)
        self.contact = {}
        for _pk, people in sorted(self.standing.items()):
            self.contact |= people


@pytest.mark.parametrize("seed", range(8))
def test_whatever_the_order_nobody_is_lost_or_told_twice(seed: int, mail: Recorder) -> None:
    world = World(seed, mail)
    for _ in range(STEPS):
        world.step()
    world.tell_all()
    with as_role("worker"):
        settle_stale(now=timezone.now())
    figures = check_figures()
    assert figures.people[Standing.IN_PROGRESS] == 0
    standing = {number for people in world.standing.values() for number in people}
    assert figures.listed >= len(standing)
    assert not Notification.objects.filter(state=State.SENDING).exists()
    told = list(Told.objects.values_list("fingerprint", flat=True))
    assert len(told) == len(set(told)) == figures.people[Standing.TOLD]
    singles = [address for address in mail.recipients if not address.startswith("foyer")]
    assert told_twice(singles) == []
    assert len({address.split(".")[0] for address in singles}) == len(singles)
    written_to = {a if a.startswith("foyer") else a.split(".")[0] for a in mail.recipients}
    people = {a for a in world.reachable() if a.startswith("p")}
    told_with_their_family = {
        f"p{n}" for n in range(1, 9) if f"foyer{n // 3}@example.fr" in written_to
    }
    assert people <= written_to | told_with_their_family
    assert (
        AffectedList.objects.exclude(state__in=(ListState.ACCEPTED, ListState.WITHDRAWN)).count()
        == 0
    )
