"""A PostgreSQL and a Redis of their own, to be killed and started again under real workers."""

import os
import shutil
import signal
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path

import redis
from django.db import connections

from breachportal.embedded.postgres import SOCKET_NAME, find_programs, start_cluster
from breachportal.embedded.redis import start_redis
from tests.servers import TEMPLATE


class OwnServers:
    """Servers with the migrated template in them; each method returns once they answer again."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="portal-fault-"))
        # Apart: whoever starts a PostgreSQL ends what stands in its folder.
        self._postgres_data, self._redis_data = self.folder / "pg", self.folder / "rd"
        self._redis_data.mkdir()
        self._redis = start_redis(self._redis_data, runtime=self.folder)
        self._start_postgres()
        (self.folder / SOCKET_NAME).symlink_to(self._postgres.sockets / SOCKET_NAME)
        self._postgres.provision(TEMPLATE)
        with self._postgres.connect() as admin:
            # What is committed outlives a killed PostgreSQL, as in production.
            admin.execute("ALTER ROLE ALL SET synchronous_commit = on")
        copy_template(self.folder, database=TEMPLATE)

    def kill_postgres(self) -> None:
        """SIGKILL every process of PostgreSQL, and start it on what it left."""
        leader = self._postgres.process
        children = Path(f"/proc/{leader.pid}/task/{leader.pid}/children").read_text().split()
        leader.kill()
        for child in children:
            with suppress(ProcessLookupError):
                os.kill(int(child), signal.SIGKILL)
        leader.wait(30)
        self._start_postgres()

    def restart_postgres(self) -> None:
        """Stop PostgreSQL as its administrator does (a fast shutdown), and start it."""
        self._postgres.stop()
        self._start_postgres()

    def stop_postgres_at_once(self) -> None:
        """Have PostgreSQL abandon everything (an immediate shutdown), and start it: it recovers."""
        self._postgres.process.send_signal(signal.SIGQUIT)
        self._postgres.process.wait(30)
        self._start_postgres()

    def flush_redis(self) -> None:
        """Empty the broker and the cache, of everything."""
        with redis.Redis(unix_socket_path=str(self._redis.socket), socket_timeout=10) as client:
            client.flushall()

    def kill_redis(self) -> None:
        """SIGKILL Redis, and start an empty one."""
        self._redis.process.kill()
        self._redis.process.wait(30)
        self._redis = start_redis(self._redis_data, runtime=self.folder)

    def end(self) -> None:
        """End both servers and remove what they wrote."""
        self._redis.stop()
        self._postgres.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _start_postgres(self) -> None:
        self._postgres = start_cluster(self._postgres_data, runtime=self.folder, durable=False)
        connections["default"].close()


def copy_template(folder: Path, *, database: str) -> None:
    """Take over what the test run has migrated: in a fifth of the time that migrating takes.

    `folder` has the socket of a server in which `database` has its roles.
    """
    programs, source = find_programs(), os.environ["PORTAL_TEST_FOLDER"]
    dump = folder / "template.dump"
    subprocess.run(
        [programs / "pg_dump", "-h", source, "-U", "postgres", "-Fc", "-f", dump, TEMPLATE],
        check=True,
        timeout=60,
    )
    where = ("-h", folder, "-U", "postgres", "-d", database)
    subprocess.run(
        [programs / "pg_restore", *where, "--clean", "--if-exists", "-1", dump],
        check=True,
        timeout=60,
    )
