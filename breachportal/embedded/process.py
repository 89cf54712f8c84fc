"""Start a server as a child that dies with its parent, stop it, find what a killed run left."""

import os
import pwd
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

LAUNCHER = Path(__file__).with_name("launch.py")

# What a child keeps of our own environment: a stray DATABASE_URL must not reach it.
KEPT_VARIABLES = (
    "PATH",
    "HOME",
    "USER",
    "LANG",
    "LC_ALL",
    "TZ",
    "TERM",
    "TMPDIR",
    "LD_LIBRARY_PATH",
)

SERVER_NAMES = {"postgres", "redis-server"}


class ServerDiedError(Exception):
    """A server ended before it answered, or did not answer in time."""


def log_file(folder: Path, name: str) -> Path:
    """Where the process `name` of the state folder writes what it has to say."""
    (folder / "logs").mkdir(mode=0o700, exist_ok=True)
    return folder / "logs" / f"{name}.log"


def spawn(
    command: Sequence[str | Path],
    *,
    folder: Path,
    environment: Mapping[str, str],
    log: Path | None = None,
    user: pwd.struct_passwd | None = None,
    last_signal: signal.Signals = signal.SIGTERM,
) -> subprocess.Popen[bytes]:
    """Start `command`, whose program is an absolute path, in `folder` and a session of its own.

    Its output goes to `log`, or to the terminal.

    A terminal's Ctrl-C therefore reaches the parent alone, which stops its children in order.
    Where the parent is killed, the kernel sends `last_signal` to the child (Linux only).
    """
    ids = (user.pw_uid, user.pw_gid) if user else (0, 0)
    launch = [sys.executable, "-I", "-S", LAUNCHER, os.getpid(), int(last_signal), *ids]
    kept = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
    output = log.open("ab") if log else None
    try:
        return subprocess.Popen(
            [str(part) for part in (*launch, *command)],
            cwd=folder,
            env=kept | {"PYTHONUNBUFFERED": "1"} | dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT if output else None,
            start_new_session=True,
        )
    finally:
        if output:
            output.close()


def stop(
    process: subprocess.Popen[bytes], *, first: signal.Signals = signal.SIGTERM, seconds: float = 10
) -> None:
    """Ask a process to end with the signal `first`, wait, then kill it and its whole session."""
    if process.poll() is None:
        process.send_signal(first)
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
    kill_group(process.pid)
    process.wait()


def kill_group(leader: int) -> None:
    """Kill what is left of the process group that `leader` started."""
    # macOS answers "not permitted" for a group of zombies.
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)


def wait_until(
    answers: Callable[[], bool], *, process: subprocess.Popen[bytes], name: str, seconds: float = 60
) -> None:
    """Return once `answers()` is true.

    :raises ServerDiedError: when the process ended, or `seconds` went by.
    """
    deadline = time.monotonic() + seconds
    while not answers():
        if process.poll() is not None:
            raise ServerDiedError(f"{name} s’est arrêté au démarrage (code {process.returncode}).")
        if time.monotonic() > deadline:
            raise ServerDiedError(f"{name} ne répond pas après {seconds:.0f} secondes.")
        time.sleep(0.05)


def find_leftovers(folder: Path, *, servers_only: bool = False) -> list[int]:
    """The processes that an earlier run on this state folder left behind, by pid (Linux only).

    PostgreSQL and Redis are known by their name and current folder, the portal's own processes by
    DEMO_STATE_FILE in their environment.
    """
    marker = f"DEMO_STATE_FILE={folder}/".encode()
    return [
        pid
        for pid in _other_processes()
        if (_name(pid) in SERVER_NAMES and folder in _current_folder(pid).parents)
        or (not servers_only and any(variable.startswith(marker) for variable in _variables(pid)))
    ]


def end_leftovers(folder: Path, *, servers_only: bool = False, seconds: float = 15) -> None:
    """End what an earlier, killed run left behind; kill what has not ended after `seconds`."""
    for pid in find_leftovers(folder, servers_only=servers_only):
        # PostgreSQL takes SIGINT as "stop now, cleanly" and SIGTERM as "when everybody has left".
        _signal(pid, signal.SIGINT if _name(pid) == "postgres" else signal.SIGTERM)
    deadline = time.monotonic() + seconds
    while alive := find_leftovers(folder, servers_only=servers_only):
        if time.monotonic() > deadline:
            for pid in alive:
                _signal(pid, signal.SIGKILL)
        time.sleep(0.1)


def _other_processes() -> Iterator[int]:
    for entry in Path("/proc").glob("[0-9]*"):
        pid = int(entry.name)
        if pid != os.getpid() and _is_running(pid):
            yield pid


def _name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


def _is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _current_folder(pid: int) -> Path:
    try:
        return Path(f"/proc/{pid}/cwd").readlink()
    except OSError:
        return Path()


def _variables(pid: int) -> list[bytes]:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return []


def _signal(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)
