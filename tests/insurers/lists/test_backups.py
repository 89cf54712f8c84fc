"""A dump of the database, restored once the key store has forgotten, opens no contact."""

import os
import subprocess
from pathlib import Path

import pytest
from pytest_django.plugin import DjangoDbBlocker

from breachportal.embedded.postgres import find_programs
from insurers.lists.contacts import ContactOpener, destroy_data_keys, open_contacts
from insurers.lists.keystore import KeyNotFoundError, key_store
from insurers.lists.sealing import DamagedError
from insurers.models import AffectedList, AffectedMember
from tests.faults.stack import own_database
from tests.notifications.story import accepted_list, member

ADDRESS = "secret@example.fr"


def dump(name: str, path: Path) -> None:
    """Dump a database as its backups would."""
    command = [str(find_programs() / "pg_dump"), "-U", "postgres", "-d", name, "-f", str(path)]
    host = os.environ["PORTAL_TEST_FOLDER"]
    subprocess.run(command, check=True, env=os.environ | {"PGHOST": host})


def test_a_dump_without_the_key_opens_no_contact(
    tmp_path: Path, django_db_setup: None, django_db_blocker: DjangoDbBlocker
) -> None:
    with django_db_blocker.unblock():
        with own_database(f"backup_{os.getpid()}", tmp_path):
            affected_list = accepted_list([member(1, email=ADDRESS)])
            sealed = AffectedMember.objects.get().contact
            opened = open_contacts(affected_list).open(2, sealed)
            dump(f"backup_{os.getpid()}", tmp_path / "dump.sql")
            destroy_data_keys(affected_list)
            keys = [key_store().get(name) for name in key_store().names()]
    assert opened.email == ADDRESS
    restored = (tmp_path / "dump.sql").read_text(encoding="utf-8")
    assert bytes(sealed or b"").hex() in restored
    assert ADDRESS not in restored
    with pytest.raises(KeyNotFoundError):
        open_contacts(AffectedList(pk=affected_list.pk, attempt=affected_list.attempt))
    assert len(keys) == 2
    for key in keys:
        with pytest.raises(DamagedError):
            ContactOpener(key).open(2, bytes(sealed or b""))
