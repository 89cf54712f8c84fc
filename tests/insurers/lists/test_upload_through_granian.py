"""100 MB through the real web server: sealed as it streams, and no clear byte on any disk."""

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django.plugin import DjangoDbBlocker

from insurers.models import AffectedList
from tests import cast
from tests.faults.stack import own_database

MARK = b"En-clair-Marin-Lise;"
MEBIBYTE = MARK * (1024**2 // len(MARK))
MEBIBYTES = 100
BOUNDARY = b"limite-du-formulaire"


@dataclass
class Server:
    """A running web server, and someone signed in to it."""

    folder: Path
    port: int
    process: subprocess.Popen[bytes]
    cookies: str = ""
    token: str = ""

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)

    def open_form(self) -> None:
        """Fetch the form, as a browser would, for its token."""
        with closing(self.connect()) as connection:
            connection.request("GET", reverse("list_upload"), headers=self.headers())
            answer = connection.getresponse()
            page = answer.read().decode()
            assert answer.status == 200, page
            cookie = (answer.headers["Set-Cookie"] or "").split(";")[0]
        self.cookies += "; " + cookie
        self.token = page.split('name="csrfmiddlewaretoken" value="')[1].split('"')[0]

    def headers(self) -> dict[str, str]:
        return {"Host": "localhost", "Cookie": self.cookies}

    def clear_places(self) -> list[str]:
        """Return the files, deleted ones that are still open included, that hold the mark."""
        paths = [path for path in self.folder.rglob("*") if path.is_file()]
        for process in Path("/proc").glob("[0-9]*"):
            if _group(process) == self.process.pid:
                paths += [path for path in (process / "fd").iterdir() if _is_file(path)]
        return [os.fspath(path) for path in paths if MARK in _content(path)]


def _group(process: Path) -> int:
    try:
        return os.getpgid(int(process.name))
    except ProcessLookupError:
        return 0


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:  # Closed or removed since it was listed.
        return b""


def _is_file(descriptor: Path) -> bool:
    try:
        return descriptor.is_file()
    except OSError:
        return False


@pytest.fixture
def server(
    tmp_path: Path, django_db_setup: None, django_db_blocker: DjangoDbBlocker
) -> Iterator[Server]:
    name = f"upload_{os.getpid()}"
    with django_db_blocker.unblock(), own_database(name, tmp_path):
        cast.breach()
        signed_in = cast.sign_in(Client(), cast.paule())
        with closing(socket.create_server(("127.0.0.1", 0))) as free:
            port = free.getsockname()[1]
        found = Server(tmp_path, port, _granian(tmp_path, name, port))
        found.cookies = f"sessionid={signed_in.cookies['sessionid'].value}"
        try:
            wait_for(lambda: _answers(port), what="granian")
            found.open_form()
            yield found
        finally:
            os.killpg(found.process.pid, signal.SIGKILL)
            found.process.wait()


def _granian(folder: Path, name: str, port: int) -> subprocess.Popen[bytes]:
    host = os.environ["PORTAL_TEST_FOLDER"]
    (folder / "tmp").mkdir()
    environment = os.environ | {
        "PORTAL_ROLE": "web",
        "DATABASE_URL_WEB": f"postgresql://breachportal_web@/{name}?host={host}",
        "UPLOAD_DIR": str(folder / "upload_dir"),
        "STATIC_ROOT": str(folder / "static"),
        "TMPDIR": str(folder / "tmp"),
        "SEALING_PRIVATE_KEY": "",
    }
    subprocess.run(
        [sys.executable, "manage.py", "collectstatic", "--no-input", "-v", "0"],
        check=True,
        env=environment,
    )
    command = [sys.executable, "-m", "granian", "--interface", "wsgi", "--no-ws", "--port"]
    return subprocess.Popen(
        [*command, str(port), "--host", "127.0.0.1", "breachportal.wsgi:application"],
        env=environment,
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def wait_for(condition: Callable[[], bool], *, what: str) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not come"
        time.sleep(0.05)


def part(name: str, value: str) -> bytes:
    head = f'--{BOUNDARY.decode()}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n'
    return f"{head}{value}\r\n".encode()


def begin_upload(server: Server) -> tuple[http.client.HTTPConnection, bytes]:
    """Send all that precedes the file's content; return what must follow it."""
    head = part("csrfmiddlewaretoken", server.token)
    head += part("operators", str(cast.operator().pk))
    head += part("population", str(cast.insured_people().pk))
    head += part("file", "").replace(b'"file"', b'"file"; filename="liste.csv"')[:-2]
    tail = b"\r\n--" + BOUNDARY + b"--\r\n"
    connection = server.connect()
    connection.putrequest("POST", reverse("list_upload"), skip_host=True)
    for name, value in server.headers().items():
        connection.putheader(name, value)
    length = len(head) + MEBIBYTES * len(MEBIBYTE) + len(tail)
    connection.putheader("Content-Length", str(length))
    kind = f"multipart/form-data; boundary={BOUNDARY.decode()}"
    connection.putheader("Content-Type", kind)
    connection.endheaders()
    connection.send(head)
    return connection, tail


def test_100_megabytes_are_sealed_while_they_stream_in(server: Server) -> None:
    connection, tail = begin_upload(server)
    with closing(connection):
        for number in range(MEBIBYTES):
            connection.send(MEBIBYTE)
            if number == MEBIBYTES // 2:
                assert server.clear_places() == []
        connection.send(tail)
        with closing(connection.getresponse()) as answer:
            assert answer.status == 302
    found = AffectedList.objects.get()
    assert found.size_bytes == MEBIBYTES * len(MEBIBYTE)
    pieces = list((server.folder / "upload_dir" / str(found.upload_id)).iterdir())
    assert len(pieces) == found.chunk_count == 100
    assert server.clear_places() == []


def test_an_upload_cut_half_way_leaves_nothing(server: Server) -> None:
    connection, _tail = begin_upload(server)
    folder = server.folder / "upload_dir"
    for _ in range(MEBIBYTES // 2):
        connection.send(MEBIBYTE)
    assert any(folder.iterdir())
    connection.close()
    wait_for(lambda: not any(folder.iterdir()), what="the removal of the pieces")
    assert not AffectedList.objects.exists()
