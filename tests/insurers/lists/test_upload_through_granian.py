"""100 MB through the real web server: sealed as it streams, and no clear byte on any disk."""

import http.client
from collections.abc import Iterator
from contextlib import closing

import pytest
from django.urls import reverse
from pytest_django.plugin import DjangoDbBlocker

from insurers.models import AffectedList
from tests import cast
from tests.insurers.lists.web_servers import Server, running_servers, wait_for

MARK = b"En-clair-Marin-Lise;"
MEBIBYTE = MARK * (1024**2 // len(MARK))
MEBIBYTES = 100
BOUNDARY = b"limite-du-formulaire"


@pytest.fixture(scope="module")
def server(
    tmp_path_factory: pytest.TempPathFactory,
    django_db_setup: None,
    django_db_blocker: DjangoDbBlocker,
) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("upload")
    with django_db_blocker.unblock(), running_servers(folder) as (server,):
        yield server


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


def test_an_upload_cut_half_way_leaves_nothing(server: Server) -> None:
    connection, _tail = begin_upload(server)
    folder = server.folder / "upload_dir"
    for _ in range(MEBIBYTES // 2):
        connection.send(MEBIBYTE)
    assert any(folder.iterdir())
    connection.close()
    wait_for(lambda: not any(folder.iterdir()), what="the removal of the pieces")
    assert not AffectedList.objects.exists()


def test_100_megabytes_are_sealed_while_they_stream_in(server: Server) -> None:
    connection, tail = begin_upload(server)
    with closing(connection):
        for number in range(MEBIBYTES):
            connection.send(MEBIBYTE)
            if number == MEBIBYTES // 2:
                assert server.clear_places(MARK) == []
        connection.send(tail)
        with closing(connection.getresponse()) as answer:
            assert answer.status == 302
    found = AffectedList.objects.get()
    assert found.size_bytes == MEBIBYTES * len(MEBIBYTE)
    pieces = list((server.folder / "upload_dir" / str(found.upload_id)).iterdir())
    assert len(pieces) == found.chunk_count == 100
    assert server.clear_places(MARK) == []
