"""E-mail: over SMTP (RFC 5321), or through a provider of django-anymail, as the sender says."""

from collections.abc import Iterable, Iterator

from notifications.campaigns.answers import without_addresses
from notifications.channels.base import (
    ChannelDownError,
    Foreseen,
    Outcome,
    Outgoing,
    SenderRefusedError,
)
from notifications.channels.dkim import sign
from notifications.channels.mime import compose, visible_sender, wire_address
from notifications.channels.providers import send_through_provider
from notifications.channels.smtp import (
    Answer,
    Envelope,
    LostConnectionError,
    Session,
    smtp_session,
)
from notifications.models import State, Transport
from notifications.receipts.tokens import return_path, token_maker
from notifications.senders.choosing import Sender

NO_ANSWER, DROPPED = "smtp-no-answer", "smtp-dropped"
SYNTAX = "smtp-syntax"
# After these the connection is of no more use (RFC 5321, 3.8).
CLOSING = {"smtp-421", DROPPED, NO_ANSWER}


class EmailChannel:
    """Sends a batch over one connection, for one sender."""

    def __init__(self, sender: Sender) -> None:
        self._sender = sender
        self._token = token_maker(sender.account)

    @property
    def gives_way(self) -> bool:
        return self._sender.transport == Transport.SMTP

    def send(self, messages: Iterable[Outgoing]) -> Iterator[Outcome]:
        if self._sender.transport != Transport.SMTP:
            yield from send_through_provider(self._sender, messages)
            return
        with smtp_session(self._sender) as session:
            foreseen: tuple[Outgoing, Envelope | None] | None = None
            for outgoing in messages:
                if foreseen is not None and foreseen[0] is outgoing:
                    envelope = foreseen[1]
                else:
                    envelope = self._envelope(outgoing)
                foreseen = self._foresee(messages)
                if envelope is None:
                    yield Outcome(outgoing.notification_id, State.FAILED, SYNTAX)
                    continue
                following = foreseen[1] if foreseen is not None else None
                outcome = self._send_one(session, outgoing, envelope, following)
                yield outcome
                if outcome.reason in CLOSING:
                    raise ChannelDownError("the server is closing the connection")

    def _foresee(self, messages: Iterable[Outgoing]) -> tuple[Outgoing, Envelope | None] | None:
        """Return the next message with its envelope, where the caller shows it beforehand."""
        upcoming = messages.upcoming if isinstance(messages, Foreseen) else None
        return None if upcoming is None else (upcoming, self._envelope(upcoming))

    def _envelope(self, outgoing: Outgoing) -> Envelope | None:
        """Return a message's envelope, None where SMTP cannot carry its address."""
        address = wire_address(outgoing.address)
        if address is None:
            return None
        token = self._token(outgoing.notification_id)
        domain = self._sender.bounce_domain
        sender = return_path(token, domain=domain) if domain else self._sender.from_address
        return Envelope(sender, address, token)

    def _send_one(
        self, session: Session, outgoing: Outgoing, envelope: Envelope, following: Envelope | None
    ) -> Outcome:
        content = compose(
            outgoing,
            sender=visible_sender(self._sender, outgoing),
            address=envelope.recipient,
            receipt_token=envelope.token,
        )
        if self._sender.dkim is not None:
            content = sign(content, self._sender.dkim)
        try:
            answer = session.deliver(envelope, content, following)
        except LostConnectionError as lost:
            return _lost(outgoing, lost)
        return _outcome(outgoing, answer)


def _lost(outgoing: Outgoing, lost: LostConnectionError) -> Outcome:
    """Tell what surely did not leave from what the server may have taken (RFC 1047)."""
    if lost.sent:
        return Outcome(outgoing.notification_id, State.UNCERTAIN, NO_ANSWER)
    if lost.verb in ("RSET", "MAIL"):
        raise ChannelDownError("disconnected before the message") from lost
    # This very address, or content, may be what the server cannot bear: its attempt counts.
    return Outcome(outgoing.notification_id, State.DEFERRED, DROPPED)


def _outcome(outgoing: Outgoing, answer: Answer) -> Outcome:
    """Tell a permanent refusal (5yz) of the address, or of the rest, from a temporary one (4yz).

    An address is refused for itself at RCPT, or where the enhanced code says so (RFC 3463, X.1);
    X.7 is policy and X.2.2 a full mailbox. 552 at RCPT stands for 452 (RFC 5321, 4.5.3.1.10).
    """
    code, verb = answer.code, answer.verb
    reason = f"smtp-{code}"
    if verb == "CONTENT" and code < 400:
        # The first digit decides (RFC 5321, 4.2.1); 3yz has no place here, and may be for a command
        # that a server out of step has answered late.
        taken = State.ACCEPTED if code < 300 else State.UNCERTAIN
        return Outcome(outgoing.notification_id, taken, reason if code < 300 else NO_ANSWER)
    said = without_addresses(f"{code} {answer.text}", [outgoing.address])
    if verb in ("RSET", "MAIL") and code >= 500:
        raise SenderRefusedError("the server does not take our sender")
    if verb in ("RSET", "MAIL") and code == 421:
        raise ChannelDownError("service not available")
    if code < 500 or answer.enhanced == "5.2.2" or (verb == "RCPT" and code == 552):
        return Outcome(outgoing.notification_id, State.DEFERRED, reason, answer=said)
    of_the_address = answer.enhanced.startswith("5.1.")
    if of_the_address or (verb == "RCPT" and not answer.enhanced.startswith("5.7.")):
        return Outcome(outgoing.notification_id, State.BOUNCED, reason, answer=said)
    return Outcome(outgoing.notification_id, State.FAILED, reason, answer=said)
