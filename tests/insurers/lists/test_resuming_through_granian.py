"""A file in parts through real web servers: cut, killed, and continued by another process."""

import http.client
from collections.abc import Iterator
from contextlib import closing
from urllib.parse import urlencode

import pytest
from django.test import override_settings
from django.urls import reverse
from pytest_django.plugin import DjangoDbBlocker

from insurers.lists.uploads import CHUNK_BYTES, clear_chunks
from insurers.models import AffectedList, Upload, UploadState
from tests import cast
from tests.insurers.api.programs import new_token
from tests.insurers.lists.web_servers import Server, running_servers, wait_for

MARK = b"En-clair-Marin-Lise;"
FILE = MARK * (5 * CHUNK_BYTES // len(MARK)) + b"fin"


@pytest.fixture(scope="module")
def servers(
    tmp_path_factory: pytest.TempPathFactory,
    django_db_setup: None,
    django_db_blocker: DjangoDbBlocker,
) -> Iterator[list[Server]]:
    folder = tmp_path_factory.mktemp("parts")
    with django_db_blocker.unblock(), running_servers(folder, 2) as servers:
        yield servers


@pytest.fixture(autouse=True)
def _nothing_is_left(servers: list[Server]) -> Iterator[None]:
    with override_settings(UPLOAD_DIR=servers[0].folder / "upload_dir"):
        yield
    AffectedList.objects.all().delete()
    Upload.objects.all().delete()


def call(
    server: Server, method: str, address: str, body: bytes = b"", **headers: str
) -> http.client.HTTPResponse:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    with closing(server.connect()) as connection:
        connection.request(
            method,
            address,
            body,
            {**server.headers(), "X-CSRFToken": server.token, **named},
        )
        answer = connection.getresponse()
        answer.read()
        return answer


def start(server: Server) -> str:
    fields = {
        "operators": cast.operator().pk,
        "population": cast.insured_people().pk,
        "size": len(FILE),
    }
    kind = "application/x-www-form-urlencoded"
    answer = call(
        server, "POST", reverse("upload_start"), urlencode(fields).encode(), Content_Type=kind
    )
    assert answer.status == 201
    return str(answer.headers["Location"])


def patch(server: Server, address: str, offset: int, content: bytes) -> http.client.HTTPResponse:
    kind = "application/octet-stream"
    return call(server, "PATCH", address, content, Content_Type=kind, Upload_Offset=str(offset))


def begin_part(server: Server, address: str, offset: int, sent: int) -> http.client.HTTPConnection:
    """Announce the rest of the file and send only some of it."""
    connection = server.connect()
    connection.putrequest("PATCH", address, skip_host=True)
    for name, value in {
        **server.headers(),
        "X-CSRFToken": server.token,
        "Content-Type": "application/octet-stream",
        "Upload-Offset": str(offset),
        "Content-Length": str(len(FILE) - offset),
    }.items():
        connection.putheader(name, value)
    connection.endheaders()
    connection.send(FILE[offset : offset + sent])
    return connection


def received() -> int:
    return Upload.objects.get().received_bytes


def whole_file() -> bytes:
    return b"".join(clear_chunks(AffectedList.objects.get()))


def test_a_connection_that_is_cut_loses_less_than_a_piece(servers: list[Server]) -> None:
    first, _second = servers
    address = start(first)
    begin_part(first, address, 0, 3 * CHUNK_BYTES + 1000).close()
    wait_for(lambda: received() == 3 * CHUNK_BYTES, what="the third piece")
    answer = patch(first, address, 3 * CHUNK_BYTES, FILE[3 * CHUNK_BYTES :])
    assert answer.status == 204
    assert whole_file() == FILE


def test_of_two_parts_at_once_one_wins(servers: list[Server]) -> None:
    first, second = servers
    address = start(first)
    with closing(begin_part(first, address, 0, CHUNK_BYTES)) as hanging:
        wait_for(lambda: received() == CHUNK_BYTES, what="the first piece")
        assert patch(second, address, CHUNK_BYTES, FILE[CHUNK_BYTES:]).status == 204
        hanging.send(FILE[CHUNK_BYTES:])
        assert hanging.getresponse().status == 409
    assert whole_file() == FILE


def test_a_sender_that_is_refused_hears_why(servers: list[Server]) -> None:
    first, _second = servers
    address = start(first)
    answer = patch(first, address, 5, FILE[5:])
    assert (answer.status, answer.headers["Upload-Offset"]) == (409, "0")


def test_a_list_sent_in_one_call_and_cut_leaves_nothing(servers: list[Server]) -> None:
    first, _second = servers
    connection = first.connect()
    address = f"/api/v1/lists?breach={cast.breach().slug}"
    connection.putrequest("POST", address, skip_host=True)
    connection.putheader("Host", "localhost")
    connection.putheader("Authorization", f"Bearer {new_token().secret}")
    connection.putheader("Content-Length", str(len(FILE)))
    connection.endheaders()
    connection.send(FILE[: 2 * CHUNK_BYTES + 1000])
    wait_for(lambda: Upload.objects.exists() and received() == 2 * CHUNK_BYTES, what="the pieces")
    connection.close()
    cancelled = Upload.objects.filter(state=UploadState.CANCELLED)
    wait_for(cancelled.exists, what="the end of the upload")
    folder = first.folder / "upload_dir" / str(Upload.objects.get().pk)
    wait_for(lambda: not folder.exists(), what="the removal of the pieces")
    assert not AffectedList.objects.exists()


# The last, since one of the two servers is gone after it.
def test_another_process_continues_when_one_is_killed(servers: list[Server]) -> None:
    first, second = servers
    address = start(first)
    with closing(begin_part(first, address, 0, 2 * CHUNK_BYTES + 1000)):
        wait_for(lambda: received() == 2 * CHUNK_BYTES, what="the second piece")
        assert first.clear_places(MARK) == []
        first.kill()
    where = call(second, "HEAD", address).headers["Upload-Offset"]
    assert where == str(2 * CHUNK_BYTES)
    answer = patch(second, address, int(where), FILE[int(where) :])
    assert answer.headers["Upload-Complete"] == "?1"
    assert whole_file() == FILE
    assert second.clear_places(MARK) == []
