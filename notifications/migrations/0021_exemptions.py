"""Keep exemptions of Article 34(3), and mark the line of an insurer whose exemptions change."""


import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


MARK = """
CREATE TRIGGER notifications_mark_new_exemption AFTER INSERT ON notifications_exemption
    FOR EACH ROW EXECUTE FUNCTION notifications_mark_change();
CREATE TRIGGER notifications_mark_exemption AFTER UPDATE ON notifications_exemption
    FOR EACH ROW WHEN ((OLD.state, OLD.ground, OLD.affected_list_id) IS DISTINCT FROM
        (NEW.state, NEW.ground, NEW.affected_list_id))
    EXECUTE FUNCTION notifications_mark_change();
"""

UNMARK = """
DROP TRIGGER notifications_mark_new_exemption ON notifications_exemption;
DROP TRIGGER notifications_mark_exemption ON notifications_exemption;
"""


class Migration(migrations.Migration):

    dependencies = [
        ('insurers', '0005_closing'),
        ('notifications', '0020_acceptance_fingerprint'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='Exemption',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('ground', models.CharField(choices=[('art_34_3_a', 'les données sont incompréhensibles pour qui les a prises (art. 34, § 3, a)'), ('art_34_3_b', 'des mesures prises depuis ont écarté le risque élevé (art. 34, § 3, b)'), ('art_34_3_c', 'écrire à chacun exigerait des efforts disproportionnés : communication publique à la place (art. 34, § 3, c)')], max_length=15, verbose_name='motif légal')),
                ('justification', models.TextField(verbose_name='justification')),
                ('sha256', models.BinaryField(verbose_name='empreinte de ce qui est approuvé')),
                ('state', models.CharField(choices=[('submitted', 'à approuver'), ('returned', 'renvoyée'), ('standing', 'en vigueur'), ('lift_asked', 'en vigueur, levée à approuver'), ('lifted', 'levée')], max_length=15, verbose_name='état')),
                ('submitted_at', models.DateTimeField(verbose_name='soumise le')),
                ('approved_at', models.DateTimeField(null=True, verbose_name='approuvée le')),
                ('return_comment', models.TextField(blank=True, verbose_name='motif du renvoi')),
                ('lift_reason', models.TextField(blank=True, verbose_name='motif de la levée')),
                ('lift_asked_at', models.DateTimeField(null=True, verbose_name='levée demandée le')),
                ('lifted_at', models.DateTimeField(null=True, verbose_name='levée le')),
                ('affected_list', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='exemptions', to='insurers.affectedlist')),
                ('approved_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('breach', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='insurers.breach')),
                ('insurer', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='insurers.insurer')),
                ('lift_asked_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('lifted_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('submitted_by', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'verbose_name': 'dispense',
                'ordering': ('-submitted_at', '-pk'),
                'constraints': [models.UniqueConstraint(condition=models.Q(('state__in', ('submitted', 'standing', 'lift_asked'))), fields=('affected_list',), name='one_open_exemption_per_list'), models.CheckConstraint(condition=models.Q(('approved_by', None), models.Q(('approved_by', models.F('submitted_by')), _negated=True), _connector='OR'), name='exemption_approved_by_another_person'), models.CheckConstraint(condition=models.Q(('state__in', ('submitted', 'returned')), models.Q(('approved_at__isnull', False), ('approved_by__isnull', False)), _connector='OR'), name='nobody_exempt_without_approval'), models.CheckConstraint(condition=models.Q(models.Q(('state', 'lift_asked'), _negated=True), models.Q(('lift_asked_at__isnull', False), ('lift_asked_by__isnull', False), models.Q(('lift_reason', ''), _negated=True)), _connector='OR'), name='a_lift_has_a_reason'), models.CheckConstraint(condition=models.Q(models.Q(('state', 'lifted'), _negated=True), models.Q(('lift_asked_by__isnull', False), ('lifted_at__isnull', False), ('lifted_by__isnull', False), models.Q(('lifted_by', models.F('lift_asked_by')), _negated=True), models.Q(('lift_reason', ''), _negated=True)), _connector='OR'), name='exemption_lifted_by_another_person'), models.CheckConstraint(condition=models.Q(('justification', ''), _negated=True), name='an_exemption_has_a_justification')],
            },
        ),
        migrations.RunSQL(MARK, UNMARK),
    ]
