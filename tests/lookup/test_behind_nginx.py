"""The documented nginx in front of a real granian, which is then stopped (`make test-full`)."""

import os
import shutil
import socket
import tempfile
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from pytest_django.plugin import DjangoDbBlocker

from tests.insurers.lists.web_servers import wait_for
from tests.lookup.nginx import HOST, Nginx, find_nginx, start_nginx
from tests.lookup.site import Site, production_site

pytestmark = [
    pytest.mark.full,
    pytest.mark.skipif(find_nginx() is None, reason="nginx is not installed"),
]

READ = [
    "/",
    "/en/",
    "/organismes/",
    "/organismes/?operateur=almerys",
    "/organismes/mgp/",
    "/en/organismes/mgp/",
    "/organismes.csv",
    "/organismes.json",
    "/violations/",
    "/violations/viamedis-almerys-2024/",
    "/conseils/",
    "/donnees-ouvertes/",
    "/mentions-legales/",
    "/confidentialite/",
    "/accessibilite/",
    "/verifier/expediteurs/",
    "/robots.txt",
]
NOT_KEPT = [
    "/suis-je-concerne/",
    "/organismes/mgp/me-prevenir/",
    "/verifier/",
    "/verifier/signaler/",
    "/?q=mgp",
    "/recherche/suggestions/?q=mgp",
]
STAFF = ["/compte/login/", "/espace/", "/registre/", "/admin/", "/api/v1/docs", "/en/espace/"]
FORM = {"Content_Type": "application/x-www-form-urlencoded", "Sec_Fetch_Site": "same-origin"}
TYPED = "quelque-chose-de-tape"


@pytest.fixture(scope="module")
def site(
    django_db_setup: None,
    django_db_blocker: DjangoDbBlocker,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Site]:
    folder = Path(tempfile.mkdtemp(prefix="portal-site-"))
    folder.chmod(0o755)  # nginx reads the static files
    with django_db_blocker.unblock():
        with production_site(folder, application="tests.lookup.short_lived:application") as site:
            yield site
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def nginx(site: Site) -> Iterator[Nginx]:
    """nginx, and pages that were all shown once."""
    folder = Path(tempfile.mkdtemp(prefix="portal-nginx-"))
    site.up()
    nginx = start_nginx(folder, static=site.static, upstream_port=site.port)
    try:
        for path in READ:
            assert nginx.ask(path).status == 200, path
        yield nginx
    finally:
        nginx.stop()
        shutil.rmtree(folder)


@pytest.fixture
def down(site: Site, nginx: Nginx) -> None:
    """Django is stopped, and every page kept has been due again for a while."""
    if site.process is not None:
        site.down()
        time.sleep(2.5)


@pytest.mark.usefixtures("down")
def test_the_pages_still_come_while_django_is_stopped(nginx: Nginx) -> None:
    for path in READ:
        answer = nginx.ask(path)
        assert (answer.status, answer.headers["x-cache-status"]) == (200, "STALE"), path
        assert answer.headers["cache-control"].startswith("public, max-age="), path
        assert answer.headers["strict-transport-security"]
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert "set-cookie" not in answer.headers
    assert "MGP" in nginx.ask("/organismes/mgp/").body.decode()
    assert '<html lang="en">' in nginx.ask("/en/organismes/mgp/").body.decode()


@pytest.mark.usefixtures("down")
def test_static_files_need_no_django(nginx: Nginx) -> None:
    page = nginx.ask("/").body.decode()
    style = page.split('rel="stylesheet" href="')[1].split('"')[0]
    answer = nginx.ask(style, Accept_Encoding="gzip")
    assert answer.status == 200
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert answer.headers["content-type"] == "text/css; charset=utf-8"


@pytest.mark.usefixtures("down")
@pytest.mark.parametrize("path", [*NOT_KEPT, *STAFF])
def test_what_is_not_kept_says_so_kindly(nginx: Nginx, path: str) -> None:
    answer = nginx.ask(path)
    assert (answer.status, answer.headers["cache-control"]) == (503, "no-store")
    assert answer.headers["retry-after"] == "60"
    page = answer.body.decode()
    assert "Cette page ne dit pas que vous n’êtes pas concerné" in page
    assert "This page does not say that you are not concerned" in page
    style = page.split('rel="stylesheet" href="')[1].split('"')[0]
    assert nginx.ask(style).status == 200


@pytest.mark.usefixtures("down")
def test_a_form_sent_meanwhile_gets_the_same_page(nginx: Nginx) -> None:
    answer = nginx.ask("/verifier/", method="POST", body=b"reference=BP7K", **FORM)
    assert (answer.status, answer.headers["cache-control"]) == (503, "no-store")
    assert "il n’a peut-être pas été reçu" in answer.body.decode()


def test_a_page_due_again_is_revalidated_not_fetched(site: Site, nginx: Nginx) -> None:
    site.up()
    nginx.ask("/conseils/")
    time.sleep(2.5)
    first = nginx.ask("/conseils/")  # the old one, while nginx asks
    wait_for(
        lambda: nginx.ask("/conseils/").headers["x-cache-status"] == "HIT", what="a fresh page"
    )
    assert first.headers["x-cache-status"] in {"STALE", "UPDATING", "REVALIDATED"}
    held = nginx.ask("/conseils/", If_None_Match=first.headers["etag"])
    assert (held.status, held.body) == (304, b"")


def test_what_was_typed_or_posted_is_never_kept(site: Site, nginx: Nginx) -> None:
    site.up()
    for path in (f"/?q={TYPED}", f"/recherche/suggestions/?q={TYPED}", f"/?autre={TYPED}"):
        for _ in range(2):
            assert nginx.ask(path).headers.get("x-cache-status", "BYPASS") == "BYPASS"
    for _ in range(2):
        answer = nginx.ask("/verifier/", method="POST", body=f"reference={TYPED}".encode(), **FORM)
        assert (answer.status, answer.headers["cache-control"]) == (200, "no-store")
        assert "x-cache-status" not in answer.headers
    posted = nginx.ask("/organismes/", method="POST", body=b"a=b", **FORM)
    assert (posted.status, "cache-control" in posted.headers) == (403, False)
    assert nginx.ask("/organismes/").status == 200


def test_staff_pages_are_never_kept(site: Site, nginx: Nginx) -> None:
    site.up()
    for path in STAFF:
        answers = [nginx.ask(path) for _ in range(2)]
        assert all("x-cache-status" not in answer.headers for answer in answers), path


def test_nothing_typed_and_no_address_is_written(site: Site, nginx: Nginx) -> None:
    """Neither by the log of requests nor by that of errors, nor as a key of the cache."""
    site.down()
    nginx.ask(f"/?q={TYPED}", Referer=f"https://{HOST}/?q={TYPED}")
    nginx.ask(f"/verifier/?reference={TYPED}")
    nginx.ask(f"/invitation/{TYPED}/")
    nginx.ask(f"/en/attente/confirmer/{TYPED}/")
    site.up()
    nginx.ask(f"/compte/password/reset/key/1-{TYPED}/")
    nginx.ask("/verifier/", method="POST", body=f"reference={TYPED}".encode(), **FORM)
    written = nginx.written()
    assert b" GET /verifier/ 503 " in written
    assert TYPED.encode() not in written
    assert b"127.0.0.1 " not in (nginx.folder / "portail.log").read_bytes()


def test_plain_http_leads_to_tls(nginx: Nginx) -> None:
    with socket.create_connection(("127.0.0.1", nginx.plain_port), timeout=10) as plain:
        plain.sendall(f"GET /conseils/ HTTP/1.0\r\nHost: {HOST}\r\n\r\n".encode())
        answer = plain.makefile("rb").read().decode()
    assert f"Location: https://{HOST}/conseils/" in answer


def test_nginx_runs_as_an_ordinary_user(nginx: Nginx) -> None:
    assert Path(f"/proc/{nginx.process.pid}").stat().st_uid != 0


class Recorder(BaseHTTPRequestHandler):
    """Stands where granian does: says 500, and keeps what it was sent."""

    received = 0
    seen: dict[str, str] = {}  # noqa: RUF012 (of the last request)

    def do_GET(self) -> None:
        type(self).seen = {name.lower(): value for name, value in self.headers.items()}
        self.send_error(500)

    def do_POST(self) -> None:
        left = int(self.headers["Content-Length"])
        while left:
            part = self.rfile.read1(min(left, 65536))
            left -= len(part)
            type(self).received += len(part)
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_args: object) -> None:
        pass


@pytest.fixture
def recorder(site: Site, down: None) -> Iterator[type[Recorder]]:
    server = HTTPServer(("127.0.0.1", site.port), Recorder)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield Recorder
    server.shutdown()
    server.server_close()
    thread.join()


def test_an_error_of_django_shows_the_last_good_page(
    nginx: Nginx, recorder: type[Recorder]
) -> None:
    answer = nginx.ask("/organismes/mgp/")
    assert (answer.status, answer.headers["x-cache-status"]) == (200, "STALE")
    assert nginx.ask("/verifier/").status == 500


def test_the_address_passed_on_is_the_real_one(nginx: Nginx, recorder: type[Recorder]) -> None:
    nginx.ask("/verifier/", X_Forwarded_For="192.0.2.66", X_Forwarded_Proto="http")
    assert recorder.seen["x-forwarded-for"] == "127.0.0.1"
    assert recorder.seen["x-forwarded-proto"] == "https"
    assert recorder.seen["host"] == HOST


def test_a_list_streams_through_without_touching_the_disk(
    nginx: Nginx, recorder: type[Recorder]
) -> None:
    mark = os.urandom(32)
    half = mark * (2 * 2**20 // len(mark))
    connection = nginx.connect()
    connection.putrequest("POST", "/espace/listes/nouvelle/", skip_host=True)
    connection.putheader("Host", HOST)
    connection.putheader("Content-Length", str(2 * len(half)))
    connection.endheaders()
    connection.send(half)
    wait_for(lambda: recorder.received == len(half), what="the first half, before the second")
    assert mark not in nginx.written()
    connection.send(half)
    assert connection.getresponse().status == 204
    connection.close()


def test_a_body_too_large_for_a_form_is_refused(nginx: Nginx, recorder: type[Recorder]) -> None:
    before = recorder.received
    answer = nginx.ask("/verifier/", method="POST", body=b"a" * (200 * 1024), **FORM)
    assert answer.status == 413
    assert recorder.received == before
