"""The pages of the mail catcher: what arrived, one message, the accounts of the demonstration."""

import base64
import hmac
import json
import re
import struct
import time
from dataclasses import dataclass
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default as modern
from html import escape
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import cast
from urllib.parse import parse_qs, urlencode, urlsplit

from breachportal.embedded.mailbox import Mailbox, Received
from insurers.numbers import in_french

PAGE_SIZE = 25
CODE_SECONDS = 30
STYLE = Path(__file__).with_name("mailpages.css")
FRAME = (Path(__file__).with_name("mailpages.html")).read_text(encoding="utf-8")
OWN_NAMES = {"localhost", "127.0.0.1", "[::1]"}

PAGE_POLICY = (
    "default-src 'none'; style-src 'self'; frame-src 'self'; form-action 'self';"
    " base-uri 'none'; frame-ancestors 'none'"
)
# A message may style itself and show what it carries; it runs, fetches, sends and opens nothing.
MESSAGE_POLICY = (
    "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'self'"
)


@dataclass(frozen=True)
class Settings:
    """What the pages need to know of the demonstration."""

    portal_url: str
    accounts: Path | None


@dataclass(frozen=True)
class Page:
    """An answer to a browser."""

    body: bytes
    kind: str = "text/html; charset=utf-8"
    policy: str = PAGE_POLICY
    attachment: str = ""


def current_code(secret: str, *, now: float) -> str:
    """The 6-digit code of a base32 secret at the Unix time `now` (RFC 6238, SHA-1, 30 s)."""
    key = base64.b32decode(secret.upper() + "=" * (-len(secret) % 8))
    digest = hmac.digest(key, struct.pack(">Q", int(now) // CODE_SECONDS), "sha1")
    start = digest[-1] & 0x0F
    number = struct.unpack(">I", digest[start : start + 4])[0] & 0x7FFFFFFF
    return f"{number % 1_000_000:06d}"


def read_accounts(path: Path | None) -> list[dict[str, str]]:
    """The accounts of the demonstration (email, password, role, totp_secret), once it made them."""
    if path is None or not path.exists():
        return []
    found: list[dict[str, str]] = json.loads(path.read_text(encoding="utf-8"))["accounts"]
    return found


def make_handler(mailbox: Mailbox, settings: Settings) -> type[BaseHTTPRequestHandler]:
    """The request handler class of a catcher's web server."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 30

        def do_GET(self) -> None:
            # Another site's name pointed at this address (DNS rebinding) must not read the codes.
            if self.headers.get("Host", "").rpartition(":")[0] not in OWN_NAMES:
                self._answer(_error("Adresse inattendue."), HTTPStatus.MISDIRECTED_REQUEST)
                return
            page = answer(self.path, mailbox=mailbox, settings=settings, now=time.time())
            status = HTTPStatus.OK if page else HTTPStatus.NOT_FOUND
            self._answer(page or _error("Cette page n’existe pas."), status)

        do_HEAD = do_GET  # noqa: N815

        def _answer(self, page: Page, status: HTTPStatus) -> None:
            self.send_response(status)
            self.send_header("Content-Type", page.kind)
            self.send_header("Content-Length", str(len(page.body)))
            self.send_header("Content-Security-Policy", page.policy)
            self.send_header("X-Content-Type-Options", "nosniff")
            self.send_header("Referrer-Policy", "no-referrer")
            self.send_header("Cache-Control", "no-store")
            if page.attachment:
                self.send_header("Content-Disposition", f'attachment; filename="{page.attachment}"')
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(page.body)

        def log_message(self, *_: object) -> None:
            """Keep no log: a search holds an address."""

    return Handler


def answer(path: str, *, mailbox: Mailbox, settings: Settings, now: float) -> Page | None:
    """The page at `path`, or None when there is none."""
    url = urlsplit(path)
    query = parse_qs(url.query)
    if url.path == "/":
        return _list(
            mailbox,
            search=query.get("q", [""])[0].strip(),
            number=_number(query.get("page", ["1"])[0]),
        )
    if url.path == "/comptes/":
        return _accounts(settings, now=now)
    if url.path == "/style.css":
        return Page(STYLE.read_bytes(), kind="text/css; charset=utf-8")
    if match := re.fullmatch(r"/messages/(\d{1,18})/(html|source)?", url.path):
        received = mailbox.find(int(match[1]))
        if received is None:
            return None
        if match[2] is None:
            return _message(received, settings=settings)
        return _html_part(received) if match[2] == "html" else _source(received)
    return None


def _number(text: str) -> int:
    return int(text) if re.fullmatch(r"[1-9]\d{0,8}", text) else 1


def _frame(title: str, content: str, *, refresh: int = 0) -> Page:
    head = f'<meta http-equiv="refresh" content="{refresh}">' if refresh else ""
    body = (
        FRAME.replace("{title}", escape(title))
        .replace("{head}", head)
        .replace("{content}", content)
    )
    return Page(body.encode())


def _error(text: str) -> Page:
    return _frame(text, f"<h1>{escape(text)}</h1>")


def _list(mailbox: Mailbox, *, search: str, number: int) -> Page:
    total = mailbox.count(search)
    start = (number - 1) * PAGE_SIZE
    rows = "".join(_row(received) for received in mailbox.page(search, start=start, size=PAGE_SIZE))
    messages, addresses = in_french(mailbox.count()), in_french(mailbox.count_addresses())
    written = f"{messages} messages à {addresses} adresses"
    found = f" ; {in_french(total)} pour cette recherche" if search else ""
    content = f"""<h1>Messages reçus</h1>
<p><strong id="count">{written}</strong>{found}. Rien n’est sorti de cet ordinateur.</p>
<form role="search" action="/"><label for="q">Adresse du destinataire</label>
<input id="q" name="q" type="search" value="{escape(search)}" autocomplete="off">
<button>Rechercher</button></form>
"""
    if not rows:
        return _frame("Messages reçus", content + "<p>Aucun message.</p>")
    table = f"""<table><caption>Les plus récents d’abord</caption>
<thead><tr><th scope="col">Reçu</th><th scope="col">Destinataire</th><th scope="col">Objet</th></tr>
</thead>
<tbody>{rows}</tbody></table>"""
    return _frame("Messages reçus", content + table + _pager(search, number=number, total=total))


def _row(received: Received) -> str:
    subject = escape(str(_parse(received)["subject"] or "(sans objet)"))
    return (
        f"<tr><td>{_clock(received)}</td><td>{escape(received.recipients)}</td>"
        f'<td><a href="/messages/{received.id}/">{subject}</a></td></tr>'
    )


def _pager(search: str, *, number: int, total: int) -> str:
    last = max(1, -(-total // PAGE_SIZE))
    links = [
        f'<a href="/?{escape(urlencode({"q": search, "page": page}))}">{label}</a>'
        for page, label in ((number - 1, "Plus récents"), (number + 1, "Plus anciens"))
        if 1 <= page <= last
    ]
    return f'<nav aria-label="Pages"><p>Page {number} sur {last} {" ".join(links)}</p></nav>'


def _message(received: Received, *, settings: Settings) -> Page:
    message = _parse(received)
    names = (("De", "from"), ("À", "to"), ("Objet", "subject"), ("Date", "date"))
    headers = "".join(
        f"<dt>{label}</dt><dd>{escape(str(message[name] or ''))}</dd>" for label, name in names
    )
    text = _link_portal(escape(_part(message, "plain") or "(aucun texte)"), settings.portal_url)
    content = f"""<h1>{escape(str(message["subject"] or "(sans objet)"))}</h1>
<dl>{headers}<dt>Enveloppe</dt><dd>{escape(received.recipients)}</dd></dl>
<p><a href="/messages/{received.id}/source" download>Télécharger la source</a></p>
<h2>Texte</h2><pre tabindex="0" aria-label="Texte du message">{text}</pre>"""
    if _part(message, "html"):
        address = f"/messages/{received.id}/html"
        content += f"""<h2>Mise en forme</h2>
<iframe sandbox src="{address}" title="Message mis en forme"></iframe>"""
    return _frame(str(message["subject"] or "(sans objet)"), content)


def _link_portal(text: str, portal_url: str) -> str:
    """Make links of the portal's own addresses, such as an invitation, in an escaped text."""
    pattern = re.escape(escape(portal_url)) + r"/[^\s<>]*[^\s<>.,;:)]"
    return re.sub(pattern, lambda match: f'<a href="{match[0]}">{match[0]}</a>', text)


def _html_part(received: Received) -> Page:
    html = _part(_parse(received), "html") or "<p>Ce message n’a pas de mise en forme."
    return Page(html.encode(), policy=MESSAGE_POLICY)


def _source(received: Received) -> Page:
    return Page(received.content, kind="message/rfc822", attachment=f"message-{received.id}.eml")


def _accounts(settings: Settings, *, now: float) -> Page:
    left = CODE_SECONDS - int(now) % CODE_SECONDS
    rows = "".join(_account_row(account, now=now) for account in read_accounts(settings.accounts))
    sign_in = f'<a href="{escape(settings.portal_url)}/">{escape(settings.portal_url)}</a>'
    content = f"""<h1>Comptes de la démonstration</h1>
<p>Pour se connecter à {sign_in} sans téléphone : le code à usage unique change toutes les
30 secondes, et cette page se recharge avec lui (encore {left} secondes).</p>"""
    if not rows:
        return _frame(
            "Comptes", content + "<p>Les comptes ne sont pas encore créés.</p>", refresh=left
        )
    titles = "".join(
        f'<th scope="col">{name}</th>' for name in ("Rôle", "Adresse", "Mot de passe", "Code")
    )
    table = f"""<table><caption>Comptes fictifs</caption>
<thead><tr>{titles}</tr></thead><tbody>{rows}</tbody></table>"""
    return _frame("Comptes", content + table, refresh=left)


def _account_row(account: dict[str, str], *, now: float) -> str:
    code = current_code(account["totp_secret"], now=now)
    cells = (account["role"], account["email"], account["password"])
    return (
        "<tr>"
        + "".join(f"<td>{escape(cell)}</td>" for cell in cells)
        + f'<td class="code">{code}</td></tr>'
    )


def _parse(received: Received) -> EmailMessage:
    return message_from_bytes(received.content, policy=modern)


def _part(message: EmailMessage, kind: str) -> str:
    """The text of a message's plain or html part, whatever its encoding; empty when it has none."""
    part = message.get_body(preferencelist=(kind,))
    if part is None:
        return ""
    content = part.get_payload(decode=True)
    charset = part.get_content_charset("utf-8")
    try:
        return cast(bytes, content).decode(charset, "replace")
    except LookupError:
        return cast(bytes, content).decode("utf-8", "replace")


def _clock(received: Received) -> str:
    return time.strftime("%d/%m %H:%M:%S", time.localtime(received.received_at))
