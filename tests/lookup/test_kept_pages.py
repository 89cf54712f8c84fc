"""A page of the directory is made once for each version of it, whoever asks."""

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from lookup import kept_pages, versions
from tests import cast

pytestmark = pytest.mark.django_db
PAGE = "/organismes/mutuelle-du-phare/"


def look_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(versions, "_checked_at", float("-inf"))


def queries(client: Client, address: str) -> int:
    with CaptureQueriesContext(connection) as captured:
        assert client.get(address).status_code == 200
    ours = [one["sql"] for one in captured if "ROLE" not in one["sql"]]
    return len([sql for sql in ours if not sql.startswith("SELECT md5")])


def test_the_same_page_is_made_once(client: Client) -> None:
    cast.phare()
    first = client.get(PAGE)
    assert queries(client, PAGE) == 0
    again = client.get(PAGE)
    assert again.content == first.content
    assert dict(again.headers) == dict(first.headers)


def test_a_change_of_the_directory_makes_another(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    phare = cast.phare()
    client.get(PAGE)
    phare.name = "Mutuelle du Grand Phare (fictive)"
    phare.save()
    look_again(monkeypatch)
    assert "Grand Phare" in client.get(PAGE).content.decode()


def test_what_is_typed_is_not_kept(client: Client) -> None:
    cast.phare()
    kept_pages._kept.clear()
    client.get(f"{PAGE}?anything")
    client.get("/organismes/personne/")
    assert not kept_pages._kept
    pages = [client.get(f"/?q={typed}").content.decode() for typed in ("zzyzx", "%EE%80%80query")]
    assert "« zzyzx » ne figure pas" in pages[0].replace("\u202f", " ").replace("\xa0", " ")
    assert len(kept_pages._kept) == 1
    assert b"zzyzx" not in next(iter(kept_pages._kept.values()))[0]
    assert "\ue001" not in "".join(pages)


def test_languages_are_kept_apart(client: Client) -> None:
    cast.phare()
    assert client.get(PAGE).content != client.get(f"/en{PAGE}").content
    assert client.get(PAGE).content != client.get(f"/en{PAGE}").content


def test_no_more_are_kept_than_fit(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_pages, "AT_MOST", 2)
    kept_pages._kept.clear()
    cast.phare()
    for address in ("/", "/organismes/", PAGE, "/conseils/"):
        client.get(address)
    assert len(kept_pages._kept) == 2


def test_files_keep_their_headers(client: Client) -> None:
    cast.phare()
    first = client.get("/organismes.csv")
    assert dict(client.get("/organismes.csv").headers) == dict(first.headers)


def test_a_host_written_otherwise_keeps_no_other_page(client: Client) -> None:
    cast.phare()
    kept_pages._kept.clear()
    hosts = ("testserver", "TestServer", "testserver:1", "testserver:2")
    pages = {client.get(PAGE, headers={"Host": host}).content for host in hosts}
    assert len(pages) == len(kept_pages._kept) == 1


def test_what_looks_like_a_blank_and_is_none_stays(client: Client) -> None:
    phare = cast.phare()
    phare.name = "Phare \ue000of-ours\ue001\ue000other\ue001"
    phare.save()
    page = client.get("/?q=phare").content.decode()
    assert "\ue000other\ue001" in page
