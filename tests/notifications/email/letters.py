"""Letters that mail servers send back, in the forms that real ones use, about people made up."""

from email.message import EmailMessage
from textwrap import dedent

TOKEN = "6d66726767a4646d7a74777132c6b6e6"
MESSAGE_ID = "<0123456789abcdef0123456789abcdef@portail.example.fr>"
BOUNCES_TO = f"bounce+{TOKEN}@retours.phare.example.fr"
ADDRESS = "camille@example.fr"

RETURNED = f"""\
Return-Path: <{BOUNCES_TO}>
From: Mutuelle du Phare <avis@phare.example.fr>
To: {ADDRESS}
Subject: Vos donnees
Message-ID: {MESSAGE_ID}
X-Receipt-Token: {TOKEN}
"""


def letter(
    *parts: str, to: str = BOUNCES_TO, kind: str = "delivery-status", head: str = ""
) -> bytes:
    """Return a multipart/report of these parts, each with its own headers."""
    body = "".join(f"--=_b\n{dedent(part).strip()}\n\n" for part in parts)
    text = f"""\
From: MAILER-DAEMON@mx.example.fr
To: {to}
Subject: Undelivered Mail Returned to Sender
Auto-Submitted: auto-replied
MIME-Version: 1.0
{head}Content-Type: multipart/report; report-type={kind}; boundary="=_b"

{body}--=_b--
"""
    return text.replace("\n", "\r\n").encode()


def status(*blocks: str, first: str = "Reporting-MTA: dns; mx.example.fr") -> str:
    return "\n\n".join(
        [f"Content-Type: message/delivery-status\n\n{first}", *(dedent(b).strip() for b in blocks)]
    )


def block(action: str, code: str, *, address: str = ADDRESS, diagnostic: str = "") -> str:
    lines = [f"Final-Recipient: rfc822; {address}", f"Action: {action}", f"Status: {code}"]
    return "\n".join(lines + ([f"Diagnostic-Code: smtp; {diagnostic}"] if diagnostic else []))


WORDS = "Content-Type: text/plain; charset=us-ascii\n\nI'm sorry to have to inform you."
ORIGINAL = f"Content-Type: message/rfc822\n\n{RETURNED}\nBonjour"
HEADERS_ONLY = f"Content-Type: text/rfc822-headers\n\n{RETURNED}"


def postfix(action: str = "failed", code: str = "5.1.1", *, to: str = BOUNCES_TO) -> bytes:
    return letter(WORDS, status(block(action, code)), HEADERS_ONLY, to=to)


def exchange() -> bytes:
    """As Exchange and Microsoft 365 write: no VERP kept, the code in the diagnostic only."""
    diagnostic = "550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found by SMTP address"
    said = f"""\
    Final-Recipient: rfc822;{ADDRESS}
    Action: failed
    Status: 5.1.10
    Diagnostic-Code: smtp;{diagnostic}
    """
    html = "Content-Type: text/html; charset=utf-8\n\n<p>Your message couldn't be delivered.</p>"
    shorter = f"Content-Type: message/rfc822\n\nMessage-ID: {MESSAGE_ID}\nSubject: Vos donnees\n\n"
    first = "Reporting-MTA: dns;MRZP264MB0001.FRAP264.PROD.OUTLOOK.COM"
    return letter(html, status(said, first=first), shorter, to="avis@phare.example.fr")


def exim() -> bytes:
    """As Exim writes where it makes no report: a header, and words."""
    message = EmailMessage()
    message["From"] = "Mail Delivery System <Mailer-Daemon@mx.example.fr>"
    message["To"] = BOUNCES_TO
    message["X-Failed-Recipients"] = ADDRESS
    message["Auto-Submitted"] = "auto-generated"
    message["Subject"] = "Mail delivery failed: returning message to sender"
    message.set_content(
        "This message was created automatically by mail delivery software.\n\n"
        "A message that you sent could not be delivered to one or more of its\n"
        "recipients. This is a permanent error. The following address(es) failed:\n\n"
        f"  {ADDRESS}\n"
        "    host mx.example.fr [192.0.2.1]\n"
        "    SMTP error from remote mail server after RCPT TO:<camille@example.fr>:\n"
        "    550 5.1.1 No such user\n\n"
        "------ This is a copy of the message, including all the headers. ------\n\n" + RETURNED
    )
    return message.as_bytes()


def qmail() -> bytes:
    message = EmailMessage()
    message["From"] = "MAILER-DAEMON@mx.example.fr"
    message["To"] = BOUNCES_TO
    message["Subject"] = "failure notice"
    message.set_content(
        "Hi. This is the qmail-send program at mx.example.fr.\n"
        "I'm afraid I wasn't able to deliver your message to the following addresses.\n"
        "This is a permanent error; I've given up. Sorry it didn't work out.\n\n"
        f"<{ADDRESS}>:\n"
        "Sorry, no mailbox here by that name. (#5.1.1)\n\n"
        "--- Below this line is a copy of the message.\n\n" + RETURNED
    )
    return message.as_bytes()


def complaint(kind: str = "abuse") -> bytes:
    said = f"""\
    Content-Type: message/feedback-report

    Feedback-Type: {kind}
    User-Agent: SomeGenerator/1.0
    Version: 1
    Original-Rcpt-To: <{ADDRESS}>
    """
    return letter(WORDS, said, ORIGINAL, to="abuse@phare.example.fr", kind="feedback-report")


def out_of_office() -> bytes:
    message = EmailMessage()
    message["From"] = ADDRESS
    message["To"] = BOUNCES_TO
    message["Auto-Submitted"] = "auto-replied"
    message["Subject"] = "Absente du bureau"
    message.set_content("Je suis absente. Le 550 5.1.1 est mon autobus.\n")
    return message.as_bytes()


def human_reply() -> bytes:
    message = EmailMessage()
    message["From"] = ADDRESS
    message["To"] = BOUNCES_TO
    message["Subject"] = "Re: Vos données"
    message.set_content(f"Bonjour, qui êtes-vous ?\n\n> {RETURNED}")
    return message.as_bytes()
