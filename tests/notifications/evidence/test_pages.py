"""Who may ask for evidence and download it; what the trail says of it; how long it is kept."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connection
from django.test import Client, override_settings

from audit.models import AuditEntry
from breachportal.models import User
from insurers.models import Mandate
from notifications.evidence import making
from notifications.evidence.keys import published_keys, signing_key
from notifications.evidence.packs import TRIES, erase_old_packs, file_of, keep_pack
from notifications.models import EvidencePack, PackState
from tests import cast
from tests.conftest import as_role

pytestmark = pytest.mark.django_db

PLACE = "/registre/alphapay-betapay-2026/mutuelle-du-phare/preuves/"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path) -> Iterator[Path]:
    with override_settings(EVIDENCE_DIR=tmp_path):
        yield tmp_path


def ready_pack(*, minutes: int = 0) -> EvidencePack:
    content, now = b"PK evidence", cast.NOW + timedelta(minutes=minutes)
    pack = EvidencePack.objects.create(
        breach=cast.breach(),
        insurer=cast.phare(),
        requested_by=cast.paule(),
        requested_at=cast.NOW,
    )
    file_of(pack).write_bytes(content)
    with as_role("worker"):
        keep_pack(pack_id=pack.pk, size_bytes=len(content), sha256=bytes(32), now=now)
    pack.refresh_from_db()
    return pack


def actions() -> list[tuple[str, str, str]]:
    found = AuditEntry.objects.filter(action__startswith="evidence.").order_by("pk")
    return list(found.values_list("action", "actor", "outcome"))


@pytest.mark.parametrize("person", [cast.aude, cast.vera, cast.paule])
def test_auditors_within_their_mandate_and_own_staff_ask_and_download(
    client: Client, person: Callable[[], User]
) -> None:
    someone = person()
    cast.sign_in(client, someone)
    assert client.post(f"{PLACE}demander/").status_code == 302
    (pack,) = EvidencePack.objects.all()
    assert (pack.state, pack.requested_by) == (PackState.ASKED, someone)
    assert "en préparation" in client.get(PLACE).content.decode()
    assert "hx-get" in (waiting := client.get(f"{PLACE}avancement/").content.decode())
    assert "evidence-said" not in waiting

    file_of(pack).write_bytes(b"PK evidence")
    with as_role("worker"):
        keep_pack(pack_id=pack.pk, size_bytes=11, sha256=bytes(32), now=cast.NOW)
    assert "Le dossier est prêt." in client.get(f"{PLACE}avancement/").content.decode()
    answer = client.post(f"/registre/preuves/{pack.pk}/telecharger/")
    assert b"".join(answer.streaming_content) == b"PK evidence"  # type: ignore[attr-defined]
    assert answer["Content-Disposition"].startswith('attachment; filename="preuves-alphapay')
    assert answer["Cache-Control"] == "no-store"
    own = f"account:{someone.pk}"
    assert actions() == [
        ("evidence.asked", own, "done"),
        ("evidence.made", "system", "done"),
        ("evidence.downloaded", own, "done"),
    ]


def nobody() -> User:
    return cast.user("nobody")


def auditor_whose_mandate_ended() -> User:
    person = cast.aude()
    Mandate.objects.filter(user=person).update(until_date=cast.NOW.date() - timedelta(days=900))
    return person


def auditor_of_another_breach() -> User:
    person = cast.aude()
    Mandate.objects.get(user=person).breaches.clear()
    return person


def auditor_of_another_insurer() -> User:
    person = cast.aude()
    Mandate.objects.get(user=person).insurers.set([cast.dune()])
    return person


@pytest.mark.parametrize(
    "person",
    [
        nobody,
        cast.didier,
        cast.odile,
        auditor_whose_mandate_ended,
        auditor_of_another_breach,
        auditor_of_another_insurer,
    ],
)
def test_nobody_else_sees_asks_or_downloads(client: Client, person: Callable[[], User]) -> None:
    pack = ready_pack()
    cast.sign_in(client, person())
    answers = [
        client.get(PLACE),
        client.get(f"{PLACE}avancement/"),
        client.post(f"{PLACE}demander/"),
        client.post(f"/registre/preuves/{pack.pk}/telecharger/"),
    ]
    assert {answer.status_code for answer in answers} <= {403, 404}
    assert EvidencePack.objects.count() == 1
    assert [action for action, *_ in actions()] == ["evidence.made"]


def test_reading_changes_nothing(client: Client) -> None:
    pack = ready_pack()
    cast.sign_in(client, cast.aude())
    assert client.get(f"{PLACE}demander/").status_code == 405
    assert client.get(f"/registre/preuves/{pack.pk}/telecharger/").status_code == 405


def test_a_second_request_waits_for_the_first(client: Client) -> None:
    cast.sign_in(client, cast.aude())
    client.post(f"{PLACE}demander/")
    page = client.post(f"{PLACE}demander/", follow=True)
    assert "Un dossier est déjà en préparation" in page.content.decode()
    assert [outcome for _, _, outcome in actions()] == ["done", "refused"]


def test_a_pack_that_is_erased_or_lost_is_not_offered(client: Client) -> None:
    pack = ready_pack()
    cast.sign_in(client, cast.aude())
    file_of(pack).unlink()
    page = client.post(f"/registre/preuves/{pack.pk}/telecharger/", follow=True)
    assert "plus gardé" in page.content.decode()
    EvidencePack.objects.update(state=PackState.ERASED)
    assert "effacé" in client.get(PLACE).content.decode()


def test_packs_go_after_a_week_and_what_no_pack_offers_at_once(folder: Path) -> None:
    _old, *others = (ready_pack(minutes=minutes) for minutes in range(4))
    (folder / "left.draft").write_bytes(b"half")
    with as_role("worker"):
        erase_old_packs(now=cast.NOW + timedelta(minutes=5))
    assert {path.stem for path in folder.iterdir()} == {str(pack.pk) for pack in others}
    with as_role("worker"):
        erase_old_packs(now=cast.NOW + timedelta(days=8))
    assert list(folder.iterdir()) == []
    assert set(EvidencePack.objects.values_list("state", flat=True)) == {PackState.ERASED}


def test_the_fingerprint_is_public(client: Client) -> None:
    before = client.get("/mentions-legales/")
    with as_role("worker"):
        signing_key(now=cast.NOW)
    after = client.get("/mentions-legales/", headers={"If-None-Match": before["ETag"]})
    assert published_keys()[0].fingerprint in after.content.decode()


def test_what_fails_three_times_is_given_up_and_said(
    client: Client, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cast.sign_in(client, cast.aude())
    client.post(f"{PLACE}demander/")
    (pack,) = EvidencePack.objects.all()

    def full(*_given: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(making, "_write", full)
    for _try in range(TRIES):
        with pytest.raises(OSError, match="no space"), as_role("worker"):
            making.make_pack(pack_id=pack.pk, now=cast.NOW)
    with as_role("worker"):
        making.make_pack(pack_id=pack.pk, now=cast.NOW)  # nobody tries by himself any more
    assert list(folder.iterdir()) == []
    assert "a échoué trois fois" in client.get(PLACE).content.decode()
    assert [action for action, *_ in actions()] == ["evidence.asked", "evidence.failed"]


def test_a_pack_that_is_asked_for_while_old_ones_are_erased_keeps_its_draft(folder: Path) -> None:
    cast.aude()
    drafts: list[Path] = []

    def ask_meanwhile(execute: Callable[..., object], sql: str, *rest: object) -> object:
        found = execute(sql, *rest)
        if "SELECT" in sql and "expires_at" not in sql.partition("WHERE")[2] and not drafts:
            drafts.append(folder / "8c0b6ea2-4f3e-4f34-8c55-7c8c36a8a9b1.draft")
            drafts[0].write_bytes(b"PK")
        return found

    with as_role("worker"), connection.execute_wrapper(ask_meanwhile):
        erase_old_packs(now=cast.NOW)
    assert drafts[0].exists()
