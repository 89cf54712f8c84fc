"""What the DNS says of senders, public statements, and views of what everybody may read of both.

A view reads as its owner: everybody sees these columns of these rows, whatever the policies of the
tables say, and nothing else of them.
"""

from django.db import migrations

SENDERS = """
CREATE VIEW notifications_declaredsender WITH (security_barrier = true) AS
SELECT i.id, i.insurer_id, i.from_name, coalesce(c.outcome, '') AS outcome, c.findings, c.checked_at,
    coalesce(c.from_domain, lower(split_part(i.from_address, '@', 2))) AS from_domain
FROM notifications_sendingidentity i
LEFT JOIN notifications_sendercheck c ON c.identity_id = i.id
WHERE i.state = 'approved'
"""
# The name in front of the portal's own address is the controller's.
NAMES = """
CREATE VIEW notifications_declaredname WITH (security_barrier = true) AS
SELECT insurer_id, 'sms' AS channel, plan -> 'sms' ->> 'sender' AS name
FROM notifications_campaign
WHERE approved_at IS NOT NULL AND plan -> 'sms' ->> 'sender' <> ''
UNION
SELECT insurer_id, 'domain', sender_standing ->> 'domain'
FROM notifications_campaign WHERE approved_at IS NOT NULL AND sender_standing ->> 'domain' <> ''
UNION
SELECT c.insurer_id, 'email', v.content ->> 'controller_name'
FROM notifications_campaign c JOIN notifications_noticeversion v ON v.id = c.notice_version_id
WHERE c.approved_at IS NOT NULL AND v.content ->> 'controller_name' <> '' AND NOT EXISTS (
    SELECT FROM notifications_sendingidentity i
    WHERE i.insurer_id = c.insurer_id AND i.state = 'approved'
)
"""
STATEMENTS = """
CREATE VIEW notifications_publishedstatement WITH (security_barrier = true) AS
SELECT p.id, p.insurer_id, s.breach_id, v.number, v.content, v.sha256, p.decided_at AS published_at
FROM notifications_publication p
JOIN notifications_statement s ON s.id = p.statement_id
JOIN notifications_statementversion v ON v.id = p.version_id
WHERE p.state = 'published'
"""


class Migration(migrations.Migration):
    dependencies = (("notifications", "0005_find_reference"),)
    operations = (
        migrations.RunSQL(SENDERS, "DROP VIEW notifications_declaredsender"),
        migrations.RunSQL(NAMES, "DROP VIEW notifications_declaredname"),
        migrations.RunSQL(STATEMENTS, "DROP VIEW notifications_publishedstatement"),
    )
