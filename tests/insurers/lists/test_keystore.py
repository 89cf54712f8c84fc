"""The contract of a key store: whatever holds the keys passes these tests."""

import secrets
from base64 import b64encode
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured
from pytest_django.fixtures import Settings

from insurers.lists.keystore import (
    FolderKeyStore,
    KeyDestroyedError,
    KeyExistsError,
    KeyNotFoundError,
    KeyStore,
    StoreUnreachableError,
    WrappedKeyStore,
    WrongKeyError,
    key_store,
)

KEY = secrets.token_bytes(32)
NAME = "list/7/1"


@pytest.fixture(params=["file", "wrapped"])
def store(request: pytest.FixtureRequest, tmp_path: Path, settings: Settings) -> KeyStore:
    settings.KEY_STORE_URL = f"{request.param}://{tmp_path}/the%20store"
    settings.KEY_STORE_MASTER_KEY = b64encode(bytes(range(32))).decode()
    return key_store()


def test_it_gives_back_what_it_was_given(store: KeyStore) -> None:
    store.put(NAME, KEY)
    assert store.get(NAME) == KEY
    assert store.exists(NAME)


def test_a_name_without_a_key_is_not_found(store: KeyStore) -> None:
    assert not store.exists(NAME)
    with pytest.raises(KeyNotFoundError):
        store.get(NAME)


def test_a_key_is_never_replaced(store: KeyStore) -> None:
    store.put(NAME, KEY)
    with pytest.raises(KeyExistsError):
        store.put(NAME, secrets.token_bytes(32))
    assert store.get(NAME) == KEY


def test_a_destroyed_key_is_gone_and_can_be_destroyed_again(store: KeyStore) -> None:
    store.put(NAME, KEY)
    store.destroy(NAME)
    store.destroy(NAME)
    assert not store.exists(NAME)
    with pytest.raises(KeyNotFoundError):
        store.get(NAME)


def test_a_destroyed_key_is_told_from_one_that_never_was(store: KeyStore) -> None:
    """Of the first a restored database may speak; of the second it may not."""
    store.put("list/8/1", KEY)
    store.destroy("list/8/1")
    store.destroy(NAME)
    with pytest.raises(KeyDestroyedError, match="list/8/1"):
        store.get("list/8/1")
    with pytest.raises(KeyNotFoundError, match=NAME) as never:
        store.get(NAME)
    assert not isinstance(never.value, KeyDestroyedError)


def test_the_name_of_a_destroyed_key_can_be_given_anew(store: KeyStore) -> None:
    store.put(NAME, KEY)
    store.destroy(NAME)
    store.put(NAME, bytes(32))
    assert (store.get(NAME), list(store.names())) == (bytes(32), [NAME])


def test_a_store_that_cannot_be_read_is_no_lost_key(store: KeyStore, tmp_path: Path) -> None:
    (tmp_path / "the store" / NAME).mkdir(parents=True)
    with pytest.raises(StoreUnreachableError):
        store.get(NAME)


def test_it_names_what_it_holds(store: KeyStore) -> None:
    assert list(store.names()) == []
    for name in (NAME, "breach/1/1", "breach/1/2"):
        store.put(name, KEY)
    store.destroy("breach/1/1")
    assert sorted(store.names()) == ["breach/1/2", NAME]


def test_a_key_that_is_rewrapped_is_the_same_key(store: KeyStore) -> None:
    store.put(NAME, KEY)
    store.rewrap(NAME)
    assert store.get(NAME) == KEY
    assert store.is_rewrapped(NAME)
    assert list(store.names()) == [NAME]


def test_a_destroyed_key_is_not_rewrapped(store: KeyStore) -> None:
    store.put(NAME, KEY)
    store.destroy(NAME)
    with pytest.raises(KeyNotFoundError):
        store.rewrap(NAME)
    assert not store.exists(NAME)


def test_an_error_names_the_key_and_says_nothing_of_it(store: KeyStore, tmp_path: Path) -> None:
    store.put(NAME, KEY)
    (tmp_path / "the store" / NAME).write_bytes(b"something else")
    with pytest.raises(WrongKeyError) as raised:
        store.get(NAME)
    assert str(raised.value) == NAME


def test_keys_have_32_bytes(store: KeyStore) -> None:
    with pytest.raises(ValueError, match="32"):
        store.put(NAME, b"short")


@pytest.mark.parametrize("name", ["", "list", "../list/7", "list//7", "list/../7", "List/7"])
def test_a_name_cannot_leave_the_store(store: KeyStore, name: str) -> None:
    with pytest.raises(ValueError, match="name"):
        store.put(name, KEY)


def test_a_folder_holds_no_clear_key_and_nobody_else_reads_it(tmp_path: Path) -> None:
    FolderKeyStore(tmp_path).put(NAME, KEY)
    (file,) = (path for path in tmp_path.rglob("*") if path.is_file() and path.name != ".lock")
    assert KEY not in file.read_bytes()
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_wrapped_store_holds_no_clear_key_and_opens_under_its_master_key_only(
    tmp_path: Path,
) -> None:
    WrappedKeyStore(tmp_path, master_key=bytes(32)).put(NAME, KEY)
    assert KEY not in (tmp_path / NAME).read_bytes()
    with pytest.raises(WrongKeyError):
        WrappedKeyStore(tmp_path, master_key=bytes([1]) * 32).get(NAME)


def test_a_store_of_an_unknown_kind_is_refused(settings: Settings) -> None:
    settings.KEY_STORE_URL = "ftp:///keys"
    with pytest.raises(ImproperlyConfigured, match="file, wrapped"):
        key_store()


def test_a_file_moved_under_another_name_does_not_open(tmp_path: Path) -> None:
    store = FolderKeyStore(tmp_path)
    store.put(NAME, KEY)
    (tmp_path / NAME).rename(tmp_path / "list/7/2")
    with pytest.raises(WrongKeyError):
        store.get("list/7/2")
