"""A new sealing pair: everything opens throughout, and it is said when the old one may go."""

from base64 import b64encode
from io import StringIO
from pathlib import Path

import pytest
from django.apps import apps
from django.core.management import CommandError, call_command
from django.db.models import BinaryField
from nacl.public import PrivateKey
from pytest_django.fixtures import Settings

from insurers.lists.contacts import open_contacts
from insurers.lists.keystore import WrongKeyError, key_store
from insurers.lists.resealing import Remains, Resealed, columns, reseal, sealed_to_previous
from insurers.lists.sealing import seal
from insurers.lists.uploads import clear_chunks
from notifications.models import SealedReceipt
from notifications.senders.choosing import open_credentials
from tests import cast
from tests.conftest import as_role
from tests.insurers.lists.files import LISE, accepted, csv_file, members_of, read, received
from tests.notifications.email.senders import identity

pytestmark = pytest.mark.django_db


def replace_pair(settings: Settings) -> None:
    """Start again with a new pair, as staff do after `--make`."""
    pair = PrivateKey.generate()
    settings.SEALING_PRIVATE_KEY_PREVIOUS = settings.SEALING_PRIVATE_KEY
    settings.SEALING_PRIVATE_KEY = b64encode(bytes(pair)).decode()
    settings.SEALING_PUBLIC_KEY = b64encode(bytes(pair.public_key)).decode()


def test_uploads_in_flight_and_keys_open_before_anything_is_resealed(settings: Settings) -> None:
    known, flying = accepted(csv_file(LISE)), received(csv_file("B2;1981-01-01;;;;"))
    replace_pair(settings)
    assert b"B2;" in b"".join(clear_chunks(flying))
    sealed = members_of(known)[0].contact
    assert open_contacts(known).open(2, sealed).first_name == "Lise"
    assert sealed_to_previous() == Remains(keys=3, upload_pieces=1, rows=0)


def test_once_resealed_the_previous_key_is_not_needed(settings: Settings) -> None:
    known = accepted(csv_file(LISE))
    replace_pair(settings)
    assert reseal() == Resealed(keys=3, rows=0)
    assert reseal() == Resealed(keys=0, rows=0)
    assert sealed_to_previous().is_nothing
    settings.SEALING_PRIVATE_KEY_PREVIOUS = ""
    assert open_contacts(known).open(2, members_of(known)[0].contact).first_name == "Lise"
    assert read(csv_file(LISE, "B2;1981-01-01;;;;")).state == "review"


def test_a_resealing_that_died_goes_on(settings: Settings) -> None:
    accepted(csv_file(LISE))
    replace_pair(settings)
    key_store().rewrap(next(iter(key_store().names())))
    assert reseal().keys == 2
    assert sealed_to_previous().is_nothing


def test_without_the_previous_key_nothing_is_touched_and_the_key_is_named(
    settings: Settings,
) -> None:
    known = accepted(csv_file(LISE))
    replace_pair(settings)
    settings.SEALING_PRIVATE_KEY_PREVIOUS = ""
    with pytest.raises(WrongKeyError, match=f"address/{known.insurer_id}/1"):
        reseal()


def test_the_command_says_whether_the_old_key_may_go(settings: Settings) -> None:
    flying = received(csv_file(LISE))
    replace_pair(settings)
    with pytest.raises(CommandError, match="1 morceaux"):
        call_command("rotate_sealing_key", stdout=StringIO())
    for piece in (settings.UPLOAD_DIR / str(flying.upload_id)).iterdir():
        piece.unlink()
    out = StringIO()
    call_command("rotate_sealing_key", "--verify", stdout=out)
    assert "détruisez" in out.getvalue()


def test_credentials_of_a_sender_are_sealed_anew_by_the_worker(settings: Settings) -> None:
    phare = identity()
    replace_pair(settings)
    assert sealed_to_previous() == Remains(keys=0, upload_pieces=0, rows=1)
    with as_role("worker"):
        assert reseal() == Resealed(keys=0, rows=1)
        assert sealed_to_previous().is_nothing
    settings.SEALING_PRIVATE_KEY_PREVIOUS = ""
    phare.refresh_from_db()
    assert open_credentials(phare)


def test_what_web_sealed_and_nobody_read_yet_keeps_the_old_key(settings: Settings) -> None:
    SealedReceipt.objects.create(identity=identity(), sealed=seal(b"{}"), received_at=cast.NOW)
    replace_pair(settings)
    assert reseal().rows == 1, "the credentials, not the receipt"
    assert sealed_to_previous().rows == 1
    with pytest.raises(CommandError, match="1 lignes"):
        call_command("rotate_sealing_key", "--verify", stdout=StringIO())


def test_every_column_that_is_sealed_is_named() -> None:
    named = {f"{column.model._meta.db_table}.{column.field}" for column in columns()}
    sealed = {
        f"{model._meta.db_table}.{field.name}"
        for model in apps.get_models()
        for field in model._meta.get_fields()
        if isinstance(field, BinaryField) and "seal" in field.name
    }
    assert sealed - {"lookup_waitingaddress.sealed"} == named, "addresses have a key of the store"


def test_a_new_pair_is_written_for_this_account_only(tmp_path: Path, settings: Settings) -> None:
    call_command("rotate_sealing_key", "--make", str(tmp_path / "new"), stdout=StringIO())
    files = sorted((tmp_path / "new").iterdir())
    assert [file.name for file in files] == ["sealing_private_key", "sealing_public_key"]
    assert {file.stat().st_mode & 0o777 for file in files} == {0o600}
    with pytest.raises(CommandError, match="déjà"):
        call_command("rotate_sealing_key", "--make", str(tmp_path / "new"))
