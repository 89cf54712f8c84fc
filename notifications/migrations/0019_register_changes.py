"""Keep the whole line of an insurer in its sum, and mark it when its lists or campaigns change.

Each change adds a mark of its own, in its transaction: nobody waits for another to mark, and
whoever sums up takes only the marks that were committed before it read.
"""

import django.db.models.deletion
from django.db import migrations, models


CREATE = """
CREATE FUNCTION notifications_mark_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO notifications_registerchange (breach_id, insurer_id)
    VALUES (NEW.breach_id, NEW.insurer_id);
    RETURN NULL;
END $$;

CREATE TRIGGER notifications_mark_new_list AFTER INSERT ON insurers_affectedlist
    FOR EACH ROW WHEN (NEW.state IN ('accepted', 'withdrawing', 'withdrawn'))
    EXECUTE FUNCTION notifications_mark_change();
CREATE TRIGGER notifications_mark_list AFTER UPDATE ON insurers_affectedlist
    FOR EACH ROW WHEN (
        (OLD.state IN ('accepted', 'withdrawing', 'withdrawn')
            OR NEW.state IN ('accepted', 'withdrawing', 'withdrawn'))
        AND (OLD.state, OLD.effect, OLD.members, OLD.members_uncounted, OLD.rows,
            OLD.rows_rejected, OLD.corrects_id) IS DISTINCT FROM
            (NEW.state, NEW.effect, NEW.members, NEW.members_uncounted, NEW.rows,
            NEW.rows_rejected, NEW.corrects_id)
    ) EXECUTE FUNCTION notifications_mark_change();
CREATE TRIGGER notifications_mark_new_campaign AFTER INSERT ON notifications_campaign
    FOR EACH ROW EXECUTE FUNCTION notifications_mark_change();
CREATE TRIGGER notifications_mark_campaign AFTER UPDATE ON notifications_campaign
    FOR EACH ROW WHEN (
        (OLD.state, OLD.kind, OLD.affected_list_id, OLD.first_message_at, OLD.last_message_at)
        IS DISTINCT FROM
        (NEW.state, NEW.kind, NEW.affected_list_id, NEW.first_message_at, NEW.last_message_at)
    ) EXECUTE FUNCTION notifications_mark_change();

DELETE FROM notifications_registersum;
INSERT INTO notifications_registerchange (breach_id, insurer_id)
SELECT breach_id, insurer_id FROM insurers_affectedlist
    WHERE state IN ('accepted', 'withdrawing', 'withdrawn')
UNION SELECT breach_id, insurer_id FROM notifications_campaign;
"""

DROP = """
DROP TRIGGER notifications_mark_new_list ON insurers_affectedlist;
DROP TRIGGER notifications_mark_list ON insurers_affectedlist;
DROP TRIGGER notifications_mark_new_campaign ON notifications_campaign;
DROP TRIGGER notifications_mark_campaign ON notifications_campaign;
DROP FUNCTION notifications_mark_change();
"""


class Migration(migrations.Migration):

    dependencies = [
        ('insurers', '0005_closing'),
        ('notifications', '0018_rights'),
    ]

    operations = [
        migrations.AddField(
            model_name='registersum',
            name='cancelled',
            field=models.BigIntegerField(default=0),
        ),
        migrations.AddField(
            model_name='registersum',
            name='exempt',
            field=models.BigIntegerField(default=0),
        ),
        migrations.AddField(
            model_name='registersum',
            name='first_message_at',
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name='registersum',
            name='in_progress',
            field=models.BigIntegerField(default=0),
        ),
        migrations.AddField(
            model_name='registersum',
            name='last_message_at',
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name='registersum',
            name='lists',
            field=models.IntegerField(default=0),
        ),
        migrations.AddField(
            model_name='registersum',
            name='rows_rejected',
            field=models.BigIntegerField(default=0),
        ),
        migrations.AddField(
            model_name='registersum',
            name='told',
            field=models.BigIntegerField(default=0),
        ),
        migrations.AddField(
            model_name='registersum',
            name='told_already',
            field=models.BigIntegerField(default=0),
        ),
        migrations.AddField(
            model_name='registersum',
            name='unreachable',
            field=models.BigIntegerField(default=0),
        ),
        migrations.CreateModel(
            name='RegisterChange',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('breach', models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='insurers.breach')),
                ('insurer', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='insurers.insurer')),
            ],
        ),
        migrations.RunSQL(CREATE, DROP),
    ]
