import django.contrib.postgres.constraints
import django.db.models.constraints
import django.db.models.deletion
import django.db.models.functions.text
import iop_clinic.accounts.constraints
import iop_clinic.accounts.fields
import patients.validators
import uuid
from django.db import migrations, models

from patients.migrations import _functions as functions


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('accounts', '0001_initial'),
    ]

    operations = [
        migrations.RunSQL(functions.CREATE, functions.DROP),
        migrations.CreateModel(
            name='Patient',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('public_id', models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                ('record_number', models.CharField(max_length=30)),
                ('first_name', models.CharField(max_length=60)),
                ('last_name', models.CharField(max_length=60)),
                ('preferred_name', models.CharField(blank=True, max_length=60)),
                ('pronouns', models.CharField(blank=True, max_length=30)),
                ('birth_date', models.DateField(validators=[patients.validators.validate_birth_date])),
                ('phone', models.CharField(blank=True, max_length=30)),
                ('phone_is_safe', models.BooleanField(default=False, verbose_name='may be called at this number')),
                ('may_leave_voicemail', models.BooleanField(default=False)),
                ('may_text', models.BooleanField(default=False)),
                ('may_say_clinic_name', models.BooleanField(default=False)),
                ('best_time_to_call', models.CharField(blank=True, max_length=60)),
                ('email', models.EmailField(blank=True, max_length=254)),
                ('emergency_name', models.CharField(blank=True, max_length=120, verbose_name='emergency contact')),
                ('emergency_phone', models.CharField(blank=True, max_length=30)),
                ('emergency_relation', models.CharField(blank=True, max_length=40)),
                ('emergency_consent', models.BooleanField(default=False, verbose_name='patient agreed that this contact may be called')),
                ('guardian_name', models.CharField(blank=True, max_length=120)),
                ('guardian_phone', models.CharField(blank=True, max_length=30)),
                ('guardian_relation', models.CharField(blank=True, max_length=40)),
                ('deceased_on', models.DateField(blank=True, help_text='Stops every rule and call.', null=True)),
                ('version', models.PositiveIntegerField(default=1)),
                ('clinic', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='accounts.clinic')),
            ],
            options={
                'ordering': (django.db.models.functions.text.Lower('last_name'), django.db.models.functions.text.Lower('first_name'), 'id'),
                'abstract': False,
                'constraints': [models.UniqueConstraint(fields=('clinic', 'id'), name='patient_clinic_id_key'), iop_clinic.accounts.constraints.Audited(hidden=[], name='patient_audit'), models.UniqueConstraint(fields=('clinic', 'record_number'), name='patient_record_number_unique', violation_error_message='Another patient of the clinic has this record number.'), models.CheckConstraint(condition=models.Q(('record_number', ''), _negated=True), name='patient_record_number_given', violation_error_message='Give the patient a record number.'), models.CheckConstraint(condition=models.Q(('birth_date__gte', '1900-01-01')), name='patient_born_1900_or_later', violation_error_message='The birth date must be 1900 or later.')],
            },
        ),
        migrations.CreateModel(
            name='KeepApart',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('reason', models.CharField(max_length=200)),
                ('ends_on', models.DateField(blank=True, null=True)),
                ('clinic', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='accounts.clinic')),
                ('other', iop_clinic.accounts.fields.ClinicForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='patients.patient')),
                ('patient', iop_clinic.accounts.fields.ClinicForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='kept_apart_from', to='patients.patient')),
            ],
            options={
                'verbose_name_plural': 'keep-apart pairs',
                'abstract': False,
                'constraints': [models.UniqueConstraint(fields=('clinic', 'id'), name='keepapart_clinic_id_key'), iop_clinic.accounts.constraints.Audited(hidden=[], name='keepapart_audit'), iop_clinic.accounts.constraints.SameClinic(field='patient', name='keepapart_patient_same_clinic', violation_error_message='The patient belongs to another clinic or does not exist.'), iop_clinic.accounts.constraints.SameClinic(field='other', name='keepapart_other_same_clinic', violation_error_message='The other belongs to another clinic or does not exist.'), models.CheckConstraint(condition=models.Q(('patient__lt', models.F('other'))), name='keepapart_lower_id_first', violation_error_message='Enter each pair once, with two different patients.'), models.UniqueConstraint(fields=('clinic', 'patient', 'other'), name='keepapart_pair_unique', violation_error_message='This pair is already entered.')],
            },
        ),
        migrations.CreateModel(
            name='Program',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=80)),
                ('kind', models.CharField(choices=[('substance_use', 'Substance use'), ('mental_health', 'Mental health'), ('co_occurring', 'Co-occurring'), ('eating_disorder', 'Eating disorder'), ('adolescent', 'Adolescent')], max_length=20)),
                ('part2', models.BooleanField(default=False, help_text='Federally protected substance-use records: documents carry the notice (R15).', verbose_name='42 CFR Part 2')),
                ('active', models.BooleanField(default=True)),
                ('clinic', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='accounts.clinic')),
            ],
            options={
                'ordering': ('name',),
                'abstract': False,
                'constraints': [models.UniqueConstraint(fields=('clinic', 'id'), name='program_clinic_id_key'), iop_clinic.accounts.constraints.Audited(hidden=[], name='program_audit'), models.UniqueConstraint(models.F('clinic'), django.db.models.functions.text.Lower('name'), name='program_name_unique', violation_error_message='The clinic already has a program of this name.')],
            },
        ),
        migrations.CreateModel(
            name='ReferralSource',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=120)),
                ('kind', models.CharField(choices=[('self', 'Self or family'), ('hospital', 'Hospital'), ('residential', 'Residential or PHP'), ('outpatient', 'Outpatient clinician'), ('court', 'Court or probation'), ('school', 'School'), ('other', 'Other')], default='other', max_length=20)),
                ('phone', models.CharField(blank=True, max_length=30)),
                ('clinic', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='accounts.clinic')),
            ],
            options={
                'ordering': ('name',),
                'abstract': False,
                'constraints': [models.UniqueConstraint(fields=('clinic', 'id'), name='referralsource_clinic_id_key'), iop_clinic.accounts.constraints.Audited(hidden=[], name='referralsource_audit'), models.UniqueConstraint(models.F('clinic'), django.db.models.functions.text.Lower('name'), name='referralsource_name_unique', violation_error_message='The clinic already has a referral source of this name.')],
            },
        ),
        migrations.CreateModel(
            name='Episode',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('public_id', models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                ('state', models.CharField(choices=[('referred', 'Referred'), ('admitted', 'Admitted'), ('on_hold', 'On hold'), ('discharged', 'Discharged')], default='referred', max_length=12)),
                ('referred_on', models.DateField(validators=[patients.validators.validate_clinical_date])),
                ('admitted_on', models.DateField(blank=True, null=True, validators=[patients.validators.validate_clinical_date])),
                ('discharged_on', models.DateField(blank=True, null=True, validators=[patients.validators.validate_clinical_date])),
                ('discharge_reason', models.CharField(blank=True, choices=[('completed', 'Completed treatment'), ('stepped_up', 'Stepped up'), ('stepped_down', 'Stepped down'), ('transferred', 'Transferred'), ('aca', 'Left against clinical advice'), ('dropped_out', 'Dropped out'), ('terminated', 'Terminated by the clinic'), ('deceased', 'Deceased'), ('not_admitted', 'Not admitted'), ('other', 'Other')], max_length=20)),
                ('discharge_note', models.TextField(blank=True)),
                ('planned_weeks', models.PositiveSmallIntegerField(default=12)),
                ('priority', models.CharField(blank=True, choices=[('', 'None'), ('inpatient_discharge', 'Inpatient discharge under 30 days ago'), ('suicide_overdose', 'Suicide or overdose risk'), ('moud', 'Medication for opioid use disorder'), ('minor', 'Minor'), ('unstable_housing', 'Unstable housing')], max_length=24)),
                ('priority_until', models.DateField(blank=True, null=True)),
                ('version', models.PositiveIntegerField(default=1)),
                ('clinic', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='accounts.clinic')),
                ('primary_therapist', iop_clinic.accounts.fields.ClinicForeignKey(blank=True, db_constraint=False, db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='caseload', to='accounts.therapist')),
                ('patient', iop_clinic.accounts.fields.ClinicForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='episodes', to='patients.patient')),
                ('program', iop_clinic.accounts.fields.ClinicForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='patients.program')),
                ('referral_source', iop_clinic.accounts.fields.ClinicForeignKey(blank=True, db_constraint=False, db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='episodes', to='patients.referralsource')),
            ],
            options={
                'ordering': ('-admitted_on', 'id'),
                'abstract': False,
                'constraints': [models.UniqueConstraint(fields=('clinic', 'id'), name='episode_clinic_id_key'), iop_clinic.accounts.constraints.Audited(hidden=[], name='episode_audit'), iop_clinic.accounts.constraints.SameClinic(field='patient', name='episode_patient_same_clinic', violation_error_message='The patient belongs to another clinic or does not exist.'), iop_clinic.accounts.constraints.SameClinic(field='program', name='episode_program_same_clinic', violation_error_message='The program belongs to another clinic or does not exist.'), iop_clinic.accounts.constraints.SameClinic(field='referral_source', name='episode_referral_source_same_clinic', violation_error_message='The referral source belongs to another clinic or does not exist.'), iop_clinic.accounts.constraints.SameClinic(field='primary_therapist', name='episode_primary_therapist_same_clinic', violation_error_message='The primary therapist belongs to another clinic or does not exist.'), models.UniqueConstraint(fields=('clinic', 'id', 'patient'), name='episode_with_patient_key'), django.contrib.postgres.constraints.ExclusionConstraint(condition=models.Q(('admitted_on__isnull', False)), expressions=[(iop_clinic.accounts.constraints.SameValue('patient'), '&&'), (iop_clinic.accounts.constraints.DateSpan('admitted_on', 'discharged_on'), '&&')], name='episode_no_overlap_for_patient', violation_error_code='episode_overlap', violation_error_message='The patient has another episode on these dates.'), models.UniqueConstraint(condition=models.Q(('state', 'referred')), fields=('patient',), name='episode_one_open_referral', violation_error_message='The patient already has an open referral.'), models.CheckConstraint(condition=models.Q(('state__in', ['referred', 'admitted', 'on_hold', 'discharged'])), name='episode_state_known'), models.CheckConstraint(condition=models.Q(models.Q(('admitted_on__isnull', True), ('discharged_on__isnull', True), ('state', 'referred')), models.Q(('admitted_on__isnull', False), ('discharged_on__isnull', True), ('state__in', ['admitted', 'on_hold'])), models.Q(('discharged_on__isnull', False), ('state', 'discharged')), _connector='OR'), name='episode_state_matches_dates', violation_error_message='State and dates disagree: an admitted episode has an admission date and no discharge date, a discharged one a discharge date.'), models.CheckConstraint(condition=models.Q(models.Q(('discharge_reason', ''), ('discharged_on__isnull', True)), models.Q(('discharged_on__isnull', False), models.Q(('discharge_reason', ''), _negated=True)), _connector='OR'), name='episode_discharge_has_reason', violation_error_message='A discharge needs a date and a reason.'), models.CheckConstraint(condition=models.Q(('discharged_on__gte', models.F('admitted_on')), ('admitted_on__isnull', True), ('discharged_on__isnull', True), _connector='OR'), name='episode_discharged_after_admission', violation_error_message='The discharge lies before the admission.'), models.CheckConstraint(condition=models.Q(('planned_weeks__range', (1, 52))), name='episode_planned_weeks_1_to_52', violation_error_message='Plan between 1 and 52 weeks.'), iop_clinic.accounts.constraints.Trigger(events='AFTER INSERT OR UPDATE OF state, admitted_on', function='patients_admission_documented', name='episode_admission_documented', violation_error_code='admission_incomplete', violation_error_message='An admission needs an evaluation, a diagnosis by a clinician with a valid license, and the signed program agreement.')],
            },
        ),
        migrations.CreateModel(
            name='Payer',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=120)),
                ('needs_authorization', models.BooleanField(default=True)),
                ('phone', models.CharField(blank=True, max_length=30)),
                ('clinic', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='accounts.clinic')),
            ],
            options={
                'ordering': ('name',),
                'abstract': False,
                'constraints': [models.UniqueConstraint(fields=('clinic', 'id'), name='payer_clinic_id_key'), iop_clinic.accounts.constraints.Audited(hidden=[], name='payer_audit'), models.UniqueConstraint(models.F('clinic'), django.db.models.functions.text.Lower('name'), name='payer_name_unique', violation_error_message='The clinic already has a payer of this name.')],
            },
        ),
        migrations.CreateModel(
            name='Coverage',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('member_number', models.CharField(blank=True, max_length=40)),
                ('starts_on', models.DateField(validators=[patients.validators.validate_clinical_date])),
                ('ends_on', models.DateField(blank=True, null=True)),
                ('verified_on', models.DateField(blank=True, null=True)),
                ('verification_due_on', models.DateField(blank=True, null=True)),
                ('version', models.PositiveIntegerField(default=1)),
                ('clinic', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='accounts.clinic')),
                ('patient', iop_clinic.accounts.fields.ClinicForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='coverages', to='patients.patient')),
                ('payer', iop_clinic.accounts.fields.ClinicForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='coverages', to='patients.payer')),
            ],
            options={
                'ordering': ('-starts_on',),
                'abstract': False,
                'constraints': [models.UniqueConstraint(fields=('clinic', 'id'), name='coverage_clinic_id_key'), iop_clinic.accounts.constraints.Audited(hidden=[], name='coverage_audit'), iop_clinic.accounts.constraints.SameClinic(field='patient', name='coverage_patient_same_clinic', violation_error_message='The patient belongs to another clinic or does not exist.'), iop_clinic.accounts.constraints.SameClinic(field='payer', name='coverage_payer_same_clinic', violation_error_message='The payer belongs to another clinic or does not exist.'), models.CheckConstraint(condition=models.Q(('ends_on__isnull', True), ('ends_on__gte', models.F('starts_on')), _connector='OR'), name='coverage_ends_after_start', violation_error_message='The coverage ends before it starts.')],
            },
        ),
        migrations.CreateModel(
            name='Authorization',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('number', models.CharField(max_length=60)),
                ('level', models.PositiveSmallIntegerField(choices=[(1, 'OP 1'), (2, 'IOP 2.1'), (3, 'PHP 2.5')], default=2)),
                ('unit', models.CharField(choices=[('day', 'days'), ('visit', 'visits'), ('hour', 'hours')], default='day', max_length=8)),
                ('units', models.PositiveSmallIntegerField()),
                ('starts_on', models.DateField(validators=[patients.validators.validate_clinical_date])),
                ('ends_on', models.DateField(validators=[patients.validators.validate_clinical_date])),
                ('next_review_on', models.DateField(blank=True, null=True)),
                ('version', models.PositiveIntegerField(default=1)),
                ('clinic', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='accounts.clinic')),
                ('episode', iop_clinic.accounts.fields.ClinicForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='authorizations', to='patients.episode')),
                ('payer', iop_clinic.accounts.fields.ClinicForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='authorizations', to='patients.payer')),
            ],
            options={
                'ordering': ('-starts_on',),
                'abstract': False,
                'constraints': [models.UniqueConstraint(fields=('clinic', 'id'), name='authorization_clinic_id_key'), iop_clinic.accounts.constraints.Audited(hidden=[], name='authorization_audit'), iop_clinic.accounts.constraints.SameClinic(field='episode', name='authorization_episode_same_clinic', violation_error_message='The episode belongs to another clinic or does not exist.'), iop_clinic.accounts.constraints.SameClinic(field='payer', name='authorization_payer_same_clinic', violation_error_message='The payer belongs to another clinic or does not exist.'), models.UniqueConstraint(fields=('clinic', 'payer', 'number'), name='authorization_number_unique', violation_error_message="This payer's authorization number is already entered."), models.CheckConstraint(condition=models.Q(('ends_on__gte', models.F('starts_on'))), name='authorization_ends_after_start', violation_error_message='The authorization ends before it starts.'), models.CheckConstraint(condition=models.Q(('units__gt', 0)), name='authorization_units_positive', violation_error_message='An authorization has at least one unit.'), django.contrib.postgres.constraints.ExclusionConstraint(expressions=[(iop_clinic.accounts.constraints.SameValue('episode'), '&&'), (iop_clinic.accounts.constraints.SameValue('payer'), '&&'), (iop_clinic.accounts.constraints.SameValue('level'), '&&'), (iop_clinic.accounts.constraints.DateSpan(), '&&')], name='authorization_no_overlap', violation_error_code='authorization_overlap', violation_error_message='Another authorization of this payer and level covers these dates.')],
            },
        ),
        migrations.CreateModel(
            name='ProgramAgreement',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('signed_on', models.DateField(validators=[patients.validators.validate_clinical_date])),
                ('weekly_minutes', models.PositiveSmallIntegerField(help_text='Minutes a week agreed to.')),
                ('guardian_signed', models.BooleanField(default=False)),
                ('clinic', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='accounts.clinic')),
                ('episode', iop_clinic.accounts.fields.ClinicForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='agreements', to='patients.episode')),
            ],
            options={
                'ordering': ('-signed_on',),
                'abstract': False,
                'constraints': [models.UniqueConstraint(fields=('clinic', 'id'), name='programagreement_clinic_id_key'), iop_clinic.accounts.constraints.Audited(hidden=[], name='programagreement_audit'), iop_clinic.accounts.constraints.SameClinic(field='episode', name='programagreement_episode_same_clinic', violation_error_message='The episode belongs to another clinic or does not exist.'), iop_clinic.accounts.constraints.Trigger(events='AFTER DELETE OR UPDATE', function='patients_admission_paper_kept', name='programagreement_needed_by_admission', violation_error_code='admission_incomplete', violation_error_message='An admitted episode stands on this document. Enter its replacement first.')],
            },
        ),
        migrations.CreateModel(
            name='TreatmentPlan',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('level', models.PositiveSmallIntegerField(choices=[(1, 'OP 1'), (2, 'IOP 2.1'), (3, 'PHP 2.5')], default=2)),
                ('age_bracket', models.PositiveSmallIntegerField(choices=[(1, 'adult'), (2, 'adolescent')], default=1)),
                ('weekly_minutes_target', models.PositiveSmallIntegerField(help_text='Minutes a week.')),
                ('days_per_week', models.PositiveSmallIntegerField(default=3)),
                ('least_weekly_minutes', models.PositiveSmallIntegerField(editable=False)),
                ('most_weekly_minutes', models.PositiveSmallIntegerField(editable=False)),
                ('starts_on', models.DateField(validators=[patients.validators.validate_clinical_date])),
                ('ends_on', models.DateField(blank=True, null=True)),
                ('review_due_on', models.DateField(blank=True, null=True)),
                ('version', models.PositiveIntegerField(default=1)),
                ('clinic', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='accounts.clinic')),
                ('episode', iop_clinic.accounts.fields.ClinicForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='plans', to='patients.episode')),
            ],
            options={
                'ordering': ('-starts_on',),
                'abstract': False,
                'constraints': [models.UniqueConstraint(fields=('clinic', 'id'), name='treatmentplan_clinic_id_key'), iop_clinic.accounts.constraints.Audited(hidden=[], name='treatmentplan_audit'), iop_clinic.accounts.constraints.SameClinic(field='episode', name='treatmentplan_episode_same_clinic', violation_error_message='The episode belongs to another clinic or does not exist.'), models.CheckConstraint(condition=models.Q(('weekly_minutes_target__gte', models.F('least_weekly_minutes')), ('weekly_minutes_target__lte', models.F('most_weekly_minutes'))), name='treatmentplan_target_in_level_range', violation_error_code='target_outside_level', violation_error_message="The weekly target lies outside the level's range."), models.CheckConstraint(condition=models.Q(('days_per_week__range', (1, 7))), name='treatmentplan_days_1_to_7', violation_error_message='Plan between 1 and 7 days a week.'), models.CheckConstraint(condition=models.Q(('ends_on__isnull', True), ('ends_on__gte', models.F('starts_on')), _connector='OR'), name='treatmentplan_ends_after_start', violation_error_message='The plan ends before it starts.'), django.contrib.postgres.constraints.ExclusionConstraint(deferrable=django.db.models.constraints.Deferrable['IMMEDIATE'], expressions=[(iop_clinic.accounts.constraints.SameValue('episode'), '&&'), (iop_clinic.accounts.constraints.DateSpan(), '&&')], name='treatmentplan_no_overlap', violation_error_code='plan_overlap', violation_error_message='Another plan of the episode covers these dates.')],
            },
        ),
        migrations.CreateModel(
            name='Diagnosis',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('code', models.CharField(max_length=10, verbose_name='ICD-10 code')),
                ('description', models.CharField(blank=True, max_length=200)),
                ('diagnosed_on', models.DateField(validators=[patients.validators.validate_clinical_date])),
                ('clinic', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='accounts.clinic')),
                ('license', iop_clinic.accounts.fields.ClinicForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='accounts.license')),
                ('episode', iop_clinic.accounts.fields.ClinicForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='diagnoses', to='patients.episode')),
            ],
            options={
                'verbose_name_plural': 'diagnoses',
                'ordering': ('diagnosed_on', 'id'),
                'abstract': False,
                'indexes': [models.Index(fields=['clinic', 'episode'], name='diagnosis_by_episode')],
                'constraints': [models.UniqueConstraint(fields=('clinic', 'id'), name='diagnosis_clinic_id_key'), iop_clinic.accounts.constraints.Audited(hidden=[], name='diagnosis_audit'), iop_clinic.accounts.constraints.SameClinic(field='episode', name='diagnosis_episode_same_clinic', violation_error_message='The episode belongs to another clinic or does not exist.'), iop_clinic.accounts.constraints.SameClinic(field='license', name='diagnosis_license_same_clinic', violation_error_message='The license belongs to another clinic or does not exist.'), iop_clinic.accounts.constraints.Trigger(events='AFTER DELETE OR UPDATE', function='patients_admission_paper_kept', name='diagnosis_needed_by_admission', violation_error_code='admission_incomplete', violation_error_message='An admitted episode stands on this document. Enter its replacement first.')],
            },
        ),
        migrations.CreateModel(
            name='CourtReferral',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('court', models.CharField(max_length=120)),
                ('reference', models.CharField(blank=True, max_length=60)),
                ('starts_on', models.DateField(validators=[patients.validators.validate_clinical_date])),
                ('ends_on', models.DateField(blank=True, null=True)),
                ('clinic', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='accounts.clinic')),
                ('episode', iop_clinic.accounts.fields.ClinicForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='court_referrals', to='patients.episode')),
            ],
            options={
                'abstract': False,
                'indexes': [models.Index(fields=['clinic', 'episode'], name='court_by_episode')],
                'constraints': [models.UniqueConstraint(fields=('clinic', 'id'), name='courtreferral_clinic_id_key'), iop_clinic.accounts.constraints.Audited(hidden=[], name='courtreferral_audit'), iop_clinic.accounts.constraints.SameClinic(field='episode', name='courtreferral_episode_same_clinic', violation_error_message='The episode belongs to another clinic or does not exist.')],
            },
        ),
        migrations.CreateModel(
            name='Certification',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('certified_on', models.DateField(validators=[patients.validators.validate_clinical_date])),
                ('due_again_on', models.DateField(validators=[patients.validators.validate_clinical_date])),
                ('certified_by', models.CharField(blank=True, max_length=120)),
                ('clinic', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='accounts.clinic')),
                ('episode', iop_clinic.accounts.fields.ClinicForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='certifications', to='patients.episode')),
            ],
            options={
                'ordering': ('-certified_on',),
                'abstract': False,
                'indexes': [models.Index(fields=['clinic', 'episode'], name='certification_by_episode')],
                'constraints': [models.UniqueConstraint(fields=('clinic', 'id'), name='certification_clinic_id_key'), iop_clinic.accounts.constraints.Audited(hidden=[], name='certification_audit'), iop_clinic.accounts.constraints.SameClinic(field='episode', name='certification_episode_same_clinic', violation_error_message='The episode belongs to another clinic or does not exist.'), models.CheckConstraint(condition=models.Q(('due_again_on__gt', models.F('certified_on'))), name='certification_due_later', violation_error_message='The next certification is due after this one.')],
            },
        ),
        migrations.CreateModel(
            name='EpisodeHold',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('reason', models.CharField(choices=[('hospital', 'Hospital'), ('jail', 'Jail'), ('leave', 'Leave'), ('other', 'Other')], max_length=12)),
                ('note', models.CharField(blank=True, max_length=200)),
                ('starts_on', models.DateField(validators=[patients.validators.validate_clinical_date])),
                ('ends_on', models.DateField(blank=True, help_text='Last day of the hold; empty while it lasts.', null=True)),
                ('clinic', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='accounts.clinic')),
                ('episode', iop_clinic.accounts.fields.ClinicForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='holds', to='patients.episode')),
            ],
            options={
                'ordering': ('-starts_on',),
                'abstract': False,
                'indexes': [models.Index(fields=['clinic', 'episode'], name='hold_by_episode')],
                'constraints': [models.UniqueConstraint(fields=('clinic', 'id'), name='episodehold_clinic_id_key'), iop_clinic.accounts.constraints.Audited(hidden=[], name='episodehold_audit'), iop_clinic.accounts.constraints.SameClinic(field='episode', name='episodehold_episode_same_clinic', violation_error_message='The episode belongs to another clinic or does not exist.'), models.CheckConstraint(condition=models.Q(('ends_on__isnull', True), ('ends_on__gte', models.F('starts_on')), _connector='OR'), name='episodehold_ends_after_start', violation_error_message='The hold ends before it starts.'), django.contrib.postgres.constraints.ExclusionConstraint(expressions=[(iop_clinic.accounts.constraints.SameValue('episode'), '&&'), (iop_clinic.accounts.constraints.DateSpan(), '&&')], name='episodehold_no_overlap', violation_error_message='The episode is already on hold on these dates.')],
            },
        ),
        migrations.CreateModel(
            name='Evaluation',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('evaluated_on', models.DateField(validators=[patients.validators.validate_clinical_date])),
                ('recommended_level', models.PositiveSmallIntegerField(choices=[(1, 'OP 1'), (2, 'IOP 2.1'), (3, 'PHP 2.5')], default=2)),
                ('summary', models.TextField(blank=True)),
                ('clinic', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='accounts.clinic')),
                ('episode', iop_clinic.accounts.fields.ClinicForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='evaluations', to='patients.episode')),
                ('evaluator', iop_clinic.accounts.fields.ClinicForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='accounts.therapist')),
            ],
            options={
                'ordering': ('-evaluated_on',),
                'abstract': False,
                'indexes': [models.Index(fields=['clinic', 'episode'], name='evaluation_by_episode')],
                'constraints': [models.UniqueConstraint(fields=('clinic', 'id'), name='evaluation_clinic_id_key'), iop_clinic.accounts.constraints.Audited(hidden=[], name='evaluation_audit'), iop_clinic.accounts.constraints.SameClinic(field='episode', name='evaluation_episode_same_clinic', violation_error_message='The episode belongs to another clinic or does not exist.'), iop_clinic.accounts.constraints.SameClinic(field='evaluator', name='evaluation_evaluator_same_clinic', violation_error_message='The evaluator belongs to another clinic or does not exist.'), iop_clinic.accounts.constraints.Trigger(events='AFTER DELETE OR UPDATE', function='patients_admission_paper_kept', name='evaluation_needed_by_admission', violation_error_code='admission_incomplete', violation_error_message='An admitted episode stands on this document. Enter its replacement first.')],
            },
        ),
        migrations.AddIndex(
            model_name='patient',
            index=models.Index(models.F('clinic'), django.db.models.functions.text.Lower('last_name'), django.db.models.functions.text.Lower('first_name'), name='patient_by_name'),
        ),
        migrations.AddIndex(
            model_name='coverage',
            index=models.Index(fields=['clinic', 'patient'], name='coverage_by_patient'),
        ),
        migrations.AddIndex(
            model_name='authorization',
            index=models.Index(fields=['clinic', 'episode'], name='authorization_by_episode'),
        ),
        migrations.AddIndex(
            model_name='authorization',
            index=models.Index(fields=['clinic', 'ends_on'], name='authorization_by_end'),
        ),
        migrations.AddIndex(
            model_name='programagreement',
            index=models.Index(fields=['clinic', 'episode'], name='agreement_by_episode'),
        ),
        migrations.AddIndex(
            model_name='episode',
            index=models.Index(fields=['clinic', 'patient'], name='episode_by_patient'),
        ),
        migrations.AddIndex(
            model_name='episode',
            index=models.Index(fields=['clinic', 'state'], name='episode_by_state'),
        ),
        migrations.AddIndex(
            model_name='episode',
            index=models.Index(fields=['clinic', 'primary_therapist'], name='episode_by_therapist'),
        ),
        migrations.AddIndex(
            model_name='treatmentplan',
            index=models.Index(fields=['clinic', 'episode'], name='plan_by_episode'),
        ),
    ]
