"""Chain the trail in the database, and make it refuse every change.

An entry's hash is SHA-256 over its fields in order, each preceded by its length in bytes as
a 4-byte big-endian integer; `audit/trail.py` recomputes the same.
"""

from django.db import migrations

CHAIN = """
CREATE FUNCTION audit_field(value bytea) RETURNS bytea LANGUAGE sql IMMUTABLE
AS $$ SELECT int4send(octet_length(value)) || value $$;

CREATE FUNCTION audit_chain() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
AS $$
DECLARE head public.audit_trailhead;
BEGIN
    INSERT INTO public.audit_trailhead (scope, sequence, hash) VALUES (NEW.scope, 0, ''::bytea)
        ON CONFLICT DO NOTHING;
    SELECT * INTO head FROM public.audit_trailhead WHERE scope = NEW.scope FOR UPDATE;
    NEW.id := nextval('public.audit_auditentry_id_seq');
    NEW.sequence := head.sequence + 1;
    NEW.at := clock_timestamp();
    NEW.previous_hash := head.hash;
    NEW.hash := sha256(
        public.audit_field(NEW.previous_hash)
        || public.audit_field(convert_to(NEW.scope, 'UTF8'))
        || public.audit_field(convert_to(NEW.sequence::text, 'UTF8'))
        || public.audit_field(convert_to(
            to_char(NEW.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), 'UTF8'))
        || public.audit_field(convert_to(NEW.actor, 'UTF8'))
        || public.audit_field(convert_to(NEW.action, 'UTF8'))
        || public.audit_field(convert_to(NEW.subject, 'UTF8'))
        || public.audit_field(convert_to(NEW.outcome, 'UTF8'))
        || public.audit_field(convert_to(NEW.detail, 'UTF8'))
    );
    UPDATE public.audit_trailhead SET sequence = NEW.sequence, hash = NEW.hash
        WHERE scope = NEW.scope;
    RETURN NEW;
END $$;

CREATE TRIGGER audit_chain BEFORE INSERT ON audit_auditentry
    FOR EACH ROW EXECUTE FUNCTION audit_chain();

CREATE FUNCTION audit_refuse() RETURNS trigger LANGUAGE plpgsql
AS $$ BEGIN RAISE EXCEPTION 'the trail is append-only'; END $$;

CREATE TRIGGER audit_no_change BEFORE UPDATE OR DELETE ON audit_auditentry
    FOR EACH ROW EXECUTE FUNCTION audit_refuse();
CREATE TRIGGER audit_no_truncate BEFORE TRUNCATE ON audit_auditentry
    FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse();
"""

UNCHAIN = """
DROP TRIGGER audit_no_truncate ON audit_auditentry;
DROP TRIGGER audit_no_change ON audit_auditentry;
DROP TRIGGER audit_chain ON audit_auditentry;
DROP FUNCTION audit_refuse();
DROP FUNCTION audit_chain();
DROP FUNCTION audit_field(bytea);
"""


class Migration(migrations.Migration):
    dependencies = (("audit", "0001_initial"),)
    operations = (migrations.RunSQL(CHAIN, UNCHAIN),)
