"""Gates in a database: closed, each keeps a worker in one phase of a list, nothing committed."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg
from psycopg.conninfo import make_conninfo

from tests.faults.stack import Stack

_CLASS = 7499  # of advisory locks; no other in the portal
# What a worker does there: the blocks stand in an open transaction; members are copied; the index
# of fingerprints is built, beside the other; members are merged and counted; the list's table is
# attached.
PHASES = ("preparing", "reading", "indexing", "finishing", "publishing")

_STAND = """
CREATE FUNCTION public.stand_before(gate int) RETURNS void LANGUAGE sql
    AS 'SELECT pg_advisory_xact_lock_shared({lock_class}, gate)';
CREATE FUNCTION public.gate() RETURNS trigger LANGUAGE plpgsql
    AS 'BEGIN PERFORM public.stand_before(TG_ARGV[0]::int); RETURN NULL; END';
"""
# The number in each is the place of its phase.
_OF_LISTS = """
CREATE FUNCTION public.gate_of_indexes() RETURNS event_trigger LANGUAGE plpgsql
    AS 'BEGIN PERFORM public.stand_before(2) FROM pg_event_trigger_ddl_commands()
        WHERE object_identity LIKE ''%fingerprint_idx''; END';
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

    def __init__(
        self,
        stack: Stack,
        *,
        servers: Path,
        phases: tuple[str, ...] = PHASES,
        triggers: str = _OF_LISTS,
    ) -> None:
        """`triggers` calls `public.gate` with the place of each phase among `phases`."""
        self._address = make_conninfo(host=str(servers), user="postgres", dbname=stack.name)
        self._phases = phases
        with psycopg.connect(self._address) as admin:
            admin.execute(_STAND.replace("{lock_class}", str(_CLASS)) + triggers)

    @contextmanager
    def closed(self, phase: str) -> Iterator[None]:
        """Keep workers in a phase until the block ends, or PostgreSQL does."""
        holder = psycopg.connect(self._address, autocommit=True)
        try:
            holder.execute("SELECT pg_advisory_lock(%s, %s)", [_CLASS, self._phases.index(phase)])
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
                [_CLASS, self._phases.index(phase)],
            )
            return found.fetchone() is not None

    def somebody_stands_before(self, phase: str) -> bool:
        """Whether a worker waits in that phase, according to PostgreSQL."""
        with psycopg.connect(self._address) as admin:
            found = admin.execute(
                "SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
                " AND classid = %s AND objid = %s",
                [_CLASS, self._phases.index(phase)],
            )
            return found.fetchone() is not None

    def first_before(self, phase: str) -> str | None:
        """Return the application name of a worker that waits in that phase, None where none is."""
        with psycopg.connect(self._address) as admin:
            found = admin.execute(
                "SELECT application_name FROM pg_locks JOIN pg_stat_activity USING (pid)"
                " WHERE locktype = 'advisory' AND NOT granted AND classid = %s AND objid = %s"
                " ORDER BY waitstart LIMIT 1",
                [_CLASS, self._phases.index(phase)],
            )
            row = found.fetchone()
            return str(row[0]) if row else None

    def end_connections_before(self, phase: str, *, of: str = "%") -> int:
        """Have PostgreSQL end the connections that stand there; return how many, after the end.

        `of` is the pattern (LIKE) of the application name that ends.
        """
        with psycopg.connect(self._address, autocommit=True) as admin:
            ended = admin.execute(
                "SELECT pg_terminate_backend(pid, 10000) FROM pg_locks"
                " JOIN pg_stat_activity USING (pid)"
                " WHERE locktype = 'advisory' AND NOT granted AND classid = %s AND objid = %s"
                " AND application_name LIKE %s",
                [_CLASS, self._phases.index(phase), of],
            )
            return len(ended.fetchall())
