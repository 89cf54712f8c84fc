"""What the portal holds of one person (Article 15), for the insurer that answers them (worker).

Kinds of data, never their values: those are in the insurer's own file, at the row that is named.
"""

from typing import TypedDict

from insurers.lists.contacts import (
    EMAIL_ERASED,
    EMAIL_INVALID,
    HAS_POSTAL_ADDRESS,
    PHONE_ERASED,
    PHONE_INVALID,
)
from insurers.lists.finding import Found
from insurers.models import AffectedList, AffectedMember
from notifications.samples.histories import History, histories


class Holding(TypedDict):
    """One row of one list: `held` are codes of what is kept, `gone` of what was erased."""

    list_id: int
    breach_id: int
    sha256: str
    held: list[str]
    gone: list[str]
    history: History


def holdings(places: list[Found]) -> list[Holding]:
    """Return what is held of a person at these places, the newest list first."""
    lists = AffectedList.objects.in_bulk({place.list_id for place in places})
    return [
        _holding(lists[place.list_id], place.ordinal)
        for place in sorted(places, key=lambda place: (-place.list_id, place.ordinal))
    ]


def _holding(affected_list: AffectedList, ordinal: int) -> Holding:
    member = AffectedMember.objects.get(list_id=affected_list.pk, ordinal=ordinal)
    (history,) = histories(affected_list=affected_list, ordinals=[ordinal])
    return Holding(
        list_id=affected_list.pk,
        breach_id=affected_list.breach_id,
        sha256=bytes(affected_list.sha256 or b"").hex(),
        held=_held(member),
        gone=_gone(member),
        history=history,
    )


def _held(member: AffectedMember) -> list[str]:
    """Return the codes of what is kept: a fingerprint always, the contact while it is there."""
    if member.contact is None:
        return ["fingerprint"]
    flags = member.contact_flags
    kept = {
        "fingerprint": True,
        "contact": True,
        "email": member.email_fingerprint is not None or flags & EMAIL_INVALID,
        "phone": member.phone_fingerprint is not None or flags & PHONE_INVALID,
        "address": flags & HAS_POSTAL_ADDRESS,
    }
    return [code for code, is_kept in kept.items() if is_kept]


def _gone(member: AffectedMember) -> list[str]:
    flags = member.contact_flags
    if member.contact is not None:
        return []
    return ["contact"] + [
        code for code, bit in (("email", EMAIL_ERASED), ("phone", PHONE_ERASED)) if flags & bit
    ]
