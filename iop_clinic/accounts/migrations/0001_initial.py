import datetime
import django.db.models.deletion
import django.db.models.functions.text
import django.utils.timezone
import iop_clinic.accounts.constraints
import iop_clinic.accounts.fields
import iop_clinic.accounts.models
import uuid
from django.conf import settings
from django.db import migrations, models

from iop_clinic.accounts.migrations import _functions as functions


class Migration(migrations.Migration):

    initial = True

    dependencies = [
    ]

    operations = [
        migrations.RunSQL(functions.CREATE, functions.DROP),
        migrations.CreateModel(
            name='AuditEvent',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('clinic_id', models.BigIntegerField(null=True)),
                ('table_name', models.CharField(max_length=63)),
                ('row_id', models.BigIntegerField()),
                ('operation', models.CharField(choices=[('I', 'created'), ('U', 'changed'), ('D', 'deleted'), ('R', 'read')], max_length=1)),
                ('old', models.JSONField(null=True)),
                ('new', models.JSONField(null=True)),
                ('actor', models.CharField(max_length=120)),
                ('at', models.DateTimeField()),
            ],
            options={
                'ordering': ('-at', '-id'),
                'indexes': [models.Index(fields=['clinic_id', 'table_name', 'row_id', 'at'], name='audit_row')],
                'constraints': [iop_clinic.accounts.constraints.Trigger(events='BEFORE UPDATE OR DELETE', function='iop_append_only', name='auditevent_append_only', violation_error_message='The audit trail cannot be changed.')],
            },
        ),
        migrations.CreateModel(
            name='Clinic',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('public_id', models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                ('name', models.CharField(max_length=120, unique=True)),
                ('zone', models.CharField(default='America/New_York', max_length=60, validators=[iop_clinic.accounts.models.validate_zone], verbose_name='time zone')),
                ('state', models.CharField(blank=True, max_length=2, verbose_name='US state')),
                ('phone', models.CharField(blank=True, max_length=30)),
                ('week_starts_on', models.PositiveSmallIntegerField(choices=[(0, 'Monday'), (1, 'Tuesday'), (2, 'Wednesday'), (3, 'Thursday'), (4, 'Friday'), (5, 'Saturday'), (6, 'Sunday')], default=0)),
                ('opens_at', models.TimeField(default=datetime.time(8, 0))),
                ('closes_at', models.TimeField(default=datetime.time(17, 0))),
                ('business_days', models.JSONField(blank=True, default=list, help_text='Weekdays as numbers, Monday 0; empty means 0-4.')),
                ('nightly_at', models.TimeField(default=datetime.time(5, 0), help_text='When yesterday is judged. Not between 00:30 and 03:30, when clocks change.')),
                ('active', models.BooleanField(default=True)),
                ('version', models.PositiveIntegerField(default=1)),
            ],
            options={
                'ordering': ('name',),
                'constraints': [models.CheckConstraint(condition=models.Q(('nightly_at__lt', '00:30'), ('nightly_at__gt', '03:30'), _connector='OR'), name='clinic_nightly_outside_clock_changes', violation_error_message='Choose a nightly time outside 00:30-03:30.'), models.CheckConstraint(condition=models.Q(('closes_at__gt', models.F('opens_at'))), name='clinic_closes_after_opening', violation_error_message='The clinic must close after it opens.'), models.CheckConstraint(condition=models.Q(('week_starts_on__lte', 6)), name='clinic_week_starts_on_a_weekday'), iop_clinic.accounts.constraints.Audited(hidden=[], name='clinic_audit')],
            },
        ),
        migrations.CreateModel(
            name='User',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('password', models.CharField(max_length=128, verbose_name='password')),
                ('last_login', models.DateTimeField(blank=True, null=True, verbose_name='last login')),
                ('public_id', models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                ('email', models.EmailField(max_length=254, unique=True)),
                ('name', models.CharField(max_length=120)),
                ('is_active', models.BooleanField(default=True)),
                ('is_superuser', models.BooleanField(default=False, help_text='Runs the installation; sees no clinic without a membership.')),
                ('date_joined', models.DateTimeField(default=django.utils.timezone.now)),
                ('current_clinic', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='accounts.clinic')),
            ],
            options={
                'ordering': (django.db.models.functions.text.Lower('name'), 'id'),
                'constraints': [models.UniqueConstraint(django.db.models.functions.text.Lower('email'), name='user_email_unique', violation_error_message='Someone already signs in with this email address.'), iop_clinic.accounts.constraints.Audited(hidden=['password', 'last_login'], name='user_audit')],
            },
        ),
        migrations.CreateModel(
            name='Device',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('token_key', models.CharField(db_index=True, max_length=25)),
                ('created', models.DateTimeField(auto_now_add=True)),
                ('expiry', models.DateTimeField(blank=True, null=True)),
                ('digest', models.CharField(max_length=128, unique=True)),
                ('public_id', models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                ('name', models.CharField(blank=True, max_length=80)),
                ('last_used_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('user', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='auth_token_set', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'ordering': ('-created', 'id'),
                'constraints': [iop_clinic.accounts.constraints.Audited(hidden=['digest', 'token_key', 'last_used_at'], name='device_audit')],
            },
        ),
        migrations.CreateModel(
            name='IdempotencyKey',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('route', models.CharField(max_length=200)),
                ('key', models.CharField(max_length=200)),
                ('body_hash', models.CharField(max_length=64)),
                ('status', models.PositiveSmallIntegerField(help_text='Empty while in flight.', null=True)),
                ('location', models.CharField(blank=True, max_length=200)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('user', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('user', 'route', 'key'), name='idempotency_key_unique')],
            },
        ),
        migrations.CreateModel(
            name='Therapist',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('public_id', models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                ('name', models.CharField(max_length=120)),
                ('credentials', models.CharField(blank=True, help_text='As signed: LCSW, LADC.', max_length=60)),
                ('phone', models.CharField(blank=True, max_length=30)),
                ('max_caseload', models.PositiveSmallIntegerField(default=24)),
                ('active', models.BooleanField(default=True)),
                ('version', models.PositiveIntegerField(default=1)),
                ('clinic', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='accounts.clinic')),
            ],
            options={
                'ordering': (django.db.models.functions.text.Lower('name'), 'id'),
                'abstract': False,
                'constraints': [models.UniqueConstraint(fields=('clinic', 'id'), name='therapist_clinic_id_key'), iop_clinic.accounts.constraints.Audited(hidden=[], name='therapist_audit')],
            },
        ),
        migrations.CreateModel(
            name='Membership',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('role', models.CharField(choices=[('administrator', 'Administrator'), ('coordinator', 'Coordinator'), ('front_desk', 'Front desk'), ('therapist', 'Therapist'), ('utilization_review', 'Utilization review'), ('auditor', 'Auditor')], max_length=20)),
                ('active', models.BooleanField(default=True)),
                ('ends_on', models.DateField(blank=True, help_text='Last day of access; auditors always have one.', null=True)),
                ('receives_reports', models.BooleanField(default=True)),
                ('clinic', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='accounts.clinic')),
                ('user', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='memberships', to=settings.AUTH_USER_MODEL)),
                ('therapist', iop_clinic.accounts.fields.ClinicForeignKey(blank=True, db_constraint=False, db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='memberships', to='accounts.therapist')),
            ],
            options={
                'ordering': ('clinic', 'user'),
                'abstract': False,
                'constraints': [models.UniqueConstraint(fields=('clinic', 'id'), name='membership_clinic_id_key'), iop_clinic.accounts.constraints.Audited(hidden=[], name='membership_audit'), iop_clinic.accounts.constraints.SameClinic(field='therapist', name='membership_therapist_same_clinic', violation_error_message='The therapist belongs to another clinic or does not exist.'), models.UniqueConstraint(fields=('user', 'clinic'), name='membership_one_per_person_and_clinic', violation_error_message='This person already has a role in this clinic.'), models.UniqueConstraint(fields=('therapist',), name='membership_one_per_therapist', violation_error_message='Another person already signs in as this therapist.'), models.CheckConstraint(condition=models.Q(('role__in', ['administrator', 'coordinator', 'front_desk', 'therapist', 'utilization_review', 'auditor'])), name='membership_role_known'), models.CheckConstraint(condition=models.Q(models.Q(('role', 'auditor'), _negated=True), ('ends_on__isnull', False), _connector='OR'), name='membership_auditor_until_a_date', violation_error_message="An auditor's access needs a last day."), models.CheckConstraint(condition=models.Q(models.Q(('role', 'therapist'), _negated=True), ('therapist__isnull', False), _connector='OR'), name='membership_therapist_role_names_therapist', violation_error_message='Choose which therapist this person is.')],
            },
        ),
        migrations.CreateModel(
            name='License',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('credential', models.CharField(help_text='LCSW, LPC, LMFT, LADC, CADC …', max_length=20)),
                ('state', models.CharField(max_length=2, verbose_name='US state')),
                ('number', models.CharField(max_length=40)),
                ('may_diagnose', models.BooleanField(default=True)),
                ('issued_on', models.DateField(blank=True, null=True)),
                ('expires_on', models.DateField()),
                ('clinic', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='accounts.clinic')),
                ('therapist', iop_clinic.accounts.fields.ClinicForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='licenses', to='accounts.therapist')),
            ],
            options={
                'ordering': ('therapist', 'expires_on'),
                'abstract': False,
                'constraints': [models.UniqueConstraint(fields=('clinic', 'id'), name='license_clinic_id_key'), iop_clinic.accounts.constraints.Audited(hidden=[], name='license_audit'), iop_clinic.accounts.constraints.SameClinic(field='therapist', name='license_therapist_same_clinic', violation_error_message='The therapist belongs to another clinic or does not exist.'), models.UniqueConstraint(fields=('clinic', 'therapist', 'credential', 'state', 'number'), name='license_unique', violation_error_message='This license is already entered.')],
            },
        ),
        migrations.AddIndex(
            model_name='idempotencykey',
            index=models.Index(fields=['created_at'], name='idempotency_key_age'),
        ),
    ]
