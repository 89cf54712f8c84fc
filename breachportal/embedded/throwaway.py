"""PostgreSQL and Redis for one test run, thrown away at its end."""

from dataclasses import dataclass
from pathlib import Path

from breachportal.embedded.postgres import SOCKET_NAME, Cluster, start_cluster
from breachportal.embedded.redis import RedisServer, start_redis

DATA = "servers"


@dataclass(frozen=True)
class Servers:
    """The servers of a test run."""

    cluster: Cluster
    redis: RedisServer

    def stop(self) -> None:
        """End both servers; their files stay."""
        self.redis.stop()
        self.cluster.stop()


def start_servers(folder: Path, *, database: str) -> Servers:
    """Start both servers with their sockets in `folder`, and create `database` with the roles.

    `folder` is the `host` of a database address, and holds `redis.sock`; its path must be short.
    What they keep is in its folder DATA, which may lead elsewhere.
    """
    data = folder / DATA
    cluster = start_cluster(data, runtime=folder, durable=False)
    (folder / SOCKET_NAME).symlink_to(cluster.sockets / SOCKET_NAME)
    cluster.provision(database)
    return Servers(cluster=cluster, redis=start_redis(data, runtime=folder))
