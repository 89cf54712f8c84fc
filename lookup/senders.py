"""Who may write to people in an insurer's name: what is declared, and nothing else."""

from collections import defaultdict
from dataclasses import dataclass, field
from uuid import UUID

from django.conf import settings

from insurers.models import Insurer
from notifications.models import Channel, DeclaredName, DeclaredSender
from notifications.sender_domains.standing import Standing, portal_standing, standing_of

DOMAIN = "domain"


@dataclass
class DeclaredSenders:
    """How one insurer's messages look: its own address, the portal's, its SMS."""

    insurer: Insurer
    own: tuple[str, Standing] | None = None
    portal_names: list[str] = field(default_factory=list)
    sms_names: list[str] = field(default_factory=list)
    earlier_domains: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class SendersPage:
    """The portal's own sender, and every insurer that has declared one or sent a campaign."""

    portal: Standing
    portal_sms: str
    insurers: list[DeclaredSenders]


def senders_page() -> SendersPage:
    """Return who sends, insurers by name, in a fixed number of queries."""
    senders = {row.insurer_id: row for row in DeclaredSender.objects.all()}
    portal = portal_standing()
    names: dict[tuple[UUID, str], list[str]] = defaultdict(list)
    for row in DeclaredName.objects.order_by("name"):
        names[row.insurer_id, row.channel].append(row.name)
    declared = {*senders, *(insurer_id for insurer_id, _channel in names)}
    return SendersPage(
        portal=portal,
        portal_sms=settings.SMS_ACCOUNT.get("sender", ""),
        insurers=[
            DeclaredSenders(
                insurer,
                own=(own := _own(senders.get(insurer.pk))),
                portal_names=names[insurer.pk, Channel.EMAIL],
                sms_names=names[insurer.pk, Channel.SMS],
                earlier_domains=_without(
                    names[insurer.pk, DOMAIN], (own[1] if own else portal).domain
                ),
            )
            for insurer in Insurer.objects.filter(pk__in=declared)
        ],
    )


def _without(domains: list[str], current: str) -> list[str]:
    return [domain for domain in domains if domain != current]


def _own(sender: DeclaredSender | None) -> tuple[str, Standing] | None:
    return (sender.from_name, standing_of(sender.from_domain, sender)) if sender else None
