"""Portal operators hold no running membership: the database refuses either order of the two.

The functions run with their owner's rights, because the caller may not see the other table's
rows.
"""

from django.db import migrations

CREATE = """
CREATE FUNCTION insurers_refuse_operator_membership() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, public
AS $$
BEGIN
    IF NEW.ended_at IS NULL AND EXISTS (
        SELECT FROM breachportal_user WHERE id = NEW.user_id AND (is_staff OR is_superuser)
    ) THEN
        RAISE EXCEPTION 'a portal operator holds no membership' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER insurers_no_operator_membership BEFORE INSERT OR UPDATE ON insurers_membership
    FOR EACH ROW EXECUTE FUNCTION insurers_refuse_operator_membership();

CREATE FUNCTION insurers_refuse_member_operator() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, public
AS $$
BEGIN
    IF (NEW.is_staff OR NEW.is_superuser) AND EXISTS (
        SELECT FROM insurers_membership WHERE user_id = NEW.id AND ended_at IS NULL
    ) THEN
        RAISE EXCEPTION 'a portal operator holds no membership' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER insurers_no_member_operator BEFORE UPDATE ON breachportal_user
    FOR EACH ROW EXECUTE FUNCTION insurers_refuse_member_operator();
"""

DROP = """
DROP TRIGGER insurers_no_member_operator ON breachportal_user;
DROP FUNCTION insurers_refuse_member_operator();
DROP TRIGGER insurers_no_operator_membership ON insurers_membership;
DROP FUNCTION insurers_refuse_operator_membership();
"""


class Migration(migrations.Migration):
    dependencies = (("insurers", "0002_members"), ("breachportal", "0001_initial"))
    operations = (migrations.RunSQL(CREATE, DROP),)
