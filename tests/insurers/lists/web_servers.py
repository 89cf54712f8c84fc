"""Real web servers, each a process of its own, and somebody signed in to them."""

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from django.test import Client
from django.urls import reverse

from tests import cast
from tests.faults.stack import own_database
from tests.static_files import copy_static_files


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

    def kill(self) -> None:
        """SIGKILL the server: nothing of it can tidy up."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def headers(self) -> dict[str, str]:
        return {"Host": "localhost", "Cookie": self.cookies}

    def clear_places(self, mark: bytes) -> list[str]:
        """Return the files, deleted ones that are still open included, that hold the mark."""
        paths = [path for path in self.folder.rglob("*") if path.is_file()]
        for process in Path("/proc").glob("[0-9]*"):
            if _group(process) == self.process.pid:
                paths += [path for path in (process / "fd").iterdir() if _is_file(path)]
        return [os.fspath(path) for path in paths if mark in _content(path)]


def _group(process: Path) -> int:
    try:
        return os.getpgid(int(process.name))
    except ProcessLookupError:
        return 0


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except (FileNotFoundError, IsADirectoryError):  # Closed, removed or taken anew since then.
        return b""


def _is_file(descriptor: Path) -> bool:
    try:
        return descriptor.is_file()
    except OSError:
        return False


@contextmanager
def running_servers(folder: Path, count: int = 1) -> Iterator[list[Server]]:
    """Start web servers that share a database of their own; Paule is signed in to each."""
    name = f"upload_{os.getpid()}"
    with own_database(name, folder):
        cast.breach()
        signed_in = cast.sign_in(Client(), cast.paule())
        environment = _environment(folder, name)
        servers = [_start(folder, environment) for _ in range(count)]
        try:
            for server in servers:
                wait_for(lambda port=server.port: _answers(port), what="granian")  # type: ignore[misc]
                server.cookies = f"sessionid={signed_in.cookies['sessionid'].value}"
                server.open_form()
            yield servers
        finally:
            for server in servers:
                server.kill()


def _environment(folder: Path, name: str) -> dict[str, str]:
    host = os.environ["PORTAL_TEST_FOLDER"]
    (folder / "tmp").mkdir()
    copy_static_files(folder / "static")
    return os.environ | {
        "PORTAL_ROLE": "web",
        "DATABASE_URL_WEB": f"postgresql://breachportal_web@/{name}?host={host}",
        "UPLOAD_DIR": str(folder / "upload_dir"),
        "STATIC_ROOT": str(folder / "static"),
        "TMPDIR": str(folder / "tmp"),
        "SEALING_PRIVATE_KEY": "",
    }


def _start(folder: Path, environment: dict[str, str]) -> Server:
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "granian", "--interface", "wsgi", "--no-ws", "--port"]
    process = subprocess.Popen(
        [*command, str(port), "--host", "127.0.0.1", "breachportal.wsgi:application"],
        env=environment,
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    return Server(folder, port, process)


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
