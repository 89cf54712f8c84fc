"""Short cuts through the story of a campaign: an accepted list, a complete notice, approval."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from insurers.lists.acceptance import accept
from insurers.lists.ingestion import ingest_list, register_list
from insurers.lists.uploads import seal_file
from insurers.models import AffectedList, ListEffect, ListState
from notifications.campaigns.approving import approve_campaign
from notifications.campaigns.submitting import submit_campaign
from notifications.models import Campaign, Channel, NoticeVersion
from notifications.notices.checklist import points_of
from notifications.notices.content import NoticeContent, NoticeTexts, save_version
from notifications.notices.facts import create_notice
from notifications.outbox.building import build_outbox
from notifications.sending.dispatch import dispatch_campaign
from notifications.sending.doubts import DoubtPolicy
from tests import cast
from tests.conftest import as_role

EVERY_POINT = [point.code for point in points_of((Channel.EMAIL, Channel.SMS))]
APPROVAL = {f"point_{code}": "on" for code in EVERY_POINT}
"""What an approver's form sends."""

HEADER = "Numéro adhérent;Date de naissance;Nom;Prénom;Courriel;Mobile;Langue"
WITH_ADDRESSES = f"{HEADER};Adresse;Code postal;Ville"


def accepted_list(
    rows: Sequence[str],
    *,
    effect: ListEffect = ListEffect.ADD,
    operators: Sequence[str] = ("alphapay",),
    corrects: AffectedList | None = None,
) -> AffectedList:
    """Take rows (`number;date;name;first name;e-mail;mobile;language`) all the way in."""
    found = reviewed_list(rows, effect=effect, operators=operators, corrects=corrects)
    with as_role("worker"):
        accept(affected_list=found, decided_by=cast.paule(), now=cast.NOW)
    return found


def reviewed_list(
    rows: Sequence[str],
    *,
    effect: ListEffect = ListEffect.ADD,
    operators: Sequence[str] = ("alphapay",),
    corrects: AffectedList | None = None,
) -> AffectedList:
    """Take rows as far as the decision."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "list.csv"
        has_addresses = any(row.count(";") > HEADER.count(";") for row in rows)
        header = WITH_ADDRESSES if has_addresses else HEADER
        path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
        upload = seal_file(path)
    found = register_list(
        breach=cast.breach(),
        insurer=cast.phare(),
        operators=[cast.operator(code) for code in operators],
        population=cast.insured_people(),
        upload=upload,
        uploaded_by=cast.paule(),
        effect=effect,
        corrects=corrects,
        now=cast.NOW,
    )
    with as_role("worker"):
        ingest_list(list_id=found.pk, now=cast.NOW)
    found.refresh_from_db()
    assert found.state == ListState.REVIEW, found.refusal_code
    return found


def member(
    number: int,
    *,
    email: str = "",
    mobile: str = "",
    name: str = "Phare;Camille",
    language: str = "",
    address: str = "",
) -> str:
    """Return a row; numbers make distinct people; an address is `street;postcode;town`."""
    row = f"{number:09d};12/03/1980;{name};{email};{mobile};{language}"
    return f"{row};{address}" if address else row


def draft_for(found: AffectedList) -> NoticeVersion:
    """Start a notice, by Paule, with what the directory says."""
    return create_notice(
        breach=found.breach,
        insurer=found.insurer,
        operators=list(found.operators.all()),
        population=found.population,
        author_id=cast.paule().pk,
        now=cast.NOW,
    )


def notice_for(found: AffectedList) -> NoticeVersion:
    """Write a complete notice, by Paule."""
    draft = draft_for(found)
    return save_version(
        notice=draft.notice,
        content=complete(NoticeContent.from_json(draft.content)),
        author_id=cast.paule().pk,
        now=cast.NOW,
    )


def submitted(
    found: AffectedList,
    *,
    channels: Sequence[Channel] = (Channel.EMAIL, Channel.SMS),
    in_doubt: DoubtPolicy = DoubtPolicy.RETRY,
    starts_at: datetime | None = None,
) -> Campaign:
    """Submit a campaign, by Paule."""
    return submit_campaign(
        version=notice_for(found),
        affected_list=found,
        channels=channels,
        submitted_by_id=cast.paule().pk,
        in_doubt=in_doubt,
        starts_at=starts_at,
        now=cast.NOW,
    )


def approved(
    found: AffectedList,
    *,
    shared_addresses_confirmed: bool = False,
    in_doubt: DoubtPolicy = DoubtPolicy.RETRY,
    starts_at: datetime | None = None,
    channels: Sequence[Channel] = (Channel.EMAIL, Channel.SMS),
) -> Campaign:
    """Approve it, by Armand."""
    return approve_campaign(
        campaign_id=submitted(found, channels=channels, in_doubt=in_doubt, starts_at=starts_at).pk,
        approver_id=cast.armand().pk,
        checked_points=EVERY_POINT,
        shared_addresses_confirmed=shared_addresses_confirmed,
        now=cast.NOW,
    )


def built(
    rows: Sequence[str],
    *,
    shared_addresses_confirmed: bool = False,
    in_doubt: DoubtPolicy = DoubtPolicy.RETRY,
    starts_at: datetime | None = None,
    channels: Sequence[Channel] = (Channel.EMAIL, Channel.SMS),
) -> Campaign:
    """Return a campaign over these rows whose outbox is made."""
    return with_outbox(
        approved(
            accepted_list(rows),
            shared_addresses_confirmed=shared_addresses_confirmed,
            in_doubt=in_doubt,
            starts_at=starts_at,
            channels=channels,
        )
    )


def with_outbox(campaign: Campaign) -> Campaign:
    """Make the outbox of an approved campaign."""
    build_outbox(campaign_id=campaign.pk, now=cast.NOW)
    campaign.refresh_from_db()
    return campaign


def complete(content: NoticeContent) -> NoticeContent:
    """Add the words that only the insurer can write."""
    texts = replace(
        content.fr,
        consequences="Quelqu’un peut se faire passer pour votre mutuelle en citant ces données.",
        measures="L’opérateur a fermé les comptes détournés ; nous avons prévenu la CNIL.",
        advice="Méfiez-vous des appels et des messages qui citent vos remboursements de santé.",
    )
    return replace(
        content,
        fr=texts,
        en=NoticeTexts(),
        unreachable_plan="Les personnes sans contact recevront une lettre avant la fin du mois.",
    )


def send(campaign: Campaign) -> None:
    """Send what is due, as a worker does in one turn."""
    with as_role("worker"):
        dispatch_campaign(campaign_id=campaign.pk, seconds=30)
    campaign.refresh_from_db()
