"""Real PostgreSQL and Redis for one test run: started once, thrown away at the end.

Loaded as a pytest plugin, so that the environment stands before Django reads its settings. They
start, and the template is migrated, while tests are collected; the first test waits for them.
In-process tests connect as the cluster's superuser and step down with SET ROLE (`as_role`);
whole-way tests start the real processes, each signed in as its own role.
"""

import fcntl
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest
from nacl.encoding import Base64Encoder
from nacl.public import PrivateKey

TEMPLATE = "template_portal"
PREFIX = "portal-test-"
MEMORY = Path("/dev/shm")
ROOM = 3 * 2**29  # bytes; a run takes a quarter of it
OUTCOME, MIGRATED = "outcome", "migrated"
PATIENCE = 180.0  # seconds


def _environment(folder: Path) -> dict[str, str]:
    sealing = PrivateKey.generate()
    superuser = f"postgresql://postgres@/{TEMPLATE}?host={folder}"
    return {
        "PORTAL_TEST_FOLDER": str(folder),
        "PORTAL_ROLE": "worker",
        "PORTAL_DEMO": "1",
        "PORTAL_URL": "http://localhost",
        "ALLOWED_HOSTS": "localhost,testserver",
        "SECRET_KEY": "only-for-tests-" + os.urandom(16).hex(),
        "DATABASE_URL_WORKER": superuser,
        "DATABASE_URL_OWNER": f"postgresql://breachportal_owner@/{TEMPLATE}?host={folder}",
        "REDIS_URL": f"unix://{folder}/redis.sock?db=0",
        "STATIC_ROOT": str(folder / "static"),
        "UPLOAD_DIR": str(folder / "uploads"),
        "KEY_STORE_DIR": str(folder / "keys"),
        "SMS_OUTBOX_DIR": str(folder / "sms"),
        "TRAIL_HEADS_DIR": str(folder / "heads"),
        "SEALING_PRIVATE_KEY": sealing.encode(Base64Encoder).decode(),
        "SEALING_PUBLIC_KEY": sealing.public_key.encode(Base64Encoder).decode(),
        "REFERENCE_KEY": "cmVmZXJlbmNlLWtleS1mb3ItdGVzdHMtb25seS0wMDE=",
        "REFERENCE_LOOKUP_KEY": "cmVmZXJlbmNlLWtleS1mb3ItdGVzdHMtb25seS0wMDI=",
    }


if "PORTAL_TEST_FOLDER" not in os.environ:
    os.environ |= _environment(Path(tempfile.mkdtemp(prefix=PREFIX)))

if process := os.environ.get("PYTEST_XDIST_WORKER"):
    # A database of its own, hence keys and uploads of its own.
    for name in ("UPLOAD_DIR", "KEY_STORE_DIR", "SMS_OUTBOX_DIR", "TRAIL_HEADS_DIR"):
        os.environ[name] = f"{os.environ[name]}-{process}"
    number = 1 + int(process.removeprefix("gw"))
    os.environ["REDIS_URL"] = os.environ["REDIS_URL"].replace("?db=0", f"?db={number}")


class _Servers(threading.Thread):
    """Starts the servers, migrates the template, says how that ended in a file, stops them.

    The thread lasts as long as they do: they die with the thread that started them.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(name="servers", daemon=True)
        self._folder = folder
        self._over = threading.Event()

    def run(self) -> None:
        from breachportal.embedded.throwaway import DATA, start_servers

        with ExitStack() as ending:
            ending.callback(shutil.rmtree, self._folder, ignore_errors=True)
            outcome = "failed"
            try:
                (self._folder / "static").mkdir(exist_ok=True)
                data = ending.enter_context(_folder_in_memory())
                if data is not None:
                    (self._folder / DATA).symlink_to(data)
                ending.callback(start_servers(self._folder, database=TEMPLATE).stop)
                migration = subprocess.run(
                    [sys.executable, "manage.py", "migrate", "-v", "0", "--skip-checks"],
                    env=os.environ | {"PORTAL_ROLE": "owner"},
                )
                outcome = MIGRATED if migration.returncode == 0 else outcome
            finally:
                _write_whole(self._folder / OUTCOME, outcome)
                self._over.wait()

    def end(self) -> None:
        """Stop the servers, once they have started, and forget their folder."""
        self._over.set()
        self.join()


@contextmanager
def _folder_in_memory() -> Iterator[Path | None]:
    """Make a folder in memory for the block; None where there is no room.

    Each list has tables of its own, which most tests undo. Where thousands of files have just been
    removed, ext4 looks through them for each new one: half of what PostgreSQL would take.
    """
    if not (MEMORY.is_dir() and min(shutil.disk_usage(MEMORY).free, _free_memory()) > ROOM):
        yield None
        return
    turn = os.open(MEMORY, os.O_RDONLY)
    fcntl.flock(turn, fcntl.LOCK_EX)
    for left in MEMORY.glob(f"{PREFIX}*"):
        _remove_unless_used(left)
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=MEMORY))
    used = os.open(folder, os.O_RDONLY)
    fcntl.flock(used, fcntl.LOCK_EX)
    os.close(turn)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(used)


def _remove_unless_used(folder: Path) -> None:
    """Give back the memory of a run that was killed; one that lives holds a lock."""
    with suppress(OSError):
        used = os.open(folder, os.O_RDONLY)
        try:
            fcntl.flock(used, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
        finally:
            os.close(used)


def _free_memory() -> int:
    """Return how many bytes programs may take without swapping."""
    found = re.search(r"MemAvailable: +(\d+) kB", Path("/proc/meminfo").read_text())
    return int(found[1]) * 1024 if found else 0


def _write_whole(path: Path, text: str) -> None:
    part = path.with_suffix(".part")
    part.write_text(text)
    part.rename(path)


_servers: list[_Servers] = []


def pytest_configure(config: pytest.Config) -> None:
    if hasattr(config, "workerinput") or _servers:
        return
    _servers.append(_Servers(Path(os.environ["PORTAL_TEST_FOLDER"])))
    _servers[0].start()


def pytest_collection_finish(session: pytest.Session) -> None:
    """Wait until the servers answer and the template may be copied; end the run if they do not."""
    if session.config.option.collectonly:
        return
    outcome = Path(os.environ["PORTAL_TEST_FOLDER"]) / OUTCOME
    deadline = time.monotonic() + PATIENCE
    while not outcome.exists():
        if time.monotonic() > deadline:
            pytest.exit("PostgreSQL and Redis did not start in time", returncode=3)
        time.sleep(0.05)
    if outcome.read_text() != MIGRATED:
        pytest.exit("PostgreSQL and Redis did not start, or the migrations failed", returncode=3)


def pytest_unconfigure(config: pytest.Config) -> None:
    if hasattr(config, "workerinput"):
        return
    while _servers:
        _servers.pop().end()
