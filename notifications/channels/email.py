"""E-mail over SMTP (RFC 5321), through Django's mail settings."""

import smtplib
from collections.abc import Iterable, Iterator
from contextlib import suppress
from email.utils import formataddr

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.core.mail.backends.smtp import EmailBackend

from notifications.channels.base import ChannelDownError, Outcome, Outgoing, SenderRefusedError
from notifications.models import State

NO_ANSWER, DROPPED = "smtp-no-answer", "smtp-dropped"
# After these the connection is of no more use (RFC 5321, 3.8).
CLOSING = {"smtp-421", DROPPED, NO_ANSWER}


class EmailChannel:
    """Sends a batch over one SMTP connection."""

    def send(self, messages: Iterable[Outgoing]) -> Iterator[Outcome]:
        backend = EmailBackend()
        try:
            backend.open()
            server = backend.connection
            assert server is not None
            server.ehlo_or_helo_if_needed()
        except (OSError, smtplib.SMTPException) as error:
            raise ChannelDownError("connection refused") from error
        try:
            for outgoing in messages:
                outcome = _send_one(server, outgoing)
                yield outcome
                if outcome.reason in CLOSING:
                    raise ChannelDownError("the server is closing the connection")
        finally:
            backend.fail_silently = True
            backend.close()


def _send_one(server: smtplib.SMTP, outgoing: Outgoing) -> Outcome:
    # Django's own MIME classes take a line separator; the standard library's stubs do not know.
    content = mime(outgoing).message().as_bytes(linesep="\r\n")  # type: ignore[call-arg]
    refusal = _announce(server, outgoing)
    if refusal is not None:
        return refusal
    try:
        code, _answer = server.data(content)
    except smtplib.SMTPDataError as error:
        code = error.smtp_code
    except (OSError, smtplib.SMTPException):
        # The server may have taken the message before the connection broke (RFC 1047).
        return Outcome(outgoing.notification_id, State.UNCERTAIN, NO_ANSWER)
    if code == 250:
        return Outcome(outgoing.notification_id, State.ACCEPTED, "smtp-250")
    return _refused(server, outgoing, "DATA", code)


def _announce(server: smtplib.SMTP, outgoing: Outgoing) -> Outcome | None:
    """Give sender and recipient; return the outcome where the server does not want them."""
    try:
        code, _answer = server.mail(settings.DEFAULT_FROM_EMAIL, _body_type(server))
    except (OSError, smtplib.SMTPException) as error:
        raise ChannelDownError("disconnected before the message") from error
    if code != 250:
        return _refused(server, outgoing, "MAIL", code)
    try:
        code, _answer = server.rcpt(outgoing.address)
    except UnicodeEncodeError:
        return Outcome(outgoing.notification_id, State.FAILED, "smtp-syntax")
    except (OSError, smtplib.SMTPException):
        # This very address may be what the server cannot bear: its attempt counts.
        return Outcome(outgoing.notification_id, State.DEFERRED, DROPPED)
    return None if code in (250, 251) else _refused(server, outgoing, "RCPT", code)


def _refused(server: smtplib.SMTP, outgoing: Outgoing, verb: str, code: int) -> Outcome:
    """Tell a permanent refusal (5yz) of the address, or of the rest, from a temporary one (4yz)."""
    if verb == "MAIL" and code >= 500:
        raise SenderRefusedError
    if verb == "MAIL" and code in (-1, 421):
        raise ChannelDownError("service not available")
    with suppress(OSError, smtplib.SMTPException):
        server.rset()  # A server that closes the connection is met at the next message.
    if code == -1:
        return Outcome(outgoing.notification_id, State.DEFERRED, DROPPED)
    if 400 <= code < 500:
        state = State.DEFERRED
    else:
        state = State.BOUNCED if verb == "RCPT" else State.FAILED
    return Outcome(outgoing.notification_id, state, f"smtp-{code}")


def _body_type(server: smtplib.SMTP) -> list[str]:
    """Say that the body has 8-bit lines where the server can take them (RFC 6152)."""
    return ["body=8bitmime"] if server.has_extn("8bitmime") else []


def mime(outgoing: Outgoing) -> EmailMultiAlternatives:
    """Build the MIME message: text and HTML, no link to follow, no tracking, no list headers."""
    message = EmailMultiAlternatives(
        subject=outgoing.message.subject,
        body=outgoing.message.text,
        from_email=formataddr((outgoing.sender_name, settings.DEFAULT_FROM_EMAIL)),
        to=[outgoing.address],
        reply_to=[outgoing.reply_to] if outgoing.reply_to else None,
        headers={
            "Message-ID": outgoing.message_id,
            "Auto-Submitted": "auto-generated",  # RFC 3834
        },
    )
    message.attach_alternative(outgoing.message.html, "text/html")
    return message
