"""An insurer's part in a breach of a generated year: the files it sends, and its campaigns."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import NamedTuple

from insurers.lists.acceptance import accept
from insurers.lists.ingestion import ingest_list, register_list
from insurers.lists.uploads import ChunkWriter
from insurers.lists.withdrawal import decide_to_withdraw, withdraw_list
from insurers.models import AffectedList, Breach, Insurer, ListEffect, ListState, Operator
from notifications.campaigns.approving import approve_campaign
from notifications.campaigns.submitting import submit_campaign
from notifications.exemptions.deciding import approve_exemption, submit_exemption
from notifications.models import (
    Campaign,
    CampaignKind,
    CampaignState,
    Channel,
    Exemption,
    ExemptionGround,
    NoticeVersion,
)
from notifications.notices.content import NoticeContent, save_version
from notifications.notices.facts import create_notice
from notifications.outbox.building import build_outbox
from notifications.sending.doubts import DoubtPolicy
from tests import cast
from tests.conftest import as_role
from tests.notifications.register.provider import ACCEPTS, Answers, hand_over
from tests.notifications.story import EVERY_POINT, HEADER, complete

BORN, NEVER_BORN = "12/03/1980", "31/02/1980"
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
SHARED_BY = 12  # people on the address of one list that stands for too many
PIECE = 20_000  # rows of a file that are written together


class Row(NamedTuple):
    """A row as the insurer's file has it; number and first name say who it is."""

    number: int
    name: str = "Camille"
    email: str = ""
    mobile: str = ""
    born: str = BORN

    @property
    def text(self) -> str:
        """The row as a line of the file."""
        return f"{self.number:09d};{self.born};Marin;{self.name};{self.email};{self.mobile};\n"


@dataclass
class Sheet:
    """A file that was sent, and what the insurer wanted of it."""

    affected_list: AffectedList
    rows: Sequence[Row]
    operators: tuple[str, ...]
    effect: ListEffect = ListEffect.ADD
    corrects: "Sheet | None" = None
    is_accepted: bool = False
    is_approved: bool = False
    is_withdrawn: bool = False
    exempt_by: str = ""


@dataclass
class Place:
    """What an insurer does in a breach, and when; `people` is how many it lists, about."""

    breach: Breach
    insurer: Insurer
    story: "Story"
    operators: tuple[str, str]
    people: int
    aware_at: datetime
    notified_at: datetime | None
    is_concerned: bool
    chance: Random
    sheets: list[Sheet] = field(default_factory=list)
    campaigns: list[Campaign] = field(default_factory=list)
    now: datetime = field(init=False)
    _numbers: int = 0
    _notices: dict[tuple[str, ...], NoticeVersion] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.now = self.aware_at + DAY * self.chance.randint(1, 6)

    def some_people(self, share: float = 1.0) -> list[Row]:
        """Return rows of people who are on no file yet: families, twins, bad contacts, and none."""
        count = max(30, round(self.people * share))
        rows = list(self._made(count))
        crowd = f"accueil{self._numbers}@example.fr"
        for place in range(5, 5 + SHARED_BY):
            rows[place] = rows[place]._replace(email=crowd, mobile="")
        return rows

    def _made(self, count: int) -> Iterator[Row]:
        for number in range(self._numbers + 1, self._numbers + count + 1):
            row = Row(number, email=f"p{number}@example.fr")
            if number % 5 == 0:
                row = row._replace(mobile=_mobile(number))
            if number % 10 in (7, 8):  # Two of a family, on one address.
                row = row._replace(email=f"foyer{number // 10}@example.fr")
            if number % 23 == 0:
                row = row._replace(email="", mobile="")
            elif number % 29 == 0:
                row = row._replace(email="", mobile=_mobile(number))
            elif number % 31 == 0:
                row = row._replace(email="pas une adresse", mobile="")
            yield row
            if number % 41 == 0:
                yield row._replace(name="Dominique")  # Twins: one number, one day, two people.
            if number % 97 == 0:
                yield row  # The row twice.
        self._numbers += count

    def listed(
        self,
        rows: Sequence[Row],
        *,
        effect: ListEffect = ListEffect.ADD,
        operators: tuple[str, ...] | None = None,
        corrects: Sheet | None = None,
        is_accepted: bool = True,
    ) -> Sheet:
        """Send a file, have it read, and accept it."""
        operators = operators or self.operators[:1]
        writer = ChunkWriter()
        writer.write(f"{HEADER}\n".encode())
        for start in range(0, len(rows), PIECE):
            writer.write("".join(row.text for row in rows[start : start + PIECE]).encode())
        # Lines of nothing make each file another file.
        writer.write(b"\n" * len(self.sheets))
        found = register_list(
            breach=self.breach,
            insurer=self.insurer,
            operators=Operator.objects.filter(code__in=operators),
            population=cast.insured_people(),
            upload=writer.close(),
            uploaded_by=cast.paule(),
            effect=effect,
            corrects=corrects.affected_list if corrects else None,
            now=self.now,
        )
        sheet = Sheet(found, rows, operators, effect, corrects, is_accepted)
        with as_role("worker"):
            ingest_list(list_id=found.pk, now=self.now)
            found.refresh_from_db()
            assert found.state == ListState.REVIEW, found.refusal_code
            if is_accepted:
                accept(affected_list=found, decided_by=cast.paule(), now=self.now)
        self.sheets.append(sheet)
        return sheet

    def withdraw(self, sheet: Sheet) -> None:
        """Withdraw a whole list."""
        decide_to_withdraw(affected_list=sheet.affected_list, decided_by=cast.paule(), now=self.now)
        with as_role("worker"):
            withdraw_list(list_id=sheet.affected_list.pk)
        sheet.is_withdrawn = True

    def submit(
        self,
        sheet: Sheet,
        *,
        channels: Sequence[Channel] = (Channel.EMAIL, Channel.SMS),
        kind: CampaignKind = CampaignKind.NOTICE,
        in_doubt: DoubtPolicy = DoubtPolicy.RETRY,
    ) -> Campaign:
        """Submit a campaign over a list."""
        campaign = submit_campaign(
            version=self._notice(sheet.operators),
            affected_list=sheet.affected_list,
            channels=channels,
            submitted_by_id=cast.paule().pk,
            in_doubt=in_doubt,
            kind=kind,
            kind_reason="" if kind == CampaignKind.NOTICE else "Une donnée manquait.",
            now=self.now,
        )
        self.campaigns.append(campaign)
        return campaign

    def approve(self, campaign: Campaign, *, confirmed: bool = False) -> Campaign:
        """Approve a campaign."""
        for sheet in self.sheets:
            sheet.is_approved |= sheet.affected_list.pk == campaign.affected_list_id
        return approve_campaign(
            campaign_id=campaign.pk,
            approver_id=cast.armand().pk,
            checked_points=EVERY_POINT,
            shared_addresses_confirmed=confirmed,
            now=self.now,
        )

    def exempt(self, sheet: Sheet, ground: ExemptionGround) -> Exemption:
        """Have the insurer rely on a ground of Article 34(3) for a file."""
        self.now += HOUR
        found = submit_exemption(
            affected_list=sheet.affected_list,
            ground=ground,
            justification="Les données étaient chiffrées et la clé n’a pas été prise.",
            submitted_by_id=cast.paule().pk,
            now=self.now,
        )
        sheet.exempt_by = str(ground)
        return approve_exemption(exemption_id=found.pk, approver_id=cast.armand().pk, now=self.now)

    def begin(self, sheet: Sheet, *, confirmed: bool = False, **plan: object) -> Campaign:
        """Have a campaign approved and its outbox made."""
        campaign = self.approve(self.submit(sheet, **plan), confirmed=confirmed)  # type: ignore[arg-type]
        self.now += HOUR
        with as_role("worker"):
            assert build_outbox(campaign_id=campaign.pk, now=self.now)
        self.campaigns[-1] = campaign
        campaign.refresh_from_db()
        return campaign

    def tell(
        self, campaign: Campaign, answers: Answers = ACCEPTS, *, most: int | None = None
    ) -> Campaign:
        """Send what is due, and what is deferred some hours later, until all has ended."""
        with as_role("worker"):
            # A few are refused for a time, and a few of these once more.
            for _ in range(3 if most is None else 1):
                self.now = self._handed(campaign, answers, most)
                if campaign.state != CampaignState.SENDING:
                    break
        return campaign

    def _handed(self, campaign: Campaign, answers: Answers, most: int | None) -> datetime:
        after = self.now + HOUR * 7
        return hand_over(campaign, at=after, chance=self.chance, answers=answers, most=most)

    def _notice(self, operators: tuple[str, ...]) -> NoticeVersion:
        """Return the complete notice for these operators, written once."""
        if operators not in self._notices:
            draft = create_notice(
                breach=self.breach,
                insurer=self.insurer,
                operators=list(Operator.objects.filter(code__in=operators)),
                population=cast.insured_people(),
                author_id=cast.paule().pk,
                now=self.now,
            )
            self._notices[operators] = save_version(
                notice=draft.notice,
                content=complete(NoticeContent.from_json(draft.content)),
                author_id=cast.paule().pk,
                now=self.now,
            )
        return self._notices[operators]


Story = Callable[[Place], None]


def _mobile(number: int) -> str:
    return f"06 39 98 {number // 100 % 100:02d} {number % 100:02d}"
