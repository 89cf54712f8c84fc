"""What a campaign's page shows of its letters: how many wait, how far files are, what to take."""

from dataclasses import dataclass

from insurers.models import Role
from insurers.permissions import StaffScope
from notifications.campaigns.forms import LettersForm
from notifications.letters.exports import pending_letters
from notifications.models import Campaign, CampaignState, Channel, LetterExport, ListReach


@dataclass(frozen=True)
class Series:
    """The files that one request made, or is making: several PDF, or one of anything else."""

    asked: LetterExport
    files: list[LetterExport]
    is_live: bool

    @property
    def done(self) -> int:
        """How many letters are in files."""
        return sum(file.letters for file in self.files)

    @property
    def total(self) -> int:
        """How many there are to make, as far as is known."""
        return max(self.asked.total, self.done)


def letter_series(campaign: Campaign) -> list[Series]:
    """Return what was asked for, the last first; the content of files stays where it is."""
    exports = list(campaign.letter_exports.defer("content").order_by("pk"))
    asked = [export for export in exports if export.first_id is None]
    return [_series(one, exports) for one in reversed(asked)]


def _series(asked: LetterExport, exports: list[LetterExport]) -> Series:
    own = [export for export in exports if asked.pk in (export.pk, export.first_id)]
    made = [export for export in own if export.made_at is not None]
    # A file of nothing is what remains of letters that were withdrawn or cancelled meanwhile.
    files = [one for one in made if one.letters or one.is_given_up or len(own) == 1]
    return Series(asked, files, is_live=len(made) < len(own))


def letters_shown(campaign: Campaign, *, staff: StaffScope) -> dict[str, object]:
    """Return what the part about letters shows; empty where the plan has none."""
    if Channel.LETTER not in campaign.plan["channels"] or campaign.approved_at is None:
        return {}
    series = letter_series(campaign)
    last = LetterExport.objects.filter(insurer=campaign.insurer_id).defer("content").first()
    reach = ListReach.objects.filter(affected_list=campaign.affected_list_id).first()
    has_addresses = reach is not None and reach.postal_people > 0
    is_live = any(one.is_live for one in series)
    return {
        "campaign": campaign,
        "has_letters": True,
        "postal_people": reach.postal_people if reach else 0,
        "letters_pending": pending_letters(campaign),
        "letter_series": series,
        "letters_are_live": is_live,
        "letters_form": LettersForm(
            has_addresses=has_addresses, initial={"recipient": last.recipient if last else ""}
        ),
        "may_ask_letters": campaign.state == CampaignState.SENDING and not is_live,
        "may_take_letters": staff.has_role(campaign.insurer_id, Role.PREPARER, Role.APPROVER),
    }
