"""What became of one person, in the words of the page."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _

from notifications.models import Channel, ReceiptKind, State
from notifications.reasons import reason_label
from notifications.replies.shown_answer import ended_words, none_words
from notifications.samples.histories import Happening, History


@dataclass(frozen=True)
class ShownEvent:
    """One thing that happened to a message."""

    at: datetime
    what: str
    said: str


def shown_history(history: History) -> dict[str, Any]:
    """Return a row, why it ended or has no message, and its messages with their events."""
    return {
        "row": history["row"],
        "ended": ended_words(history["ended"]),
        "none": none_words(history["none"]) if not history["ended"] else "",
        "messages": [
            {
                "campaign_id": message["campaign_id"],
                "channel": Channel(message["channel"]).label,
                "state": State(message["state"]).label,
                "reason": reason_label(message["reason"]) if message["reason"] else "",
                "events": [_event(event) for event in message["events"]],
            }
            for message in history["messages"]
        ],
    }


def _event(event: Happening) -> ShownEvent:
    at = datetime.fromisoformat(event["at"])
    if event["state"]:
        why = f" ({reason_label(event['reason'])})" if event["reason"] else ""
        return ShownEvent(at, f"{State(event['state']).label}{why}", "")
    what = _("réponse du prestataire : %(kind)s") % {"kind": ReceiptKind(event["reason"]).label}
    return ShownEvent(at, what, event["said"])
