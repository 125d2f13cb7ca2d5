import attendance.models.records
import django.contrib.postgres.constraints
import django.db.models.constraints
import django.db.models.deletion
import django.db.models.functions.comparison
import django.utils.timezone
import iop_clinic.accounts.constraints
import iop_clinic.accounts.fields
import patients.validators
import uuid
from django.conf import settings
from django.db import migrations, models

from attendance.migrations import _functions as functions


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('accounts', '0001_initial'),
        ('accounts', '__first__'),
        ('patients', '0001_initial'),
        ('scheduling', '0001_initial'),
    ]

    operations = [
        migrations.RunSQL(functions.CREATE, functions.DROP),
        migrations.CreateModel(
            name='JobTick',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=20, unique=True)),
                ('at', models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name='Flag',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('public_id', models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                ('rule', models.PositiveSmallIntegerField(choices=[(1, 'Short of weekly hours'), (2, 'Missed day without a call'), (3, 'Consecutive unexcused treatment days'), (4, 'Unexcused days in a window'), (5, 'Roster not recorded')])),
                ('subject_type', models.PositiveSmallIntegerField(choices=[(1, 'Patient'), (2, 'Session')])),
                ('subject_id', models.BigIntegerField()),
                ('evidence_key', models.CharField(max_length=60)),
                ('evidence', models.JSONField(default=dict)),
                ('sentence', models.CharField(help_text='What happened, with the numbers.', max_length=300)),
                ('state', models.CharField(choices=[('open', 'Open'), ('acknowledged', 'Acknowledged'), ('in_outreach', 'In outreach'), ('snoozed', 'Snoozed'), ('closed', 'Closed'), ('lapsed', 'Lapsed, not worked')], default='open', max_length=12)),
                ('severity', models.PositiveSmallIntegerField(choices=[(1, 'Notice'), (2, 'Watch'), (3, 'Act today'), (4, 'Urgent')])),
                ('owner_role', models.CharField(choices=[('administrator', 'Administrator'), ('coordinator', 'Coordinator'), ('front_desk', 'Front desk'), ('therapist', 'Therapist'), ('utilization_review', 'Utilization review'), ('auditor', 'Auditor')], max_length=20)),
                ('opened_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('opened_for', models.DateField(help_text='The local date whose facts opened it.')),
                ('due_at', models.DateTimeField()),
                ('snoozed_until', models.DateField(blank=True, null=True)),
                ('closed_at', models.DateTimeField(blank=True, null=True)),
                ('outcome', models.CharField(blank=True, choices=[('reached', 'Reached, coming back'), ('make_up', 'Make-up booked'), ('excused', 'Excused after review'), ('plan_changed', 'Plan changed'), ('discharged', 'Discharged'), ('not_reached', 'Not reached after every step'), ('recorded', 'Roster recorded'), ('facts', 'Closed by facts'), ('other', 'Other')], max_length=14)),
                ('outcome_note', models.CharField(blank=True, max_length=300)),
                ('closed_by_facts', models.BooleanField(default=False)),
                ('changed_at', models.DateTimeField(default=django.utils.timezone.now, help_text='Last change of the facts.')),
                ('version', models.PositiveIntegerField(default=1)),
                ('clinic', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='accounts.clinic')),
                ('episode', iop_clinic.accounts.fields.ClinicForeignKey(blank=True, db_constraint=False, db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='flags', to='patients.episode')),
                ('owner', models.ForeignKey(blank=True, db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('session', iop_clinic.accounts.fields.ClinicForeignKey(blank=True, db_constraint=False, db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='flags', to='scheduling.session')),
            ],
            options={
                'verbose_name': 'case',
                'ordering': ('-severity', 'due_at', 'id'),
                'abstract': False,
                'constraints': [models.UniqueConstraint(fields=('clinic', 'id'), name='flag_clinic_id_key'), iop_clinic.accounts.constraints.Audited(hidden=[], name='flag_audit'), iop_clinic.accounts.constraints.SameClinic(field='episode', name='flag_episode_same_clinic', violation_error_message='The episode belongs to another clinic or does not exist.'), iop_clinic.accounts.constraints.SameClinic(field='session', name='flag_session_same_clinic', violation_error_message='The session belongs to another clinic or does not exist.'), models.UniqueConstraint(fields=('clinic', 'rule', 'subject_type', 'subject_id', 'evidence_key'), name='flag_once_per_evidence', violation_error_code='duplicate_case', violation_error_message='This evidence already has a case.'), models.CheckConstraint(condition=models.Q(models.Q(('episode', models.F('subject_id')), ('episode__isnull', False), ('subject_type', 1)), models.Q(('session', models.F('subject_id')), ('session__isnull', False), ('subject_type', 2)), _connector='OR'), name='flag_subject_is_its_key'), models.CheckConstraint(condition=models.Q(('state__in', ['open', 'acknowledged', 'in_outreach', 'snoozed', 'closed', 'lapsed'])), name='flag_state_known'), models.CheckConstraint(condition=models.Q(models.Q(('closed_at__isnull', False), ('state', 'closed'), models.Q(('outcome', ''), _negated=True)), models.Q(('closed_at__isnull', False), ('state', 'lapsed')), models.Q(models.Q(('state__in', ['closed', 'lapsed']), _negated=True), ('closed_at__isnull', True), ('outcome', '')), _connector='OR'), name='flag_closed_has_outcome', violation_error_code='outcome_required', violation_error_message='A case is closed with an outcome.'), models.CheckConstraint(condition=models.Q(models.Q(('state', 'snoozed'), _negated=True), ('snoozed_until__isnull', False), _connector='OR'), name='flag_snoozed_until_a_date', violation_error_message='A snoozed case needs a date.')],
            },
        ),
        migrations.CreateModel(
            name='NightlyRun',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('local_date', models.DateField(help_text='The day that is judged.')),
                ('state', models.CharField(choices=[('claimed', 'Claimed'), ('evaluated', 'Evaluated'), ('finished', 'Finished'), ('failed', 'Failed')], default='claimed', max_length=10)),
                ('attempts', models.PositiveSmallIntegerField(default=1)),
                ('lease_until', models.DateTimeField()),
                ('started_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('finished_at', models.DateTimeField(blank=True, null=True)),
                ('counts', models.JSONField(default=dict)),
                ('findings', models.JSONField(default=list)),
                ('error', models.CharField(blank=True, help_text='Exception class, no values.', max_length=200)),
                ('clinic', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='accounts.clinic')),
            ],
            options={
                'ordering': ('-local_date',),
                'abstract': False,
                'constraints': [models.UniqueConstraint(fields=('clinic', 'id'), name='nightlyrun_clinic_id_key'), models.UniqueConstraint(fields=('clinic', 'local_date'), name='nightlyrun_once_per_night'), models.CheckConstraint(condition=models.Q(models.Q(('state', 'finished'), _negated=True), ('finished_at__isnull', False), _connector='OR'), name='nightlyrun_finished_has_time')],
            },
        ),
        migrations.CreateModel(
            name='ComplianceReport',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(choices=[('nightly', 'Nightly'), ('weekly', 'Weekly')], default='nightly', max_length=8)),
                ('local_date', models.DateField()),
                ('content', models.JSONField(help_text='Counts and links; never an identity (R15).')),
                ('built_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('clinic', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='accounts.clinic')),
                ('therapist', iop_clinic.accounts.fields.ClinicForeignKey(blank=True, db_constraint=False, db_index=False, help_text='Empty: the whole clinic.', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='accounts.therapist')),
                ('run', iop_clinic.accounts.fields.ClinicForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='reports', to='attendance.nightlyrun')),
            ],
            options={
                'ordering': ('-local_date', 'id'),
                'abstract': False,
                'constraints': [models.UniqueConstraint(fields=('clinic', 'id'), name='compliancereport_clinic_id_key'), iop_clinic.accounts.constraints.SameClinic(field='run', name='compliancereport_run_same_clinic', violation_error_message='The run belongs to another clinic or does not exist.'), iop_clinic.accounts.constraints.SameClinic(field='therapist', name='compliancereport_therapist_same_clinic', violation_error_message='The therapist belongs to another clinic or does not exist.'), models.UniqueConstraint(fields=('run', 'kind', 'therapist'), name='compliancereport_once_per_scope', nulls_distinct=False)],
            },
        ),
        migrations.CreateModel(
            name='OutreachAttempt',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('method', models.CharField(choices=[('call', 'Call'), ('voicemail', 'Voicemail'), ('text', 'Text message'), ('emergency_contact', 'Emergency contact'), ('in_person', 'In person')], max_length=20)),
                ('result', models.CharField(choices=[('reached', 'Reached'), ('no_answer', 'No answer'), ('left_message', 'Left a message'), ('wrong_number', 'Wrong number'), ('declined', 'Declined to talk')], max_length=14)),
                ('note', models.TextField(blank=True)),
                ('next_step', models.CharField(blank=True, max_length=200)),
                ('attempted_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('attempted_by', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('clinic', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='accounts.clinic')),
                ('episode', iop_clinic.accounts.fields.ClinicForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='outreach', to='patients.episode')),
                ('flag', iop_clinic.accounts.fields.ClinicForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='outreach', to='attendance.flag')),
            ],
            options={
                'ordering': ('-attempted_at',),
                'abstract': False,
                'constraints': [models.UniqueConstraint(fields=('clinic', 'id'), name='outreachattempt_clinic_id_key'), iop_clinic.accounts.constraints.Audited(hidden=[], name='outreachattempt_audit'), iop_clinic.accounts.constraints.SameClinic(field='flag', name='outreachattempt_flag_same_clinic', violation_error_message='The flag belongs to another clinic or does not exist.'), iop_clinic.accounts.constraints.SameClinic(field='episode', name='outreachattempt_episode_same_clinic', violation_error_message='The episode belongs to another clinic or does not exist.')],
            },
        ),
        migrations.CreateModel(
            name='ReportDelivery',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('state', models.CharField(choices=[('pending', 'Pending'), ('sending', 'Sending'), ('sent', 'Sent'), ('failed', 'Failed'), ('dropped', 'Not sent: no longer a recipient')], default='pending', max_length=8)),
                ('attempts', models.PositiveSmallIntegerField(default=0)),
                ('due_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('lease_until', models.DateTimeField(blank=True, null=True)),
                ('message_id', models.CharField(max_length=120, unique=True)),
                ('sent_at', models.DateTimeField(blank=True, null=True)),
                ('error', models.CharField(blank=True, help_text='SMTP code or exception class.', max_length=120)),
                ('clinic', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='accounts.clinic')),
                ('recipient', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('report', iop_clinic.accounts.fields.ClinicForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='deliveries', to='attendance.compliancereport')),
            ],
            options={
                'verbose_name_plural': 'report deliveries',
                'ordering': ('-due_at',),
                'abstract': False,
                'constraints': [models.UniqueConstraint(fields=('clinic', 'id'), name='reportdelivery_clinic_id_key'), iop_clinic.accounts.constraints.SameClinic(field='report', name='reportdelivery_report_same_clinic', violation_error_message='The report belongs to another clinic or does not exist.'), models.UniqueConstraint(fields=('report', 'recipient'), name='reportdelivery_once_per_recipient'), models.CheckConstraint(condition=models.Q(('attempts__lte', 6)), name='reportdelivery_attempts_at_most_6'), models.CheckConstraint(condition=models.Q(models.Q(('state', 'sending'), _negated=True), ('lease_until__isnull', False), _connector='OR'), name='reportdelivery_sending_has_lease'), models.CheckConstraint(condition=models.Q(models.Q(('state', 'sent'), _negated=True), ('sent_at__isnull', False), _connector='OR'), name='reportdelivery_sent_has_time')],
            },
        ),
        migrations.CreateModel(
            name='Standard',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=80)),
                ('kind', models.PositiveSmallIntegerField(choices=[(1, 'Weekly hours and days')], default=1)),
                ('source', models.PositiveSmallIntegerField(choices=[(1, 'Program'), (2, 'Payer'), (3, 'Court')], default=1)),
                ('level', models.PositiveSmallIntegerField(choices=[(1, 'OP 1'), (2, 'IOP 2.1'), (3, 'PHP 2.5')], default=2)),
                ('age_bracket', models.PositiveSmallIntegerField(choices=[(1, 'adult'), (2, 'adolescent')], default=1)),
                ('min_minutes', models.PositiveSmallIntegerField(default=540)),
                ('max_minutes', models.PositiveSmallIntegerField(blank=True, default=1200, null=True)),
                ('day_threshold', models.PositiveSmallIntegerField(default=180, help_text='Minutes that make a qualifying day (R4).')),
                ('min_days', models.PositiveSmallIntegerField(default=3)),
                ('services_per_day', models.PositiveSmallIntegerField(default=0, help_text='0: not counted (R6).')),
                ('basis', models.CharField(choices=[('scheduled', 'Scheduled'), ('attended', 'Attended'), ('credited', 'Credited')], default='credited', max_length=10)),
                ('counted_types', models.JSONField(blank=True, default=list, help_text='Ids of the session types that count; empty: all.')),
                ('week_starts_on', models.PositiveSmallIntegerField(choices=[(0, 'Monday'), (1, 'Tuesday'), (2, 'Wednesday'), (3, 'Thursday'), (4, 'Friday'), (5, 'Saturday'), (6, 'Sunday')], default=0)),
                ('prorate', models.BooleanField(default=True)),
                ('starts_on', models.DateField(validators=[patients.validators.validate_clinical_date])),
                ('ends_on', models.DateField(blank=True, null=True)),
                ('clinic', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='accounts.clinic')),
                ('payer', iop_clinic.accounts.fields.ClinicForeignKey(blank=True, db_constraint=False, db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='patients.payer')),
                ('program', iop_clinic.accounts.fields.ClinicForeignKey(blank=True, db_constraint=False, db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='patients.program')),
            ],
            options={
                'ordering': ('source', 'level', 'age_bracket', '-starts_on'),
                'abstract': False,
                'constraints': [models.UniqueConstraint(fields=('clinic', 'id'), name='standard_clinic_id_key'), iop_clinic.accounts.constraints.Audited(hidden=[], name='standard_audit'), iop_clinic.accounts.constraints.SameClinic(field='program', name='standard_program_same_clinic', violation_error_message='The program belongs to another clinic or does not exist.'), iop_clinic.accounts.constraints.SameClinic(field='payer', name='standard_payer_same_clinic', violation_error_message='The payer belongs to another clinic or does not exist.'), models.CheckConstraint(condition=models.Q(('max_minutes__isnull', True), ('max_minutes__gte', models.F('min_minutes')), _connector='OR'), name='standard_minimum_within_maximum', violation_error_message='The minimum lies over the maximum.'), models.CheckConstraint(condition=models.Q(('min_days__lte', 7)), name='standard_days_0_to_7', violation_error_message='A week has at most 7 days.'), models.CheckConstraint(condition=models.Q(('ends_on__isnull', True), ('ends_on__gte', models.F('starts_on')), _connector='OR'), name='standard_ends_after_start', violation_error_message='The standard ends before it starts.'), models.CheckConstraint(condition=models.Q(('payer__isnull', True), ('source', 2), _connector='OR'), name='standard_payer_matches_source', violation_error_message="Only a payer's standard names a payer."), models.CheckConstraint(condition=models.Q(('source', 1), ('prorate', False), _connector='OR'), name='standard_proration_is_the_programs', violation_error_message='Payers and courts see the unreduced figure.'), django.contrib.postgres.constraints.ExclusionConstraint(deferrable=django.db.models.constraints.Deferrable['IMMEDIATE'], expressions=[(iop_clinic.accounts.constraints.SameValue('clinic'), '&&'), (iop_clinic.accounts.constraints.SameValue('kind'), '&&'), (iop_clinic.accounts.constraints.SameValue('source'), '&&'), (iop_clinic.accounts.constraints.SameValue(django.db.models.functions.comparison.Coalesce(models.F('program'), 0)), '&&'), (iop_clinic.accounts.constraints.SameValue(django.db.models.functions.comparison.Coalesce(models.F('payer'), 0)), '&&'), (iop_clinic.accounts.constraints.SameValue('level'), '&&'), (iop_clinic.accounts.constraints.SameValue('age_bracket'), '&&'), (iop_clinic.accounts.constraints.DateSpan(), '&&')], name='standard_no_overlap', violation_error_code='standard_overlap', violation_error_message='Another standard of this source, level and bracket covers these dates.'), iop_clinic.accounts.constraints.Trigger(events='BEFORE UPDATE OR DELETE', function='attendance_standard_immutable', name='standard_immutable', violation_error_code='standard_immutable', violation_error_message='A standard is never changed or deleted: end it after the last week judged by it and enter a new one.')],
            },
        ),
        migrations.CreateModel(
            name='WeekResult',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('week_starts_on', models.DateField()),
                ('segment_starts_on', models.DateField()),
                ('segment_ends_on', models.DateField()),
                ('amendment', models.PositiveSmallIntegerField(default=0)),
                ('minutes_status', models.CharField(choices=[('met', 'Met'), ('short', 'Short')], max_length=5)),
                ('days_status', models.CharField(choices=[('met', 'Met'), ('short', 'Short')], max_length=5)),
                ('scheduled_minutes', models.PositiveIntegerField()),
                ('attended_minutes', models.PositiveIntegerField()),
                ('credited_minutes', models.PositiveIntegerField()),
                ('judged_minutes', models.PositiveIntegerField(help_text="On the standard's basis and types.")),
                ('qualifying_days', models.PositiveSmallIntegerField()),
                ('minimum', models.PositiveSmallIntegerField()),
                ('prorated_minimum', models.PositiveSmallIntegerField()),
                ('prorated_days', models.PositiveSmallIntegerField()),
                ('over_maximum', models.BooleanField(default=False)),
                ('inputs', models.JSONField(help_text='The days, plan and reductions it was judged from.')),
                ('reason', models.CharField(blank=True, help_text='Why an amendment was made.', max_length=200)),
                ('judged_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('clinic', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='accounts.clinic')),
                ('episode', iop_clinic.accounts.fields.ClinicForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='week_results', to='patients.episode')),
                ('standard', iop_clinic.accounts.fields.ClinicForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='week_results', to='attendance.standard')),
            ],
            options={
                'ordering': ('-week_starts_on', '-amendment'),
                'abstract': False,
                'constraints': [models.UniqueConstraint(fields=('clinic', 'id'), name='weekresult_clinic_id_key'), iop_clinic.accounts.constraints.SameClinic(field='episode', name='weekresult_episode_same_clinic', violation_error_message='The episode belongs to another clinic or does not exist.'), iop_clinic.accounts.constraints.SameClinic(field='standard', name='weekresult_standard_same_clinic', violation_error_message='The standard belongs to another clinic or does not exist.'), models.UniqueConstraint(fields=('clinic', 'episode', 'standard', 'segment_starts_on', 'amendment'), name='weekresult_amendment_unique'), iop_clinic.accounts.constraints.Trigger(events='BEFORE UPDATE OR DELETE', function='iop_append_only', name='weekresult_insert_only', violation_error_message="A week's result is never changed: add an amendment.")],
            },
        ),
        migrations.CreateModel(
            name='AbsenceRule',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.PositiveSmallIntegerField(choices=[(1, 'Short of weekly hours'), (2, 'Missed day without a call'), (3, 'Consecutive unexcused treatment days'), (4, 'Unexcused days in a window'), (5, 'Roster not recorded')])),
                ('times', models.PositiveSmallIntegerField(default=1, verbose_name='n')),
                ('window_days', models.PositiveSmallIntegerField(default=0, verbose_name='in so many days')),
                ('severity', models.PositiveSmallIntegerField(choices=[(1, 'Notice'), (2, 'Watch'), (3, 'Act today'), (4, 'Urgent')], default=3)),
                ('owner_role', models.CharField(choices=[('administrator', 'Administrator'), ('coordinator', 'Coordinator'), ('front_desk', 'Front desk'), ('therapist', 'Therapist'), ('utilization_review', 'Utilization review'), ('auditor', 'Auditor')], default='coordinator', help_text="Therapist means the patient's primary therapist.", max_length=20)),
                ('due', models.CharField(choices=[('same_day', 'The business day it opens'), ('hours', 'So many hours after it opens'), ('business_days', 'So many business days after it opens')], default='same_day', max_length=14)),
                ('due_amount', models.PositiveSmallIntegerField(default=0)),
                ('starts_on', models.DateField(validators=[patients.validators.validate_clinical_date])),
                ('ends_on', models.DateField(blank=True, null=True)),
                ('clinic', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='accounts.clinic')),
            ],
            options={
                'ordering': ('kind', '-starts_on'),
                'abstract': False,
                'constraints': [models.UniqueConstraint(fields=('clinic', 'id'), name='absencerule_clinic_id_key'), iop_clinic.accounts.constraints.Audited(hidden=[], name='absencerule_audit'), models.CheckConstraint(condition=models.Q(('times__gte', 1)), name='absencerule_times_positive', violation_error_message='A rule needs at least one day.'), models.CheckConstraint(condition=models.Q(models.Q(('kind', 4), _negated=True), ('window_days__gte', models.F('times')), _connector='OR'), name='absencerule_window_holds_times', violation_error_message='The window must hold at least that many days.'), models.CheckConstraint(condition=models.Q(('ends_on__isnull', True), ('ends_on__gte', models.F('starts_on')), _connector='OR'), name='absencerule_ends_after_start', violation_error_message='The rule ends before it starts.'), django.contrib.postgres.constraints.ExclusionConstraint(expressions=[(iop_clinic.accounts.constraints.SameValue('clinic'), '&&'), (iop_clinic.accounts.constraints.SameValue('kind'), '&&'), (iop_clinic.accounts.constraints.SameValue('times'), '&&'), (iop_clinic.accounts.constraints.SameValue('window_days'), '&&'), (iop_clinic.accounts.constraints.DateSpan(), '&&')], name='absencerule_no_overlap', violation_error_message='The same rule already covers these dates.')],
            },
        ),
        migrations.CreateModel(
            name='AttendanceRecord',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('attended', models.BooleanField()),
                ('arrived_at', models.DateTimeField(blank=True, help_text='Empty: from the start.', null=True)),
                ('left_at', models.DateTimeField(blank=True, help_text='Empty: to the end.', null=True)),
                ('away', models.JSONField(blank=True, default=list)),
                ('notified_at', models.DateTimeField(blank=True, null=True)),
                ('absence_reason', models.CharField(blank=True, choices=[('illness', 'Illness'), ('medical', 'Medical appointment or surgery'), ('court', 'Court appearance'), ('bereavement', 'Bereavement'), ('childcare', 'Child or family care'), ('work', 'Work'), ('transport', 'Transport'), ('weather', 'Weather'), ('other', 'Other')], max_length=12)),
                ('proof', models.CharField(choices=[('none', 'None'), ('pending', 'Pending'), ('accepted', 'Accepted'), ('rejected', 'Rejected')], default='none', max_length=8)),
                ('excused_override', models.BooleanField(blank=True, help_text='Staff decided; empty: the rule decides.', null=True)),
                ('override_reason', models.CharField(blank=True, max_length=200)),
                ('correction_reason', models.CharField(blank=True, max_length=200)),
                ('recorded_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('source', models.CharField(choices=[('api', 'API'), ('admin', 'Admin site'), ('roster', 'Roster page'), ('paper', 'Paper sheet'), ('import', 'Import')], default='api', max_length=8)),
                ('attended_minutes', models.PositiveSmallIntegerField(default=0, editable=False)),
                ('credited_minutes', models.PositiveSmallIntegerField(default=0, editable=False)),
                ('version', models.PositiveIntegerField(default=1)),
                ('booking', models.OneToOneField(db_constraint=False, on_delete=django.db.models.deletion.PROTECT, related_name='attendance', to='scheduling.booking')),
                ('clinic', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='accounts.clinic')),
                ('recorded_by', models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'abstract': False,
                'constraints': [models.UniqueConstraint(fields=('clinic', 'id'), name='attendancerecord_clinic_id_key'), iop_clinic.accounts.constraints.Audited(hidden=[], name='attendancerecord_audit'), iop_clinic.accounts.constraints.SameClinic(field='booking', name='attendancerecord_booking_same_clinic', violation_error_message='The booking belongs to another clinic or does not exist.'), models.CheckConstraint(condition=models.Q(('left_at__isnull', True), ('arrived_at__isnull', True), ('left_at__gt', models.F('arrived_at')), _connector='OR'), name='attendancerecord_left_after_arrival', violation_error_code='departure_before_arrival', violation_error_message='The departure must be after the arrival.'), models.CheckConstraint(condition=models.Q(('attended', True), models.Q(('arrived_at__isnull', True), ('attended_minutes', 0), ('credited_minutes', 0), ('left_at__isnull', True)), _connector='OR'), name='attendancerecord_absent_has_no_presence', violation_error_code='absent_with_times', violation_error_message='An absent patient has no arrival or departure.'), models.CheckConstraint(condition=models.Q(('credited_minutes__lte', models.F('attended_minutes'))), name='attendancerecord_credit_within_attended'), models.CheckConstraint(condition=models.Q(('excused_override__isnull', True), models.Q(('override_reason', ''), _negated=True), _connector='OR'), name='attendancerecord_override_has_reason', violation_error_message='Say why the rule is overruled.'), models.CheckConstraint(condition=models.Q(('proof__in', ['none', 'pending', 'accepted', 'rejected'])), name='attendancerecord_proof_known'), iop_clinic.accounts.constraints.Trigger(events='BEFORE UPDATE OF state, live', function='attendance_attended_stays', name='booking_attended_stays', on='scheduling.Booking', violation_error_code='attendance_recorded', violation_error_message='The record says that a patient attended. Clear or correct it first.'), iop_clinic.accounts.constraints.Trigger(events='BEFORE INSERT OR UPDATE OF attended, booking_id', function='attendance_on_the_roster', name='attendancerecord_on_the_roster', violation_error_code='unknown_booking', violation_error_message='The booking is withdrawn or its session cancelled.')],
            },
        ),
        migrations.CreateModel(
            name='CreditRule',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(choices=[('exact', 'Exact minutes'), ('round_down', 'Rounded down to so many minutes a session'), ('all_or_nothing', 'Nothing under so many percent of the session')], default='exact', max_length=16)),
                ('round_to', models.PositiveSmallIntegerField(default=15, verbose_name='round down to (minutes)')),
                ('min_percent', models.PositiveSmallIntegerField(default=80, verbose_name='least percent of a session')),
                ('grace_minutes', models.PositiveSmallIntegerField(default=5)),
                ('excused_reasons', models.JSONField(blank=True, default=attendance.models.records.excused_by_default)),
                ('notice_minutes', models.PositiveIntegerField(default=1440, help_text='Notice that is in time whatever the reason (minutes).')),
                ('proof_hours', models.PositiveSmallIntegerField(default=72, help_text='How long a court-involved absence waits for proof.')),
                ('starts_on', models.DateField(validators=[patients.validators.validate_clinical_date])),
                ('ends_on', models.DateField(blank=True, null=True)),
                ('clinic', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='accounts.clinic')),
            ],
            options={
                'ordering': ('-starts_on',),
                'abstract': False,
                'constraints': [models.UniqueConstraint(fields=('clinic', 'id'), name='creditrule_clinic_id_key'), iop_clinic.accounts.constraints.Audited(hidden=[], name='creditrule_audit'), django.contrib.postgres.constraints.ExclusionConstraint(deferrable=django.db.models.constraints.Deferrable['IMMEDIATE'], expressions=[(iop_clinic.accounts.constraints.SameValue('clinic'), '&&'), (iop_clinic.accounts.constraints.DateSpan(), '&&')], name='creditrule_one_at_a_time', violation_error_message='Another credit rule covers these dates.'), models.CheckConstraint(condition=models.Q(('ends_on__isnull', True), ('ends_on__gte', models.F('starts_on')), _connector='OR'), name='creditrule_ends_after_start', violation_error_message='The rule ends before it starts.'), models.CheckConstraint(condition=models.Q(('round_to__range', (1, 60))), name='creditrule_round_to_1_to_60', violation_error_message='Round down to 1 to 60 minutes.'), models.CheckConstraint(condition=models.Q(('min_percent__range', (1, 100))), name='creditrule_percent_1_to_100', violation_error_message='The least percent lies between 1 and 100.')],
            },
        ),
        migrations.AddIndex(
            model_name='flag',
            index=models.Index(fields=['clinic', 'state', 'due_at'], name='flag_by_state'),
        ),
        migrations.AddIndex(
            model_name='flag',
            index=models.Index(fields=['clinic', 'episode'], name='flag_by_episode'),
        ),
        migrations.AddIndex(
            model_name='flag',
            index=models.Index(fields=['clinic', 'session'], name='flag_by_session'),
        ),
        migrations.AddIndex(
            model_name='outreachattempt',
            index=models.Index(fields=['clinic', 'flag'], name='outreach_by_flag'),
        ),
        migrations.AddIndex(
            model_name='outreachattempt',
            index=models.Index(fields=['clinic', 'episode'], name='outreach_by_episode'),
        ),
        migrations.AddIndex(
            model_name='reportdelivery',
            index=models.Index(condition=models.Q(('state__in', ['pending', 'sending'])), fields=['due_at'], name='delivery_to_send'),
        ),
        migrations.AddIndex(
            model_name='weekresult',
            index=models.Index(fields=['clinic', 'week_starts_on'], name='weekresult_by_week'),
        ),
    ]
