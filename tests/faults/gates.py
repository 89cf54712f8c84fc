"""Gates in a database: closed, each keeps a worker in one phase of a list, nothing committed."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg
from psycopg.conninfo import make_conninfo

from tests.faults.stack import Stack

_CLASS = 7499  # of advisory locks; no other in the portal
# What a worker does there: the blocks stand in an open transaction; members are copied; one
# index is built; members are merged and counted; the list's table is attached.
PHASES = ("preparing", "reading", "indexing", "finishing", "publishing")

_PUT = """
CREATE FUNCTION public.stand_before(gate int) RETURNS void LANGUAGE sql
    AS 'SELECT pg_advisory_xact_lock_shared({lock_class}, gate)';
CREATE FUNCTION public.gate() RETURNS trigger LANGUAGE plpgsql
    AS 'BEGIN PERFORM public.stand_before(TG_ARGV[0]::int); RETURN NULL; END';
CREATE FUNCTION public.gate_of_indexes() RETURNS event_trigger LANGUAGE plpgsql
    AS 'BEGIN PERFORM public.stand_before(2); END';
CREATE TRIGGER gate AFTER INSERT ON public.insurers_listblock
    FOR EACH STATEMENT EXECUTE FUNCTION public.gate(0);
CREATE TRIGGER gate AFTER INSERT ON public.insurers_listproblem
    FOR EACH STATEMENT EXECUTE FUNCTION public.gate(1);
CREATE EVENT TRIGGER gate ON ddl_command_end WHEN TAG IN ('CREATE INDEX')
    EXECUTE FUNCTION public.gate_of_indexes();
CREATE TRIGGER gate_finishing AFTER INSERT ON public.audit_auditentry
    FOR EACH ROW WHEN (NEW.action = 'list.ingested') EXECUTE FUNCTION public.gate(3);
CREATE TRIGGER gate_publishing AFTER INSERT ON public.audit_auditentry
    FOR EACH ROW WHEN (NEW.action = 'list.published') EXECUTE FUNCTION public.gate(4);
"""


class Gates:
    """The gates of a stack's database; all are open at first."""

    def __init__(self, stack: Stack, *, servers: Path) -> None:
        self._address = make_conninfo(host=str(servers), user="postgres", dbname=stack.name)
        with psycopg.connect(self._address) as admin:
            admin.execute(_PUT.replace("{lock_class}", str(_CLASS)))

    @contextmanager
    def closed(self, phase: str) -> Iterator[None]:
        """Keep workers in a phase until the block ends, or PostgreSQL does."""
        holder = psycopg.connect(self._address, autocommit=True)
        try:
            holder.execute("SELECT pg_advisory_lock(%s, %s)", [_CLASS, PHASES.index(phase)])
            yield
        finally:
            with suppress(psycopg.Error):
                holder.close()

    def is_closed(self, phase: str) -> bool:
        """Whether the gate is held; a PostgreSQL that ended has opened it."""
        with psycopg.connect(self._address) as admin:
            found = admin.execute(
                "SELECT FROM pg_locks WHERE locktype = 'advisory' AND granted"
                " AND mode = 'ExclusiveLock' AND classid = %s AND objid = %s",
                [_CLASS, PHASES.index(phase)],
            )
            return found.fetchone() is not None

    def somebody_stands_before(self, phase: str) -> bool:
        """Whether a worker waits in that phase, according to PostgreSQL."""
        with psycopg.connect(self._address) as admin:
            found = admin.execute(
                "SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
                " AND classid = %s AND objid = %s",
                [_CLASS, PHASES.index(phase)],
            )
            return found.fetchone() is not None

    def end_connections_before(self, phase: str) -> int:
        """Have PostgreSQL end the connections that stand there; return how many, after the end."""
        with psycopg.connect(self._address, autocommit=True) as admin:
            ended = admin.execute(
                "SELECT pg_terminate_backend(pid, 10000) FROM pg_locks"
                " WHERE locktype = 'advisory' AND NOT granted AND classid = %s AND objid = %s",
                [_CLASS, PHASES.index(phase)],
            )
            return len(ended.fetchall())
