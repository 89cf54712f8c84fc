"""The worker's answer to a question of staff, in the words of the page."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from insurers.models import Breach, Ended, Operator
from notifications.models import CampaignKind, CampaignState, Channel, ExemptionGround, State
from notifications.reasons import reason_label
from notifications.replies.standing import ListingStanding, MessageStanding
from notifications.states import IN_PROGRESS

WHY_NONE: dict[str, str | Promise] = {
    "no_campaign": _("Aucune campagne n’est encore soumise pour cette liste."),
    "campaign_submitted": _("La campagne attend d’être approuvée."),
    "campaign_approved": _("La campagne est approuvée ; l’envoi n’a pas commencé."),
    "campaign_cancelled": _("La campagne a été annulée avant que le message parte."),
    "told_already": _("Prévenue, ou en passe de l’être, par une autre de vos listes."),
    "no_contact": _("La liste ne donne ni courriel ni mobile."),
    "invalid_contact": _("Le contact que donne la liste est inutilisable."),
    ExemptionGround.UNINTELLIGIBLE: _(
        "Dispense : les données sont incompréhensibles pour qui les a prises (RGPD, art. 34, § 3,"
        " a)."
    ),
    ExemptionGround.RISK_REMOVED: _(
        "Dispense : des mesures prises depuis ont écarté le risque élevé (RGPD, art. 34, § 3, b)."
    ),
    ExemptionGround.DISPROPORTIONATE: _(
        "Dispense : une communication publique remplace le message à chacun (RGPD, art. 34, § 3,"
        " c)."
    ),
    "shared_address": _(
        "L’adresse est partagée par plus de huit personnes, et personne ne l’a confirmée."
    ),
}
OTHERWISE = _("Aucun message n’a été préparé depuis cette liste.")
ENDED: dict[str, str | Promise] = {
    Ended.WITHDRAWN: _("Retirée : plus rien ne part de cette liste."),
    Ended.REPLACED: _(
        "Absente de la liste qui a remplacé celle-ci, ou reprise par elle : plus rien ne part"
        " d’ici."
    ),
    Ended.CORRECTED: _("Contact corrigé par une liste suivante : plus rien ne part de celle-ci."),
}
HELD_UP = (CampaignState.PAUSED, CampaignState.HALTED)


@dataclass(frozen=True)
class ShownMessage:
    """One message, with why it waits where its campaign stands still."""

    campaign_id: int
    kind: str
    channel: str
    state: str
    reason: str
    held_up: str
    is_unconfirmed: bool
    first_at: datetime | None
    last_at: datetime | None


@dataclass(frozen=True)
class ShownListing:
    """One row of a list on which the person stands, or stood."""

    list_id: int
    breach: Breach
    operators: str
    accepted_at: datetime | None
    ended: str
    why_none: str
    messages: list[ShownMessage]


def shown(listings: list[ListingStanding]) -> list[ShownListing]:
    """Return the listings of an answer as the page shows them, in the language of the page."""
    breaches = Breach.objects.in_bulk({listing["breach_id"] for listing in listings})
    operators = Operator.objects.in_bulk({pk for one in listings for pk in one["operators"]})
    return [_listing(listing, breaches, operators) for listing in listings]


def _listing(
    listing: ListingStanding, breaches: Mapping[int, Breach], operators: Mapping[int, Operator]
) -> ShownListing:
    ended, why = listing["ended"], listing.get("none", "")
    return ShownListing(
        list_id=listing["list_id"],
        breach=breaches[listing["breach_id"]],
        operators=", ".join(operators[pk].name for pk in listing["operators"] if pk in operators),
        accepted_at=_moment(listing["accepted_at"]),
        ended=ended_words(ended),
        why_none=none_words(why) if not ended else "",
        messages=[_message(message) for message in listing["messages"]],
    )


def ended_words(code: str) -> str:
    """Return why nothing more is sent to somebody from a list, "" where that is not so."""
    return str(ENDED.get(code, code))


def none_words(code: str) -> str:
    """Return why there is no message for somebody, "" where there is one."""
    return str(WHY_NONE.get(code, OTHERWISE)) if code else ""


def _message(message: MessageStanding) -> ShownMessage:
    state, campaign_state = State(message["state"]), CampaignState(message["campaign_state"])
    waits = state in IN_PROGRESS and campaign_state in HELD_UP
    kind = CampaignKind(message["kind"])
    return ShownMessage(
        campaign_id=message["campaign_id"],
        kind="" if kind == CampaignKind.NOTICE else str(kind.label),
        channel=str(Channel(message["channel"]).label),
        state=str(state.label),
        reason=reason_label(message["reason"]) if message["reason"] else "",
        held_up=str(campaign_state.label) if waits else "",
        is_unconfirmed=state == State.ACCEPTED,
        first_at=_moment(message["first_at"]),
        last_at=_moment(message["last_at"]),
    )


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
