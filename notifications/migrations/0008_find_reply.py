"""Let the web role learn whether a reference left with an answer, on the terms of 0005.

Nothing of whom it answered, when they asked, or the code that their page showed.
"""

from django.db import migrations

CREATE = """
CREATE FUNCTION notifications_find_reply(wanted bytea) RETURNS TABLE (
    insurer_id uuid, breach_id bigint, breach_ids bigint[], operator_ids bigint[],
    population_id bigint, channel text, sent_date date
) LANGUAGE sql STABLE SECURITY DEFINER ROWS 1 SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT reply.insurer_id, list.breach_id, reply.breach_ids, list.operator_ids,
        list.population_id, reply.channels[1], (reply.sent_at AT TIME ZONE 'Europe/Paris')::date
    FROM public.notifications_reply AS reply
    JOIN public.insurers_affectedlist AS list ON list.id = reply.list_id
    WHERE reply.reference_fingerprint = wanted AND reply.sent_at IS NOT NULL
$$;
REVOKE ALL ON FUNCTION notifications_find_reply(bytea) FROM PUBLIC;
"""
DROP = "DROP FUNCTION notifications_find_reply(bytea)"


class Migration(migrations.Migration):
    dependencies = (("notifications", "0007_replies"),)
    operations = (migrations.RunSQL(CREATE, DROP),)
