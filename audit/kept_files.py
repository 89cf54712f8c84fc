"""Files that are on the disk, whole, once the call returns, and that are never replaced."""

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path


def keep_new_file(path: Path, content: bytes) -> None:
    """Keep a file of this name whole, or raise FileExistsError where there is one."""
    with drafted(path, content) as draft:
        # A link, unlike a rename, never replaces what is there.
        os.link(draft, path)
    sync_folder(path.parent)


@contextlib.contextmanager
def drafted(path: Path, content: bytes) -> Iterator[Path]:
    """Write a content beside `path`, through to the disk; whatever is left of it goes."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        yield draft
    finally:
        draft.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Have the disk keep which names a folder holds."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
