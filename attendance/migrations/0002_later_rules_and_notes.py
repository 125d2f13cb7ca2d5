import django.db.models.deletion
import django.utils.timezone
import iop_clinic.accounts.constraints
import iop_clinic.accounts.fields
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0002_adult_at'),
        ('attendance', '0001_initial'),
        ('patients', '0002_certification_days'),
        ('scheduling', '0001_initial'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='WeekNote',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('reason', models.CharField(choices=[('illness', 'Illness or medical care'), ('court', 'Court or custody'), ('work', 'Work'), ('family', 'Childcare or family'), ('transport', 'Transport'), ('clinic', 'The clinic cancelled or could not offer the hours'), ('declined', 'The patient declined'), ('unknown', 'Not known: the patient was not reached'), ('other', 'Other')], max_length=10)),
                ('detail', models.CharField(blank=True, max_length=300)),
                ('make_up_offered', models.CharField(help_text='Which make-up, or why none.', max_length=300)),
                ('written_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('version', models.PositiveIntegerField(default=1)),
                ('clinic', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='accounts.clinic')),
                ('flag', iop_clinic.accounts.fields.ClinicForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='week_notes', to='attendance.flag')),
                ('written_by', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'abstract': False,
                'constraints': [models.UniqueConstraint(fields=('clinic', 'id'), name='weeknote_clinic_id_key'), iop_clinic.accounts.constraints.Audited(hidden=[], name='weeknote_audit'), iop_clinic.accounts.constraints.SameClinic(field='flag', name='weeknote_flag_same_clinic', violation_error_message='The flag belongs to another clinic or does not exist.'), models.UniqueConstraint(fields=('clinic', 'flag'), name='weeknote_one_per_case', violation_error_message='This week already has a note.'), models.CheckConstraint(condition=models.Q(models.Q(('reason', 'other'), _negated=True), models.Q(('detail', ''), _negated=True), _connector='OR'), name='weeknote_other_has_detail', violation_error_message='Say what the other reason is.')],
            },
        ),
        migrations.RemoveConstraint(
            model_name='absencerule',
            name='absencerule_window_holds_times',
        ),
        migrations.RemoveConstraint(
            model_name='flag',
            name='flag_subject_is_its_key',
        ),
        migrations.AddField(
            model_name='flag',
            name='escalated_at',
            field=models.DateTimeField(blank=True, help_text='When it went to the next role, being overdue.', null=True),
        ),
        migrations.AddField(
            model_name='flag',
            name='group',
            field=iop_clinic.accounts.fields.ClinicForeignKey(blank=True, db_constraint=False, db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='flags', to='scheduling.group'),
        ),
        migrations.AddField(
            model_name='flag',
            name='therapist',
            field=iop_clinic.accounts.fields.ClinicForeignKey(blank=True, db_constraint=False, db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='flags', to='accounts.therapist'),
        ),
        migrations.AddField(
            model_name='weekresult',
            name='void',
            field=models.BooleanField(default=False, help_text='An amendment that takes back a part of a week nobody judges now.'),
        ),
        migrations.AlterField(
            model_name='absencerule',
            name='kind',
            field=models.PositiveSmallIntegerField(choices=[(1, 'Short of weekly hours'), (2, 'Missed day without a call'), (3, 'Consecutive unexcused treatment days'), (4, 'Unexcused days in a window'), (5, 'Roster not recorded'), (6, "Below the plan's weekly target"), (7, 'Over the weekly maximum'), (8, 'Too few qualifying days'), (9, 'Came, but left short of a qualifying day'), (10, 'Missed so many of the last treatment days'), (11, 'Attended less than a share of the days in a window'), (12, 'Late so often in a window'), (13, 'Excused so often in a window'), (14, 'Nothing heard or seen for so many days'), (15, 'Missed a day soon after the first session'), (16, 'Admitted, but no session yet'), (17, 'Treatment plan due'), (18, 'Insurance verification due'), (19, 'Authorization ending'), (20, 'Certification due'), (21, 'License ending'), (22, 'Caseload over the limit'), (23, 'Group under its viable size'), (24, "Next week's timetable cannot reach the minimum"), (25, 'Birthday crosses the age bracket')]),
        ),
        migrations.AlterField(
            model_name='flag',
            name='rule',
            field=models.PositiveSmallIntegerField(choices=[(1, 'Short of weekly hours'), (2, 'Missed day without a call'), (3, 'Consecutive unexcused treatment days'), (4, 'Unexcused days in a window'), (5, 'Roster not recorded'), (6, "Below the plan's weekly target"), (7, 'Over the weekly maximum'), (8, 'Too few qualifying days'), (9, 'Came, but left short of a qualifying day'), (10, 'Missed so many of the last treatment days'), (11, 'Attended less than a share of the days in a window'), (12, 'Late so often in a window'), (13, 'Excused so often in a window'), (14, 'Nothing heard or seen for so many days'), (15, 'Missed a day soon after the first session'), (16, 'Admitted, but no session yet'), (17, 'Treatment plan due'), (18, 'Insurance verification due'), (19, 'Authorization ending'), (20, 'Certification due'), (21, 'License ending'), (22, 'Caseload over the limit'), (23, 'Group under its viable size'), (24, "Next week's timetable cannot reach the minimum"), (25, 'Birthday crosses the age bracket')]),
        ),
        migrations.AlterField(
            model_name='flag',
            name='subject_type',
            field=models.PositiveSmallIntegerField(choices=[(1, 'Patient'), (2, 'Session'), (3, 'Group'), (4, 'Therapist')]),
        ),
        migrations.AddConstraint(
            model_name='absencerule',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('kind__in', [4, 10, 12, 13]), _negated=True), ('window_days__gte', models.F('times')), _connector='OR'), name='absencerule_window_holds_times', violation_error_message='The window must hold at least that many days.'),
        ),
        migrations.AddConstraint(
            model_name='absencerule',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('kind__in', [11, 15]), _negated=True), ('window_days__gte', 1), _connector='OR'), name='absencerule_window_needed', violation_error_message='The window must be at least one day.'),
        ),
        migrations.AddConstraint(
            model_name='absencerule',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('kind', 11), _negated=True), ('times__lte', 100), _connector='OR'), name='absencerule_percent_within_100', violation_error_message='A share is at most 100 percent.'),
        ),
        migrations.AddConstraint(
            model_name='flag',
            constraint=iop_clinic.accounts.constraints.SameClinic(field='group', name='flag_group_same_clinic', violation_error_message='The group belongs to another clinic or does not exist.'),
        ),
        migrations.AddConstraint(
            model_name='flag',
            constraint=iop_clinic.accounts.constraints.SameClinic(field='therapist', name='flag_therapist_same_clinic', violation_error_message='The therapist belongs to another clinic or does not exist.'),
        ),
        migrations.AddConstraint(
            model_name='flag',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('episode', models.F('subject_id')), ('episode__isnull', False), ('subject_type', 1)), models.Q(('session', models.F('subject_id')), ('session__isnull', False), ('subject_type', 2)), models.Q(('group', models.F('subject_id')), ('group__isnull', False), ('subject_type', 3)), models.Q(('subject_type', 4), ('therapist', models.F('subject_id')), ('therapist__isnull', False)), _connector='OR'), name='flag_subject_is_its_key'),
        ),
    ]
