"""Real PostgreSQL and Redis for one test run: started once, thrown away at the end.

Loaded as a pytest plugin, so that the environment stands before Django reads its settings.
In-process tests connect as the cluster's superuser and step down with SET ROLE (`as_role`);
whole-way tests start the real processes, each signed in as its own role.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from nacl.encoding import Base64Encoder
from nacl.public import PrivateKey

TEMPLATE = "template_portal"


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

_stop: list[Callable[[], None]] = []


def pytest_configure(config: pytest.Config) -> None:
    if hasattr(config, "workerinput") or _stop:
        return
    from breachportal.embedded.throwaway import start_servers

    folder = Path(os.environ["PORTAL_TEST_FOLDER"])
    (folder / "static").mkdir(exist_ok=True)
    servers = start_servers(folder, database=TEMPLATE)
    _stop.append(servers.stop)
    subprocess.run(
        [sys.executable, "manage.py", "migrate", "-v", "0"],
        check=True,
        env=os.environ | {"PORTAL_ROLE": "owner"},
    )


def pytest_unconfigure(config: pytest.Config) -> None:
    if hasattr(config, "workerinput"):
        return
    while _stop:
        _stop.pop()()
        shutil.rmtree(os.environ["PORTAL_TEST_FOLDER"], ignore_errors=True)
