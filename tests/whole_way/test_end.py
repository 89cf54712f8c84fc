"""The end of the demonstration, hence of the whole ways: `tests/scheduling.py` has it come last."""

from pathlib import Path

import psycopg
import redis

from breachportal.embedded.demo import DATABASE
from breachportal.embedded.process import find_leftovers
from tests.whole_way.conftest import Demo, Portal, reference_in

# Of people whom the whole ways list, write to, ask about, or have typed; in every form that
# leaves a process.
SECRETS = (
    *("@nouvelle.example.fr", "%40nouvelle", "foyer0", "famille0"),
    *("900000001", "900009999", "900 000 001"),
    *("12/03/1980", "12%2F03%2F1980", "1980-03-12"),
    *("+336399", "06 39 98", "scam.test"),
)


def test_nothing_of_it_reached_a_log_redis_or_the_trail(portal: Portal) -> None:
    """Every whole way is behind us: what each process wrote, and what stays."""
    reference = reference_in(portal.first_message())
    forms = (reference, reference.replace("-", ""), reference.lower().replace("-", "+"))
    kept = {
        path.name: path.read_text(errors="replace") for path in (portal.state / "logs").iterdir()
    }
    assert len(kept) > 5
    kept |= {"redis": everything_in_redis(portal), "the trail": the_trail(portal)}
    found = [
        (where, secret)
        for where, text in kept.items()
        for secret in (*SECRETS, *forms)
        if secret in text
    ]
    assert "list.accepted" in kept["the trail"]
    assert found == []


def the_trail(portal: Portal) -> str:
    """Return every entry, whole, and the tables in which sign-in and Django keep theirs."""
    sockets = Path(portal.redis_socket()).parent / "postgres"
    with psycopg.connect(host=str(sockets), user="postgres", dbname=DATABASE) as database:
        rows = database.execute(
            "SELECT row_to_json(a)::text FROM audit_auditentry a"
            " UNION ALL SELECT row_to_json(l)::text FROM django_admin_log l"
        ).fetchall()
    return "\n".join(row[0] for row in rows)


def everything_in_redis(portal: Portal) -> str:
    """Return the redis server's whole memory, as it would write it to a disk."""
    text = []
    for database in range(3):
        client = redis.Redis(unix_socket_path=portal.redis_socket(), db=database)
        for key in client.scan_iter():
            text.append(f"{key!r} {client.dump(key)!r}")
        client.close()
    return "\n".join(text)


def test_ctrl_c_leaves_nothing(demo: Demo) -> None:
    demo.said()
    assert demo.interrupt() == 0
    assert find_leftovers(demo.state) == []
