"""Each notice as it was sent: to a fictional person, under a reference that is nobody's."""

from django.utils import timezone

from audit.trail import account
from notifications.campaigns.sms_cost import SAMPLE_REFERENCE
from notifications.evidence.archive import Archive
from notifications.evidence.trail_extract import moment
from notifications.letters.pdf import Letter, lay_out_letters, letter_pdf
from notifications.models import Campaign
from notifications.notices.content import NoticeContent
from notifications.notices.previews import RECIPIENTS, SAMPLE_ADDRESS, Recipient, preview

SHOWN = {one.language: one for one in reversed(RECIPIENTS) if one.people == 1}
"""For each language, the first of the fictional people who reads it."""


def write_notices(archive: Archive, campaigns: list[Campaign]) -> None:
    """Write each approved campaign's notice as text, HTML, SMS and PDF, and its content.

    Raises LetterError where the PDF cannot be made.
    """
    for campaign in campaigns:
        if campaign.approved_at is not None:
            _write(archive, campaign)


def _write(archive: Archive, campaign: Campaign) -> None:
    version = campaign.notice_version
    content = NoticeContent.from_json(version.content)
    folder = f"notices/campaign-{campaign.pk}"
    archive.add_json(
        f"{folder}/notice.json",
        {
            "notice": version.notice_id,
            "version": version.number,
            "sha256": bytes(version.sha256).hex(),
            "edited_by": account(version.edited_by_id),
            "edited_at": moment(version.edited_at),
            "content": version.content,
        },
    )
    layout = lay_out_letters(content, dated=timezone.localdate(campaign.approved_at))
    for language, recipient in SHOWN.items():
        if language == "en" and content.texts("en") is not content.en:
            continue
        shown = preview(content, recipient)
        text = f"{shown.email.subject}\n\n{shown.email.text}"
        archive.add(f"{folder}/{language}.txt", text.encode())
        archive.add(f"{folder}/{language}.html", shown.email.html.encode())
        archive.add(f"{folder}/{language}-sms.txt", shown.sms.text.encode())
        archive.add(f"{folder}/{language}.pdf", letter_pdf(layout, [_letter(recipient)]))


def _letter(recipient: Recipient) -> Letter:
    contact = recipient.contact._replace(address=SAMPLE_ADDRESS, language=recipient.language)
    return Letter(contact=contact, people=1, reference=SAMPLE_REFERENCE)
