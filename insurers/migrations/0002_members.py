"""Create the members table, partitioned by list, and the marks on members, in the worker's schema.

The worker owns them so that it can COPY a list into a stand-alone table, index it, then
attach it as a partition, and drop it at a purge. Nobody else has a right on them.
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
CREATE TABLE members.listing_mark (
    list_id integer NOT NULL,
    ordinal integer NOT NULL,
    is_counted boolean NOT NULL DEFAULT true,
    ended varchar(10) NOT NULL DEFAULT '',
    is_stale boolean NOT NULL DEFAULT true,
    PRIMARY KEY (list_id, ordinal)
);
CREATE INDEX stale_marks ON members.listing_mark (list_id, ordinal) WHERE is_stale;
RESET ROLE;
-- Hashes have no pattern: to try to compress them costs as much as to store them.
ALTER TABLE insurers_listblock ALTER member_hashes SET STORAGE EXTERNAL,
    ALTER address_hashes SET STORAGE EXTERNAL;
"""

DROP = """
SET ROLE breachportal_worker;
DROP TABLE members.listing_mark;
DROP TABLE members.affected_member;
RESET ROLE;
"""


class Migration(migrations.Migration):
    dependencies = (("insurers", "0001_initial"),)
    operations = (migrations.RunSQL(CREATE, DROP),)
