"""The states of messages: what may follow which, and what each means for people.

This module owns the transitions: `after` says where an event takes a message, and the database
refuses an event of any other move (migration 0002; a test compares the two).

Always, in people: listed = told + in progress + unreachable + exempt + told already + cancelled.
"""

from django.db import models
from django.utils.translation import gettext_lazy as _

from notifications.models import ReceiptKind, State


class Standing(models.TextChoices):
    """Where a listed person stands; every state belongs to exactly one."""

    TOLD = "told", _("informées")
    IN_PROGRESS = "in_progress", _("en cours")
    UNREACHABLE = "unreachable", _("injoignables")
    EXEMPT = "exempt", _("dispensées")
    TOLD_ALREADY = "told_already", _("déjà informées")
    CANCELLED = "cancelled", _("annulées")


STANDING_OF: dict[State, Standing] = {
    State.PENDING: Standing.IN_PROGRESS,
    State.SENDING: Standing.IN_PROGRESS,
    State.DEFERRED: Standing.IN_PROGRESS,
    State.ACCEPTED: Standing.TOLD,
    State.DELIVERED: Standing.TOLD,
    State.UNCERTAIN: Standing.TOLD,
    State.COMPLAINED: Standing.TOLD,
    State.BOUNCED: Standing.UNREACHABLE,
    State.FAILED: Standing.UNREACHABLE,
    State.SUPPRESSED: Standing.UNREACHABLE,
    State.UNREACHABLE: Standing.UNREACHABLE,
    State.EXEMPT: Standing.EXEMPT,
    State.TOLD_ALREADY: Standing.TOLD_ALREADY,
    State.CANCELLED: Standing.CANCELLED,
}

# A message that is being sent ends in one of these.
OUTCOMES = frozenset(
    {
        State.ACCEPTED,
        State.DEFERRED,
        State.BOUNCED,
        State.FAILED,
        State.UNCERTAIN,
        State.SUPPRESSED,
    }
)
FAILURES = frozenset({State.BOUNCED, State.FAILED})
# What people look into: it did not arrive, not yet, or nobody knows, or it was not welcome.
NOT_ARRIVED = FAILURES | {
    State.DEFERRED,
    State.UNCERTAIN,
    State.SUPPRESSED,
    State.COMPLAINED,
}
IN_PROGRESS = frozenset(
    s for s, standing in STANDING_OF.items() if standing == Standing.IN_PROGRESS
)
TOLD = frozenset(s for s, standing in STANDING_OF.items() if standing == Standing.TOLD)


class Event(models.TextChoices):
    """What happens to a message, receipts apart."""

    LEASED = "leased"
    GIVEN_BACK = "given_back"
    ANSWERED = "answered"
    LOST = "lost"
    SENT_AGAIN = "sent_again"
    GIVEN_UP = "given_up"
    CANCELLED = "cancelled"


# Event: from → to. Where the send's answer decides, `answer` says to which of OUTCOMES.
MOVES: dict[Event, dict[State, frozenset[State]]] = {
    Event.LEASED: {
        State.PENDING: frozenset({State.SENDING}),
        State.DEFERRED: frozenset({State.SENDING}),
    },
    Event.GIVEN_BACK: {State.SENDING: frozenset({State.PENDING})},
    Event.ANSWERED: {State.SENDING: OUTCOMES},
    Event.LOST: {State.SENDING: frozenset({State.UNCERTAIN})},
    Event.SENT_AGAIN: {State.UNCERTAIN: frozenset({State.PENDING})},
    Event.GIVEN_UP: {State.DEFERRED: frozenset({State.FAILED})},
    Event.CANCELLED: {
        State.PENDING: frozenset({State.CANCELLED}),
        State.DEFERRED: frozenset({State.CANCELLED}),
    },
}

# A receipt takes a message to this state, and never back: whatever the order in which receipts
# come, the strongest word stays. A refusal after a delivery is a server that took the message
# and could not place it; a complaint is somebody who read it. A message that was cancelled or
# put aside may have arrived at an earlier attempt, of which nobody knew.
WORD: dict[ReceiptKind, State] = {
    ReceiptKind.SOFT: State.DEFERRED,
    ReceiptKind.DELIVERED: State.DELIVERED,
    ReceiptKind.FAILED: State.FAILED,
    ReceiptKind.HARD: State.BOUNCED,
    ReceiptKind.COMPLAINED: State.COMPLAINED,
}
STRENGTH: dict[State, int] = {
    State.PENDING: 0,
    State.UNCERTAIN: 0,
    State.ACCEPTED: 0,
    State.DEFERRED: 1,
    State.CANCELLED: 1,
    State.SUPPRESSED: 1,
    State.DELIVERED: 2,
    State.FAILED: 3,
    State.BOUNCED: 4,
    State.COMPLAINED: 5,
}


def after_receipt(state: State, kind: ReceiptKind) -> State:
    """Return the state that a receipt leaves a message in; the same where it changes nothing.

    While a message is being sent its receipts wait for the send's own answer
    (`receipts/applying.py`).
    """
    word = WORD.get(kind)
    if word is None or state not in STRENGTH or STRENGTH[word] <= STRENGTH[state]:
        return state
    return word


def allowed_moves() -> set[tuple[State, State]]:
    """Return every (from, to) that may happen to a message."""
    moves = {(a, b) for ways in MOVES.values() for a, ends in ways.items() for b in ends}
    by_receipt = {(state, after_receipt(state, kind)) for state in State for kind in ReceiptKind}
    return moves | {(a, b) for a, b in by_receipt if a != b}
