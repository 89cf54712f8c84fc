"""Lost and wrong keys are named before anything needs them."""

from base64 import b64encode

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from nacl.public import PrivateKey
from pytest_django.fixtures import Settings

from insurers.lists.key_check import (
    destroyed_keys,
    expected_keys,
    faults_of_settings,
    faults_of_store,
)
from insurers.lists.keystore import WrongKeyError, key_store
from insurers.lists.purging import purge_contacts
from insurers.models import AffectedList, ListState
from tests import cast
from tests.insurers.lists.files import LISE, accepted, csv_file, read

pytestmark = pytest.mark.django_db


@pytest.fixture
def taken_in() -> AffectedList:
    return accepted(csv_file(LISE))


def names(affected_list: AffectedList) -> list[str]:
    return [
        f"breach/{affected_list.breach_id}/1",
        f"address/{affected_list.insurer_id}/1",
        f"list/{affected_list.pk}/1",
    ]


def test_nothing_is_wrong_with_a_store_that_has_all(taken_in: AffectedList) -> None:
    assert list(expected_keys()) == names(taken_in)
    assert [*faults_of_settings(), *faults_of_store()] == []


def lose(name: str) -> None:
    """As a folder does that is restored from an old backup."""
    (settings.KEY_STORE_DIR / name).unlink()


@pytest.mark.parametrize("number", [0, 1, 2])
def test_a_lost_key_is_named(taken_in: AffectedList, number: int) -> None:
    lose(names(taken_in)[number])
    assert [fault.name for fault in faults_of_store()] == [names(taken_in)[number]]


def test_a_lost_store_names_every_key(taken_in: AffectedList, settings: Settings) -> None:
    settings.KEY_STORE_DIR = settings.KEY_STORE_DIR / "elsewhere"
    assert [fault.name for fault in faults_of_store()] == names(taken_in)


def test_a_key_that_does_not_open_is_named(taken_in: AffectedList, settings: Settings) -> None:
    (settings.KEY_STORE_DIR / names(taken_in)[0]).write_bytes(b"restored wrongly")
    (fault,) = faults_of_store()
    assert (fault.name, "s’ouvre pas" in fault.what) == (names(taken_in)[0], True)


def test_the_key_of_purged_contacts_is_not_missed(taken_in: AffectedList) -> None:
    AffectedList.objects.filter(pk=taken_in.pk).update(state=ListState.WITHDRAWN)
    purge_contacts(affected_list=taken_in, requested_by=None, now=cast.NOW)
    lose(names(taken_in)[2])
    assert faults_of_store() == []


def test_a_destroyed_key_in_a_restored_database_is_no_fault_and_is_named(
    taken_in: AffectedList, capsys: pytest.CaptureFixture[str]
) -> None:
    key_store().destroy(names(taken_in)[2])
    assert faults_of_store() == []
    assert destroyed_keys() == [names(taken_in)[2]]
    call_command("check_keys")
    assert "détruite exprès" in capsys.readouterr().out


def test_a_list_that_is_being_read_needs_its_data_key(taken_in: AffectedList) -> None:
    AffectedList.objects.filter(pk=taken_in.pk).update(
        state=ListState.INGESTING, text={"columns": {}}
    )
    lose(names(taken_in)[2])
    assert [fault.name for fault in faults_of_store()] == [names(taken_in)[2]]


def test_a_private_key_of_another_pair_is_named(settings: Settings) -> None:
    settings.SEALING_PRIVATE_KEY = b64encode(bytes(PrivateKey.generate())).decode()
    assert [fault.name for fault in faults_of_settings()] == ["SEALING_PRIVATE_KEY"]


@pytest.mark.parametrize(
    "name", ["REFERENCE_KEY", "REFERENCE_LOOKUP_KEY", "SEALING_PUBLIC_KEY", "SEALING_PRIVATE_KEY"]
)
@pytest.mark.parametrize("value", ["", "c2hvcnQ=", "not base64 é"])
def test_a_key_of_another_length_is_named_and_not_shown(
    name: str, value: str, settings: Settings
) -> None:
    setattr(settings, name, value)
    (fault,) = faults_of_settings()
    assert fault.name == name
    assert not value or value not in str(fault)


def test_the_web_process_needs_no_private_key(settings: Settings) -> None:
    settings.ROLE = "web"
    settings.SEALING_PRIVATE_KEY = settings.REFERENCE_KEY = ""
    assert faults_of_settings() == []


def test_the_command_names_the_key_and_fails(
    taken_in: AffectedList, capsys: pytest.CaptureFixture[str]
) -> None:
    call_command("check_keys")
    assert "3 clés" in capsys.readouterr().out
    lose(names(taken_in)[2])
    with pytest.raises(CommandError) as failed:
        call_command("check_keys")
    assert failed.value.returncode == 2
    assert names(taken_in)[2] in capsys.readouterr().err


@pytest.mark.parametrize("number", [0, 1])
def test_another_key_under_the_same_name_is_wrong_and_named(
    taken_in: AffectedList, number: int
) -> None:
    name = names(taken_in)[number]
    lose(name)
    key_store().put(name, bytes(range(32)))
    assert [fault.name for fault in faults_of_store()] == [name]
    with pytest.raises(WrongKeyError, match=name):
        read(csv_file("B2;1981-01-01;;;;"))
