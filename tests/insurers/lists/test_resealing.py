"""A new sealing pair: everything opens throughout, and it is said when the old one may go."""

from base64 import b64encode
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from nacl.public import PrivateKey
from pytest_django.fixtures import Settings

from insurers.lists.contacts import open_contacts
from insurers.lists.keystore import WrongKeyError, key_store
from insurers.lists.resealing import Remains, reseal_keys, sealed_to_previous
from insurers.lists.uploads import clear_chunks
from tests.insurers.lists.files import LISE, accepted, csv_file, members_of, read, received

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
    assert sealed_to_previous() == Remains(keys=3, upload_pieces=1)


def test_once_resealed_the_previous_key_is_not_needed(settings: Settings) -> None:
    known = accepted(csv_file(LISE))
    replace_pair(settings)
    assert reseal_keys() == 3
    assert reseal_keys() == 0
    assert sealed_to_previous().is_nothing
    settings.SEALING_PRIVATE_KEY_PREVIOUS = ""
    assert open_contacts(known).open(2, members_of(known)[0].contact).first_name == "Lise"
    assert read(csv_file(LISE, "B2;1981-01-01;;;;")).state == "review"


def test_a_resealing_that_died_goes_on(settings: Settings) -> None:
    accepted(csv_file(LISE))
    replace_pair(settings)
    key_store().rewrap(next(iter(key_store().names())))
    assert reseal_keys() == 2
    assert sealed_to_previous().is_nothing


def test_without_the_previous_key_nothing_is_touched_and_the_key_is_named(
    settings: Settings,
) -> None:
    known = accepted(csv_file(LISE))
    replace_pair(settings)
    settings.SEALING_PRIVATE_KEY_PREVIOUS = ""
    with pytest.raises(WrongKeyError, match=f"address/{known.insurer_id}/1"):
        reseal_keys()


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


def test_a_new_pair_is_written_for_this_account_only(tmp_path: Path, settings: Settings) -> None:
    call_command("rotate_sealing_key", "--make", str(tmp_path / "new"), stdout=StringIO())
    files = sorted((tmp_path / "new").iterdir())
    assert [file.name for file in files] == ["sealing_private_key", "sealing_public_key"]
    assert {file.stat().st_mode & 0o777 for file in files} == {0o600}
    with pytest.raises(CommandError, match="déjà"):
        call_command("rotate_sealing_key", "--make", str(tmp_path / "new"))
