"""Data keys, kept outside PostgreSQL: its dumps are unreadable without them.

A store holds 32-byte keys under names such as `breach/1/1`, `address/<insurer>/1` and
`list/7/2`. The local store is a folder of files; a KMS can take its place behind the same
four verbs (`tests/insurers/test_keystore.py` is their contract).
"""

import contextlib
import os
import re
import secrets
from pathlib import Path
from typing import Protocol

from django.conf import settings

from insurers.lists.sealing import open_sealed, seal

KEY_BYTES = 32
_NAME = re.compile(r"[a-z]+(/[0-9a-z][0-9a-z-]*)+")


class KeyNotFoundError(Exception):
    """No key has this name: it was never made here, or it was destroyed."""


class KeyExistsError(Exception):
    """A key has this name already; keys are never replaced."""


class WrongKeyError(Exception):
    """What is stored under this name is not the key of this name."""


class KeyStore(Protocol):
    """What a key store does."""

    def put(self, name: str, key: bytes) -> None:
        """Store a 32-byte key for good, or raise KeyExistsError."""

    def get(self, name: str) -> bytes:
        """Return the key, or raise KeyNotFoundError."""

    def exists(self, name: str) -> bool:
        """Whether `get` would find the key."""

    def destroy(self, name: str) -> None:
        """Forget the key; nothing happens where there is none."""


class FolderKeyStore:
    """One file per key, holding the name and the key sealed to the worker's public key."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, name: str, key: bytes) -> None:
        if len(key) != KEY_BYTES:
            raise ValueError(f"a key has {KEY_BYTES} bytes")
        path = self._path(name)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
        try:
            _write(draft, seal(name.encode() + b"\0" + key))
            # A link, unlike a rename, never replaces what is there.
            os.link(draft, path)
        except FileExistsError as error:
            raise KeyExistsError(name) from error
        finally:
            draft.unlink(missing_ok=True)
        _sync_folder(path.parent)

    def get(self, name: str) -> bytes:
        try:
            sealed = self._path(name).read_bytes()
        except FileNotFoundError as error:
            raise KeyNotFoundError(name) from error
        stored_name, _, key = open_sealed(sealed).partition(b"\0")
        if stored_name != name.encode() or len(key) != KEY_BYTES:
            raise WrongKeyError(name)
        return key

    def exists(self, name: str) -> bool:
        return self._path(name).exists()

    def destroy(self, name: str) -> None:
        path = self._path(name)
        with contextlib.suppress(FileNotFoundError):
            path.unlink()
            _sync_folder(path.parent)

    def _path(self, name: str) -> Path:
        if not _NAME.fullmatch(name):
            raise ValueError("a key's name is made of lower-case words, numbers and slashes")
        return self._folder / name


def key_store() -> KeyStore:
    """Return the portal's key store."""
    return FolderKeyStore(settings.KEY_STORE_DIR)


def key_named(name: str) -> bytes:
    """Return the key of this name, made at random the first time it is asked for."""
    store = key_store()
    if not store.exists(name):
        # Two workers may both try: the first one's key stays.
        with contextlib.suppress(KeyExistsError):
            store.put(name, secrets.token_bytes(KEY_BYTES))
    return store.get(name)


def _write(path: Path, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
