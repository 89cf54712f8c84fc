"""The state folder of a run: its lock, its secrets, and the environment that its processes get."""

import base64
import fcntl
import json
import os
import secrets
import shutil
import string
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal
from urllib.parse import quote

from nacl.public import PrivateKey

Role = Literal["owner", "web", "worker"]

PROJECT = Path(__file__).resolve().parents[2]

# Redis cuts the path of a socket at 107 bytes without a word, PostgreSQL refuses it.
LONGEST_SOCKET_PATH = 100
LONGEST_SOCKET_NAME = len("/postgres/.s.PGSQL.5432")
PLAIN_CHARACTERS = frozenset(string.ascii_letters + string.digits + "/._-")

OWN_ENTRIES = (
    *("postgres", "postgres.new", "redis", "uploads", "keys", "sms", "static", "mail", "logs"),
    *("beat", "heads", "demo.json", "secrets.json", "secrets.new"),
    *("migrations.json", "migrations.new", "lock"),
)


class AlreadyRunningError(Exception):
    """Another run holds the state folder; the text says where it answers."""


@dataclass(frozen=True)
class State:
    """The folders and files of one run, all inside `folder` (0700)."""

    folder: Path

    @property
    def uploads(self) -> Path:
        return self.folder / "uploads"

    @property
    def keys(self) -> Path:
        return self.folder / "keys"

    @property
    def sms(self) -> Path:
        return self.folder / "sms"

    @property
    def heads(self) -> Path:
        return self.folder / "heads"

    @property
    def static(self) -> Path:
        return self.folder / "static"

    @property
    def mail(self) -> Path:
        return self.folder / "mail"

    @property
    def beat(self) -> Path:
        return self.folder / "beat"

    @property
    def database(self) -> Path:
        """Where PostgreSQL keeps its data, once it has begun."""
        return self.folder / "postgres"

    @property
    def migrations_file(self) -> Path:
        return self.folder / "migrations.json"

    @property
    def demo_file(self) -> Path:
        return self.folder / "demo.json"

    def create(self) -> None:
        """Create the folders that are missing."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        own = (self.uploads, self.keys, self.sms, self.heads, self.static, self.mail, self.beat)
        for folder in own:
            folder.mkdir(mode=0o700, exist_ok=True)

    def clear(self) -> None:
        """Remove everything that runs have put in the folder, and nothing else."""
        close_runtime(self.folder)
        for name in OWN_ENTRIES:
            path = self.folder / name
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
        if not any(self.folder.iterdir()):
            self.folder.rmdir()

    def lock(self) -> IO[str]:
        """Take the folder for this process, until the file returned is closed or the process ends.

        :raises AlreadyRunningError: when another process holds it.
        """
        lock = (self.folder / "lock").open("a+", encoding="utf-8")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            with lock:
                lock.seek(0)
                raise AlreadyRunningError(lock.read().strip()) from None
        lock.truncate(0)
        return lock

    def secrets(self) -> dict[str, str]:
        """The secrets of this folder, made on the first call and kept in a 0600 file."""
        path = self.folder / "secrets.json"
        if not path.exists():
            draft = path.with_suffix(".new")
            draft.unlink(missing_ok=True)
            descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                json.dump(generate_secrets(), file)
            draft.rename(path)
        kept: dict[str, str] = json.loads(path.read_text(encoding="utf-8"))
        return kept


def generate_secrets() -> dict[str, str]:
    """Fresh random secrets by the name of their variable; keys are 32 bytes in base64."""
    private = PrivateKey.generate()
    return {
        "SECRET_KEY": secrets.token_urlsafe(48),
        "SEALING_PRIVATE_KEY": base64.b64encode(bytes(private)).decode(),
        "SEALING_PUBLIC_KEY": base64.b64encode(bytes(private.public_key)).decode(),
        "REFERENCE_KEY": base64.b64encode(secrets.token_bytes(32)).decode(),
        "REFERENCE_LOOKUP_KEY": base64.b64encode(secrets.token_bytes(32)).decode(),
    }


# Who holds what (the owner role only migrates and needs no key).
SECRETS_BY_ROLE: dict[Role, tuple[str, ...]] = {
    "owner": ("SECRET_KEY",),
    "web": ("SECRET_KEY", "SEALING_PUBLIC_KEY", "REFERENCE_LOOKUP_KEY"),
    "worker": (
        "SECRET_KEY",
        "SEALING_PUBLIC_KEY",
        "SEALING_PRIVATE_KEY",
        "REFERENCE_KEY",
        "REFERENCE_LOOKUP_KEY",
    ),
}


def database_url(role: str, *, sockets: Path, database: str) -> str:
    """The address of a database for one role, over the PostgreSQL socket folder `sockets`."""
    return f"postgresql://breachportal_{role}@/{database}?host={quote(str(sockets), safe='')}"


def environment(
    *,
    role: Role,
    state: State,
    sockets: Path,
    database: str,
    redis_url: str,
    smtp_port: int,
    portal_port: int,
) -> dict[str, str]:
    """Every setting of one Django process, and no secret that its role must not hold."""
    known = state.secrets()
    return {name: known[name] for name in SECRETS_BY_ROLE[role]} | {
        "PORTAL_ROLE": role,
        "PORTAL_DEMO": "1",
        "PORTAL_URL": f"http://localhost:{portal_port}",
        f"DATABASE_URL_{role.upper()}": database_url(role, sockets=sockets, database=database),
        "REDIS_URL": redis_url,
        "EMAIL_HOST": "127.0.0.1",
        "EMAIL_PORT": str(smtp_port),
        "KEY_STORE_DIR": str(state.keys),
        "UPLOAD_DIR": str(state.uploads),
        "SMS_OUTBOX_DIR": str(state.sms),
        "TRAIL_HEADS_DIR": str(state.heads),
        "STATIC_ROOT": str(state.static),
        "DEMO_STATE_FILE": str(state.demo_file),
    }


def open_runtime(folder: Path) -> Path:
    """The folder of this run's sockets, inside `folder`, or a private temporary one.

    The temporary one serves where the path is too long for a socket or would need escaping in a
    URL, and for root, whose PostgreSQL runs as `nobody`, who may not enter the state folder. What
    an earlier, killed run left is removed first.
    """
    close_runtime(folder)
    inside = folder / "run"
    longest = len(os.fsencode(inside)) + LONGEST_SOCKET_NAME
    if (
        os.geteuid() != 0
        and longest <= LONGEST_SOCKET_PATH
        and set(str(inside)) <= PLAIN_CHARACTERS
    ):
        runtime = inside
        runtime.mkdir(mode=0o700)
    else:
        runtime = Path(tempfile.mkdtemp(prefix="breachportal-", dir=_temporary_folder()))
    (folder / "runtime").write_text(str(runtime), encoding="utf-8")
    return runtime


def close_runtime(folder: Path) -> None:
    """Remove the folder that `open_runtime` made, also that of a run that was killed."""
    pointer = folder / "runtime"
    if pointer.exists():
        shutil.rmtree(pointer.read_text(encoding="utf-8"), ignore_errors=True)
        pointer.unlink()


def _temporary_folder() -> str:
    """A short folder open to all users from which programs can be run."""
    for candidate in ("/tmp", "/var/tmp", "/dev/shm"):  # noqa: S108 (mkdtemp)
        if (
            os.access(candidate, os.W_OK | os.X_OK)
            and not os.statvfs(candidate).f_flag & os.ST_NOEXEC
        ):
            return candidate
    return tempfile.gettempdir()
