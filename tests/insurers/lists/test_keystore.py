"""The contract of a key store: whatever holds the keys passes these tests."""

import secrets
from pathlib import Path

import pytest

from insurers.lists.keystore import (
    FolderKeyStore,
    KeyExistsError,
    KeyNotFoundError,
    KeyStore,
    WrongKeyError,
    key_named,
)

KEY = secrets.token_bytes(32)
NAME = "list/7/1"


@pytest.fixture(params=["folder"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> KeyStore:
    return {"folder": FolderKeyStore}[request.param](tmp_path / "store")


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
    with pytest.raises(KeyNotFoundError):
        store.get(NAME)


def test_keys_have_32_bytes(store: KeyStore) -> None:
    with pytest.raises(ValueError, match="32"):
        store.put(NAME, b"short")


@pytest.mark.parametrize("name", ["", "list", "../list/7", "list//7", "list/../7", "List/7"])
def test_a_name_cannot_leave_the_store(store: KeyStore, name: str) -> None:
    with pytest.raises(ValueError, match="name"):
        store.put(name, KEY)


def test_a_folder_holds_no_clear_key_and_nobody_else_reads_it(tmp_path: Path) -> None:
    FolderKeyStore(tmp_path).put(NAME, KEY)
    (file,) = (path for path in tmp_path.rglob("*") if path.is_file())
    assert KEY not in file.read_bytes()
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_file_moved_under_another_name_does_not_open(tmp_path: Path) -> None:
    store = FolderKeyStore(tmp_path)
    store.put(NAME, KEY)
    (tmp_path / NAME).rename(tmp_path / "list/7/2")
    with pytest.raises(WrongKeyError):
        store.get("list/7/2")


def test_a_named_key_is_made_once() -> None:
    assert key_named("breach/1/1") == key_named("breach/1/1") != key_named("breach/2/1")
