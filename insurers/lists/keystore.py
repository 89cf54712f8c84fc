"""Keys, kept outside PostgreSQL: its dumps are unreadable without them.

A store holds 32-byte keys under names such as `breach/1/1`, `address/<insurer>/1` and
`list/7/2`. `KEY_STORE_URL` says which store is used: `file:///folder` (keys sealed to the
worker's public key) or `wrapped:///folder` (keys wrapped by a master key, as a KMS does). A KMS
takes their place behind the same verbs: add it to `STORES`, and to the stores that
`tests/insurers/lists/test_keystore.py`, the contract, is run against.
"""

import contextlib
import fcntl
import os
import re
import secrets
from abc import ABC, abstractmethod
from base64 import b64decode
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlsplit

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from audit.kept_files import drafted, keep_new_file, sync_folder
from insurers.lists.sealing import DamagedError, is_sealed_to_present_key, open_sealed, seal

KEY_BYTES = 32
_NONCE_BYTES = 12
_NAME = re.compile(r"[a-z]+(/[0-9a-z][0-9a-z-]*)+")


class KeyNotFoundError(Exception):
    """No key has this name: it was never made here, or it was destroyed."""


class KeyDestroyedError(KeyNotFoundError):
    """The key of this name was destroyed on purpose: nothing brings it back, nothing should."""


class KeyExistsError(Exception):
    """A key has this name already; keys are never replaced."""


class WrongKeyError(Exception):
    """What is stored under this name does not open, or is not the key of this name."""


class StoreUnreachableError(Exception):
    """The store does not answer; the message says what was tried, never a key."""


class KeyStore(Protocol):
    """What a key store does. Every verb may raise StoreUnreachableError."""

    def put(self, name: str, key: bytes) -> None:
        """Store a 32-byte key for good, or raise KeyExistsError.

        The name of a destroyed key can be given anew.
        """

    def get(self, name: str) -> bytes:
        """Return the key, or raise KeyDestroyedError, KeyNotFoundError or WrongKeyError."""

    def exists(self, name: str) -> bool:
        """Whether a key has this name (it may not open)."""

    def destroy(self, name: str) -> None:
        """Forget the key, and remember that it was destroyed; without one, nothing happens.

        A database restored from before then still names the key: it is destroyed, not lost.
        """

    def names(self) -> Iterator[str]:
        """Yield the name of every key."""

    def is_rewrapped(self, name: str) -> bool:
        """Whether the key is protected by what protects new keys (as after `rewrap`)."""

    def rewrap(self, name: str) -> None:
        """Protect the key, unchanged, by what protects new keys; killed half-way, it stays."""


class _FileStore(ABC):
    """One file per key, holding its name and itself, protected as the subclass says."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @abstractmethod
    def _protect(self, content: bytes) -> bytes: ...

    @abstractmethod
    def _open(self, protected: bytes) -> bytes:
        """Return what `_protect` was given, or raise DamagedError."""

    @abstractmethod
    def _is_present(self, protected: bytes) -> bool: ...

    def put(self, name: str, key: bytes) -> None:
        if len(key) != KEY_BYTES:
            raise ValueError(f"a key has {KEY_BYTES} bytes")
        path = self._path(name)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            keep_new_file(path, self._protect(name.encode() + b"\0" + key))
        except FileExistsError as error:
            raise KeyExistsError(name) from error
        _tombstone(path).unlink(missing_ok=True)
        sync_folder(path.parent)

    def get(self, name: str) -> bytes:
        try:
            stored_name, _, key = self._open(self._read(name)).partition(b"\0")
        except DamagedError as error:
            raise WrongKeyError(name) from error
        if stored_name != name.encode() or len(key) != KEY_BYTES:
            raise WrongKeyError(name)
        return key

    def exists(self, name: str) -> bool:
        return self._path(name).exists()

    def destroy(self, name: str) -> None:
        path = self._path(name)
        if self._folder.exists():
            with self._alone(), contextlib.suppress(FileNotFoundError):
                # Before the key goes: killed in between, the next call destroys it.
                if path.exists():
                    _tombstone(path).touch(mode=0o600)
                path.unlink()
                sync_folder(path.parent)

    def names(self) -> Iterator[str]:
        for path in sorted(self._folder.rglob("*")):
            name = path.relative_to(self._folder).as_posix()
            if path.is_file() and _NAME.fullmatch(name):
                yield name

    def is_rewrapped(self, name: str) -> bool:
        return self._is_present(self._read(name))

    def rewrap(self, name: str) -> None:
        path = self._path(name)
        # A key that is destroyed meanwhile must not come back.
        with self._alone():
            content = name.encode() + b"\0" + self.get(name)
            with drafted(path, self._protect(content)) as draft:
                draft.rename(path)
                sync_folder(path.parent)

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep the other processes that replace or destroy keys waiting."""
        descriptor = os.open(self._folder / ".lock", os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _read(self, name: str) -> bytes:
        path = self._path(name)
        try:
            return path.read_bytes()
        except FileNotFoundError as error:
            if _tombstone(path).exists():
                raise KeyDestroyedError(name) from error
            raise KeyNotFoundError(name) from error
        except OSError as error:
            raise StoreUnreachableError(f"{path}: {error.strerror}") from error

    def _path(self, name: str) -> Path:
        if not _NAME.fullmatch(name):
            raise ValueError("a key's name is made of lower-case words, numbers and slashes")
        return self._folder / name


class FolderKeyStore(_FileStore):
    """Keys sealed to the worker's public key (`sealing.py`)."""

    def _protect(self, content: bytes) -> bytes:
        return seal(content)

    def _open(self, protected: bytes) -> bytes:
        return open_sealed(protected)

    def _is_present(self, protected: bytes) -> bool:
        return is_sealed_to_present_key(protected)


class WrappedKeyStore(_FileStore):
    """Keys wrapped with AES-256-GCM by a master key: what a KMS does, here in one process."""

    def __init__(self, folder: Path, *, master_key: bytes) -> None:
        super().__init__(folder)
        self._master = AESGCM(master_key)

    def _protect(self, content: bytes) -> bytes:
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return nonce + self._master.encrypt(nonce, content, None)

    def _open(self, protected: bytes) -> bytes:
        nonce, content = protected[:_NONCE_BYTES], protected[_NONCE_BYTES:]
        try:
            return self._master.decrypt(nonce, content, None)
        except (InvalidTag, ValueError) as error:
            raise DamagedError from error

    def _is_present(self, protected: bytes) -> bool:
        try:
            self._open(protected)
        except DamagedError:
            return False
        return True


def _folder_store(folder: Path) -> KeyStore:
    return FolderKeyStore(folder)


def _wrapped_store(folder: Path) -> KeyStore:
    return WrappedKeyStore(folder, master_key=b64decode(settings.KEY_STORE_MASTER_KEY))


STORES: dict[str, Callable[[Path], KeyStore]] = {"file": _folder_store, "wrapped": _wrapped_store}


def key_store() -> KeyStore:
    """Return the portal's key store: that of KEY_STORE_URL, else the folder KEY_STORE_DIR."""
    if not settings.KEY_STORE_URL:
        return FolderKeyStore(settings.KEY_STORE_DIR)
    url = urlsplit(settings.KEY_STORE_URL)
    if url.scheme not in STORES:
        raise ImproperlyConfigured(f"KEY_STORE_URL must begin with one of: {', '.join(STORES)}.")
    return STORES[url.scheme](Path(unquote(url.path)))


def _tombstone(path: Path) -> Path:
    return path.with_name(f".{path.name}.destroyed")
