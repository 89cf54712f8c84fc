"""Real PostgreSQL and Redis for one test run: started once, thrown away at the end.

Loaded as a pytest plugin, so that the environment stands before Django reads its settings. They
start, and the template is migrated, while tests are collected; the first test waits for them.
In-process tests connect as the cluster's superuser and step down with SET ROLE (`as_role`);
whole-way tests start the real processes, each signed in as its own role.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import ExitStack
from pathlib import Path

import pytest
from nacl.encoding import Base64Encoder
from nacl.public import PrivateKey

TEMPLATE = "template_portal"
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
    os.environ |= _environment(Path(tempfile.mkdtemp(prefix="portal-test-")))

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
        from breachportal.embedded.throwaway import start_servers

        with ExitStack() as ending:
            ending.callback(shutil.rmtree, self._folder, ignore_errors=True)
            outcome = "failed"
            try:
                (self._folder / "static").mkdir(exist_ok=True)
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
