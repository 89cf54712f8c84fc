"""Create the members table: partitioned by list, in a schema of the worker's own.

The worker owns it so that it can COPY a list into a stand-alone table, index it, then attach
it as a partition, and drop it at a purge. Nobody else has a right on it.
"""

from django.db import migrations

CREATE = """
SET ROLE breachportal_worker;
CREATE TABLE members.affected_member (
    list_id integer NOT NULL,
    ordinal integer NOT NULL,
    key_version smallint NOT NULL,
    contact_flags smallint NOT NULL,
    name_tag integer NOT NULL,
    fingerprint uuid NOT NULL,
    email_fingerprint uuid,
    phone_fingerprint uuid,
    contact bytea,
    PRIMARY KEY (list_id, ordinal)
) PARTITION BY LIST (list_id);
CREATE INDEX affected_member_fingerprint ON members.affected_member (fingerprint);
RESET ROLE;
"""

DROP = """
SET ROLE breachportal_worker;
DROP TABLE members.affected_member;
RESET ROLE;
"""


class Migration(migrations.Migration):
    dependencies = (("insurers", "0001_initial"),)
    operations = (migrations.RunSQL(CREATE, DROP),)
