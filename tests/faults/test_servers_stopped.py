"""PostgreSQL or Redis stopped while a staff page or form is open, behind the real web server."""

import http.client
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pytest
from django.db import connections
from django.test import Client
from django.urls import reverse
from pytest_django.plugin import DjangoDbBlocker

from breachportal.embedded.postgres import start_cluster
from breachportal.embedded.redis import start_redis
from breachportal.embedded.throwaway import start_servers
from insurers.models import AffectedList, Declaration
from tests import cast
from tests.faults.own_servers import copy_template
from tests.insurers.lists.files import LISE, csv_file
from tests.static_files import copy_static_files

DATABASE = "portal"
BOUNDARY = "limite-du-formulaire"
DECLARATION = {"is_concerned": "on", "awareness_at": "2026-02-21T09:00", "expected_people": "12"}
Answer = tuple[int, str]


class Portal:
    """A web server with a PostgreSQL and a Redis of its own; somebody is signed in to it."""

    def __init__(self, folder: Path) -> None:
        self.cookies: dict[str, str] = {}
        self.uploads = folder / "uploads"
        self._folder, self._data = folder, folder / "servers"
        servers = start_servers(folder, database=DATABASE)
        self._postgres, self._redis = servers.cluster, servers.redis
        self._environment = os.environ | {
            "DATABASE_URL_WEB": f"postgresql://breachportal_web@/{DATABASE}?host={folder}",
            "REDIS_URL": servers.redis.url(),
            "UPLOAD_DIR": str(self.uploads),
            "STATIC_ROOT": str(folder / "static"),
            "SEALING_PRIVATE_KEY": "",
            "PORTAL_ROLE": "web",
        }
        copy_template(folder, database=DATABASE)
        copy_static_files(folder / "static")
        self._web = self._serve()

    @contextmanager
    def without_postgres(self) -> Iterator[None]:
        """Stop PostgreSQL for the block, then start it again on the same data."""
        self._postgres.stop()
        try:
            yield
        finally:
            self._postgres = start_cluster(self._data, runtime=self._folder, durable=False)

    @contextmanager
    def without_redis(self) -> Iterator[None]:
        """Stop Redis for the block, then start it again, empty."""
        self._redis.stop()
        try:
            yield
        finally:
            self._redis = start_redis(self._data, runtime=self._folder)

    def end(self) -> None:
        """End all servers."""
        os.killpg(self._web.pid, signal.SIGKILL)
        self._web.wait()
        self._redis.stop()
        self._postgres.stop()

    def get(self, path: str) -> Answer:
        return self._ask("GET", path)

    def post(
        self, path: str, body: bytes, *, half_way: Callable[[], object] | None = None
    ) -> Answer:
        """Send a form's body; `half_way` is called when half of it has left."""
        return self._ask("POST", path, body, half_way)

    def form(self, fields: dict[str, str], file: bytes | None = None) -> bytes:
        """Return the body of a form whose page, hence token, was fetched before."""
        head = f"--{BOUNDARY}\r\nContent-Disposition: form-data; name="
        fields = {"csrfmiddlewaretoken": self.cookies["csrftoken"], **fields}
        body = "".join(f'{head}"{name}"\r\n\r\n{value}\r\n' for name, value in fields.items())
        if file is not None:
            body += f'{head}"file"; filename="liste.csv"\r\n\r\n'
        return body.encode() + (file or b"") + f"\r\n--{BOUNDARY}--\r\n".encode()

    def _ask(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        half_way: Callable[[], object] | None = None,
    ) -> Answer:
        headers = {
            "Host": "localhost",
            "Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items()),
            "Content-Type": f"multipart/form-data; boundary={BOUNDARY}",
            "Content-Length": str(len(body)),
        }
        with closing(http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)) as connection:
            connection.request(method, path, body[: len(body) // 2], headers)
            if half_way is not None:
                half_way()
            connection.send(body[len(body) // 2 :])
            answer = connection.getresponse()
            for cookie in answer.headers.get_all("Set-Cookie") or []:
                name, _, value = cookie.partition(";")[0].partition("=")
                self.cookies[name] = value
            return answer.status, answer.read().decode()

    def _serve(self) -> subprocess.Popen[bytes]:
        with closing(socket.create_server(("127.0.0.1", 0))) as free:
            self._port = free.getsockname()[1]
        command = ["granian", "--interface", "wsgi", "--no-ws", "--port", str(self._port)]
        web = subprocess.Popen(
            [sys.executable, "-m", *command, "breachportal.wsgi:application"],
            env=self._environment,
            start_new_session=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        wait_for(self._listens, what="granian")
        return web

    def _listens(self) -> bool:
        with closing(socket.socket()) as probe:
            return probe.connect_ex(("127.0.0.1", self._port)) == 0


def wait_for(condition: Callable[[], bool], *, what: str) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not come"
        time.sleep(0.05)


@pytest.fixture(scope="module")
def portal(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[Portal]:
    """The portal, Paule signed in; Django's own connection leads to its database."""
    folder = Path(tempfile.mkdtemp(prefix="portal-stop-"))
    default = connections["default"]
    before = default.settings_dict
    started = Portal(folder)
    default.close()
    default.settings_dict = before | {"HOST": str(folder), "NAME": DATABASE}
    try:
        with django_db_blocker.unblock():
            cast.breach()
            signed_in = cast.sign_in(Client(), cast.paule())
            started.cookies["sessionid"] = signed_in.cookies["sessionid"].value
            yield started
    finally:
        default.close()
        default.settings_dict = before
        started.end()
        shutil.rmtree(folder)


@pytest.fixture(autouse=True)
def _fresh_connection(portal: Portal) -> None:
    connections["default"].close()


def assert_says_what_to_do(answer: Answer) -> None:
    status, page = answer
    assert status == 503
    assert "Le portail est momentanément indisponible" in page
    assert "Réessayez dans quelques minutes" in page
    assert "Traceback" not in page
    assert "psycopg" not in page


def pieces(portal: Portal) -> list[Path]:
    """Return the sealed pieces that stand in the upload folder."""
    return [path for path in portal.uploads.rglob("*") if path.is_file()]


def list_form(portal: Portal, file: bytes) -> bytes:
    assert portal.get(reverse("list_upload"))[0] == 200
    fields = {
        "operators": str(cast.operator().pk),
        "population": str(cast.insured_people().pk),
    }
    return portal.form(fields, file)


def test_a_staff_page_says_what_to_do_without_postgresql(portal: Portal) -> None:
    assert portal.get(reverse("space"))[0] == 200
    with portal.without_postgres():
        assert_says_what_to_do(portal.get(reverse("space")))
    assert portal.get(reverse("space"))[0] == 200


def test_a_form_sent_without_postgresql_stores_nothing_and_can_be_sent_again(
    portal: Portal,
) -> None:
    page = reverse("declare", args=[cast.breach().slug, cast.phare().slug])
    assert portal.get(page)[0] == 200
    body = portal.form(DECLARATION)
    connections["default"].close()
    with portal.without_postgres():
        assert_says_what_to_do(portal.post(page, body))
    assert not Declaration.objects.exists()
    assert portal.post(page, body)[0] == 302
    assert Declaration.objects.get().expected_people == 12


def test_postgresql_stopped_half_way_through_a_file_leaves_no_piece_of_it(portal: Portal) -> None:
    body = list_form(portal, csv_file(*[LISE] * 60_000))
    connections["default"].close()
    with ExitStack() as until_the_answer:

        def stop_postgres() -> None:
            wait_for(lambda: bool(pieces(portal)), what="the first sealed piece")
            until_the_answer.enter_context(portal.without_postgres())

        assert_says_what_to_do(portal.post(reverse("list_upload"), body, half_way=stop_postgres))
        assert pieces(portal) == []
    assert not AffectedList.objects.exists()
    assert portal.post(reverse("list_upload"), body)[0] == 302
    assert AffectedList.objects.get().chunk_count == len(pieces(portal))


def test_a_list_is_taken_without_redis_and_waits_for_a_worker(portal: Portal) -> None:
    AffectedList.objects.all().delete()
    body = list_form(portal, csv_file(LISE))
    with portal.without_redis():
        assert portal.post(reverse("list_upload"), body)[0] == 302
        assert portal.get(reverse("list_detail", args=[AffectedList.objects.get().pk]))[0] == 200


def test_signing_in_says_what_to_do_without_redis(portal: Portal) -> None:
    session = portal.cookies.pop("sessionid")
    assert portal.get(reverse("account_login"))[0] == 200
    body = portal.form({"login": "personne@phare.example.fr", "password": "faux"})
    with portal.without_redis():
        assert_says_what_to_do(portal.post(reverse("account_login"), body))
    status, page = portal.post(reverse("account_login"), body)
    assert (status, "error-summary" in page) == (200, True)
    portal.cookies["sessionid"] = session
