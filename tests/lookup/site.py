"""The portal as in production: granian, its settings, the real directory, no demonstration."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from django.core.management import call_command

from tests.faults.stack import own_database
from tests.insurers.lists.web_servers import wait_for
from tests.lookup.nginx import free_ports, listens
from tests.production import production_environment
from tests.static_files import copy_static_files


@dataclass
class Site:
    """A granian that can be stopped and started again at the same port."""

    port: int
    static: Path
    environment: dict[str, str]
    application: str
    process: subprocess.Popen[bytes] | None = None

    def up(self) -> None:
        if self.process is None:
            command = ["granian", "--interface", "wsgi", "--no-ws", "--no-access-log"]
            address = ["--host", "127.0.0.1", "--port", str(self.port)]
            self.process = subprocess.Popen(
                [sys.executable, "-m", *command, *address, self.application],
                env=self.environment,
                start_new_session=True,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            wait_for(lambda: listens(self.port), what="granian")

    def down(self) -> None:
        if self.process is not None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None


@contextmanager
def production_site(
    folder: Path, *, application: str = "breachportal.wsgi:application"
) -> Iterator[Site]:
    """Make a site with the real directory on a database of its own; nothing runs yet."""
    name = f"site_{os.getpid()}"
    static = folder / "static"
    sockets = os.environ["PORTAL_TEST_FOLDER"]
    with own_database(name, folder):
        call_command("load_directory", verbosity=0)
        environment = production_environment(str(folder)) | {
            "PORTAL_ROLE": "web",
            "DATABASE_URL_WEB": f"postgresql://breachportal_web@/{name}?host={sockets}",
            "REDIS_URL": f"unix://{sockets}/redis.sock?db={_own_redis_db()}",
            "STATIC_ROOT": str(static),
        }
        copy_static_files(static)
        subprocess.run(
            [sys.executable, "manage.py", "write_failure_page", "--skip-checks"],
            check=True,
            env=environment,
            stdout=subprocess.DEVNULL,
        )
        site = Site(free_ports(1)[0], static, environment, application)
        try:
            yield site
        finally:
            site.down()


def _own_redis_db() -> int:
    """Return what no site of another test process uses: the last numbers that Redis has."""
    return 15 - int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
