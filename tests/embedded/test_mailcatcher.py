"""The mail catcher, over real sockets."""

import http.client
import json
import signal
import smtplib
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path

import pytest

from breachportal.embedded.mailpages import current_code
from breachportal.embedded.process import spawn, stop, wait_until
from breachportal.embedded.state import PROJECT


@dataclass(frozen=True)
class Catcher:
    process: subprocess.Popen[bytes]
    smtp_port: int
    http_port: int
    accounts: Path

    def get(self, path: str, host: str = "localhost:8025") -> tuple[http.client.HTTPResponse, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.http_port, timeout=10)
        connection.request("GET", path, headers={"Host": host})
        response = connection.getresponse()
        body = response.read().decode()
        connection.close()
        return response, body

    def send(self, message: EmailMessage) -> None:
        with smtplib.SMTP("127.0.0.1", self.smtp_port, timeout=10) as client:
            client.send_message(message)

    def answers(self) -> bool:
        try:
            self.get("/")
            smtplib.SMTP("127.0.0.1", self.smtp_port, timeout=10).quit()
        except OSError:
            return False
        return True


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture
def catcher(tmp_path: Path) -> Iterator[Catcher]:
    smtp_port, http_port = free_port(), free_port()
    accounts = tmp_path / "demo.json"
    ports = ["--smtp-port", str(smtp_port), "--http-port", str(http_port)]
    places = ["--folder", str(tmp_path / "mail"), "--accounts", str(accounts)]
    process = spawn(
        [sys.executable, "-m", "breachportal.embedded.mailcatcher", *places, *ports],
        folder=PROJECT,
        environment={},
        log=tmp_path / "mail.log",
    )
    running = Catcher(process, smtp_port, http_port, accounts)
    wait_until(running.answers, process=process, name="mail catcher")
    yield running
    stop(process)


def notice(to: str = "camille@phare.example") -> EmailMessage:
    message = EmailMessage()
    message["From"] = "Mutuelle du Phare <avis@phare.example>"
    message["To"] = to
    message["Subject"] = "Vos données : ce qui s’est passé"
    message.set_content("Bonjour,\n.une ligne à point\nhttp://localhost:8000/invitation/abc/\n")
    message.add_alternative("<p>Bonjour</p><script>alert(1)</script>", subtype="html")
    return message


def test_a_message_is_listed_with_its_recipient(catcher: Catcher) -> None:
    catcher.send(notice())
    _, page = catcher.get("/")
    assert "camille@phare.example" in page
    assert "Vos données : ce qui s’est passé" in page
    assert "1 messages à 1 adresses" in page


def test_a_message_is_kept_as_it_was_sent(catcher: Catcher) -> None:
    catcher.send(notice())
    response, source = catcher.get("/messages/1/source")
    assert "attachment" in response.headers["Content-Disposition"]
    assert "\r\n.une ligne" in source
    assert source.endswith("--\r\n")


def test_the_text_links_to_the_portal_alone(catcher: Catcher) -> None:
    message = EmailMessage()
    message["From"], message["To"] = "avis@phare.example", "camille@phare.example"
    message.set_content("http://localhost:8000/invitation/abc/ et http://ailleurs.example/\n")
    catcher.send(message)
    _, page = catcher.get("/messages/1/")
    assert '<a href="http://localhost:8000/invitation/abc/">' in page
    assert 'href="http://ailleurs.example' not in page


def test_formatted_messages_run_nothing(catcher: Catcher) -> None:
    catcher.send(notice())
    response, _ = catcher.get("/messages/1/html")
    policy = response.headers["Content-Security-Policy"]
    assert "sandbox;" in policy
    assert "default-src 'none'" in policy
    assert "<iframe sandbox src=" in catcher.get("/messages/1/")[1]


def test_a_hostile_subject_is_only_text(catcher: Catcher) -> None:
    message = notice()
    message.replace_header("Subject", "<script>alert(1)</script>")
    catcher.send(message)
    assert "<script" not in catcher.get("/")[1] + catcher.get("/messages/1/")[1]


def test_a_search_finds_a_recipient(catcher: Catcher) -> None:
    catcher.send(notice("camille@phare.example"))
    catcher.send(notice("dominique@phare.example"))
    _, page = catcher.get("/?q=DOMINIQUE")
    assert "dominique@phare.example" in page
    assert "camille@phare.example" not in page


def test_messages_sent_in_one_go_are_all_kept(catcher: Catcher) -> None:
    one = (
        "MAIL FROM:<a@phare.example>\r\nRCPT TO:<camille@phare.example>\r\nDATA\r\nBonjour\r\n.\r\n"
    )
    with socket.create_connection(("127.0.0.1", catcher.smtp_port), timeout=10) as wire:
        wire.sendall(("EHLO test\r\n" + one * 30 + "QUIT\r\n").encode())
        answers = b"".join(iter(lambda: wire.recv(65536), b""))
    assert answers.endswith(b"221 bye\r\n")
    assert "30 messages à 1 adresses" in catcher.get("/")[1]


def test_an_empty_message_is_a_message(catcher: Catcher) -> None:
    with smtplib.SMTP("127.0.0.1", catcher.smtp_port, timeout=10) as client:
        client.sendmail("a@phare.example", ["camille@phare.example"], b"")
    assert "(sans objet)" in catcher.get("/")[1]


def test_data_before_a_recipient_is_refused(catcher: Catcher) -> None:
    with smtplib.SMTP("127.0.0.1", catcher.smtp_port, timeout=10) as client:
        client.ehlo()
        client.mail("a@phare.example")
        assert client.docmd("DATA")[0] == 503


def test_the_accounts_are_shown_with_their_current_code(catcher: Catcher) -> None:
    person = {"email": "paule@phare.example", "password": "un bateau", "role": "préparatrice"}
    accounts = {"accounts": [person | {"totp_secret": "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"}]}
    catcher.accounts.write_text(json.dumps(accounts))
    _, page = catcher.get("/comptes/")
    assert "paule@phare.example" in page
    assert 'http-equiv="refresh"' in page


@pytest.mark.parametrize(("now", "code"), [(59, "287082"), (1111111109, "081804"), (2e9, "279037")])
def test_codes_are_those_of_the_standard(now: float, code: str) -> None:
    """RFC 6238, appendix B, cut to six digits."""
    assert current_code("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", now=now) == code


def test_another_sites_name_for_this_address_reads_nothing(catcher: Catcher) -> None:
    catcher.send(notice())
    response, page = catcher.get("/", host="rebinding.example:8025")
    assert response.status == 421
    assert "camille" not in page


def test_it_logs_no_address(catcher: Catcher, tmp_path: Path) -> None:
    catcher.send(notice())
    catcher.get("/?q=camille")
    assert (tmp_path / "mail.log").read_text() == ""


def test_what_was_accepted_survives_a_kill(catcher: Catcher, tmp_path: Path) -> None:
    from breachportal.embedded.mailbox import Mailbox

    catcher.send(notice())
    catcher.process.kill()
    catcher.process.wait()
    assert Mailbox(tmp_path / "mail").count() == 1


def test_it_ends_by_itself_when_asked(catcher: Catcher) -> None:
    catcher.process.send_signal(signal.SIGTERM)
    assert catcher.process.wait(10) == 0
