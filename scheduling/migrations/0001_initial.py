import datetime
import django.contrib.postgres.constraints
import django.db.models.constraints
import django.db.models.deletion
import django.db.models.expressions
import django.db.models.functions.comparison
import django.db.models.functions.text
import iop_clinic.accounts.constraints
import iop_clinic.accounts.fields
import iop_clinic.accounts.models
import patients.validators
import uuid
from django.conf import settings
from django.db import migrations, models

from scheduling.migrations import _functions as functions


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('accounts', '0001_initial'),
        ('accounts', '__first__'),
        ('patients', '0001_initial'),
    ]

    operations = [
        migrations.RunSQL(functions.CREATE, functions.DROP),
        migrations.CreateModel(
            name='CallIn',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('public_id', models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                ('from_date', models.DateField(validators=[patients.validators.validate_clinical_date])),
                ('to_date', models.DateField(validators=[patients.validators.validate_clinical_date])),
                ('reason', models.CharField(max_length=20)),
                ('note', models.CharField(blank=True, max_length=200)),
                ('notified_at', models.DateTimeField()),
                ('clinic', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='accounts.clinic')),
                ('episode', iop_clinic.accounts.fields.ClinicForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='call_ins', to='patients.episode')),
                ('taken_by', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'ordering': ('-from_date',),
                'abstract': False,
                'constraints': [models.UniqueConstraint(fields=('clinic', 'id'), name='callin_clinic_id_key'), iop_clinic.accounts.constraints.Audited(hidden=[], name='callin_audit'), iop_clinic.accounts.constraints.SameClinic(field='episode', name='callin_episode_same_clinic', violation_error_message='The episode belongs to another clinic or does not exist.'), models.CheckConstraint(condition=models.Q(('to_date__gte', models.F('from_date'))), name='callin_dates_in_order', violation_error_message='The call-in ends before it starts.')],
            },
        ),
        migrations.CreateModel(
            name='Group',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('public_id', models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                ('name', models.CharField(help_text='A neutral code name.', max_length=40)),
                ('level', models.PositiveSmallIntegerField(choices=[(1, 'OP 1'), (2, 'IOP 2.1'), (3, 'PHP 2.5')], default=2)),
                ('age_bracket', models.PositiveSmallIntegerField(choices=[(1, 'adult'), (2, 'adolescent')], default=1)),
                ('population', models.CharField(blank=True, choices=[('', 'Anyone'), ('women', 'Women'), ('men', 'Men'), ('veterans', 'Veterans'), ('lgbtq', 'LGBTQ+'), ('survivors', 'Survivors')], max_length=12)),
                ('capacity', models.PositiveSmallIntegerField(default=12)),
                ('min_size', models.PositiveSmallIntegerField(default=5)),
                ('active', models.BooleanField(default=True)),
                ('version', models.PositiveIntegerField(default=1)),
                ('clinic', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='accounts.clinic')),
                ('program', iop_clinic.accounts.fields.ClinicForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='groups', to='patients.program')),
            ],
            options={
                'ordering': (django.db.models.functions.text.Lower('name'),),
                'abstract': False,
                'constraints': [models.UniqueConstraint(fields=('clinic', 'id'), name='group_clinic_id_key'), iop_clinic.accounts.constraints.Audited(hidden=[], name='group_audit'), iop_clinic.accounts.constraints.SameClinic(field='program', name='group_program_same_clinic', violation_error_message='The program belongs to another clinic or does not exist.'), models.UniqueConstraint(models.F('clinic'), django.db.models.functions.text.Lower('name'), name='group_name_unique', violation_error_message='The clinic already has a group of this name.'), models.CheckConstraint(condition=models.Q(('capacity__range', (8, 15))), name='group_capacity_8_to_15', violation_error_message='A group has 8 to 15 seats.'), models.CheckConstraint(condition=models.Q(('min_size__gte', 1), ('min_size__lte', models.F('capacity'))), name='group_min_size_within_capacity', violation_error_message='The viable size lies between 1 and the capacity.'), iop_clinic.accounts.constraints.Trigger(events='AFTER UPDATE OF capacity', function='scheduling_group_capacity', name='group_capacity_covers_members', violation_error_code='group_full', violation_error_message='More members sit in the group than the new capacity.')],
            },
        ),
        migrations.CreateModel(
            name='GroupMembership',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('seat', models.PositiveSmallIntegerField()),
                ('starts_on', models.DateField(validators=[patients.validators.validate_clinical_date])),
                ('ends_on', models.DateField(blank=True, help_text='Last day; empty: open.', null=True)),
                ('population_opt_in', models.BooleanField(default=False, help_text='The patient chose a group for one population.')),
                ('overflow_reason', models.CharField(blank=True, max_length=200)),
                ('clinic', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='accounts.clinic')),
                ('episode', iop_clinic.accounts.fields.ClinicForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='memberships', to='patients.episode')),
                ('group', iop_clinic.accounts.fields.ClinicForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='memberships', to='scheduling.group')),
                ('overflow_by', models.ForeignKey(blank=True, db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('transferred_from', iop_clinic.accounts.fields.ClinicForeignKey(blank=True, db_constraint=False, db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='scheduling.groupmembership')),
            ],
            options={
                'ordering': ('group', 'seat', 'starts_on'),
                'abstract': False,
                'constraints': [models.UniqueConstraint(fields=('clinic', 'id'), name='groupmembership_clinic_id_key'), iop_clinic.accounts.constraints.Audited(hidden=[], name='groupmembership_audit'), iop_clinic.accounts.constraints.SameClinic(field='group', name='groupmembership_group_same_clinic', violation_error_message='The group belongs to another clinic or does not exist.'), iop_clinic.accounts.constraints.SameClinic(field='episode', name='groupmembership_episode_same_clinic', violation_error_message='The episode belongs to another clinic or does not exist.'), iop_clinic.accounts.constraints.SameClinic(field='transferred_from', name='groupmembership_transferred_from_same_clinic', violation_error_message='The transferred from belongs to another clinic or does not exist.'), models.CheckConstraint(condition=models.Q(('seat__range', (1, 15))), name='groupmembership_seat_1_to_15', violation_error_message='Seats are numbered 1 to 15.'), models.CheckConstraint(condition=models.Q(('ends_on__isnull', True), ('ends_on__gte', models.F('starts_on')), _connector='OR'), name='groupmembership_ends_after_start', violation_error_message='The membership ends before it starts.'), models.CheckConstraint(condition=models.Q(models.Q(('overflow_by__isnull', True), ('overflow_reason', '')), models.Q(models.Q(('overflow_reason', ''), _negated=True), ('overflow_by__isnull', False)), _connector='OR'), name='groupmembership_overflow_has_author', violation_error_message='A seat above capacity needs a reason and an author.'), django.contrib.postgres.constraints.ExclusionConstraint(deferrable=django.db.models.constraints.Deferrable['IMMEDIATE'], expressions=[(iop_clinic.accounts.constraints.SameValue('group'), '&&'), (iop_clinic.accounts.constraints.SameValue('seat'), '&&'), (iop_clinic.accounts.constraints.DateSpan(), '&&')], name='groupmembership_seat_taken_once', violation_error_code='group_full', violation_error_message='The seat is taken on these dates.'), django.contrib.postgres.constraints.ExclusionConstraint(deferrable=django.db.models.constraints.Deferrable['IMMEDIATE'], expressions=[(iop_clinic.accounts.constraints.SameValue('group'), '&&'), (iop_clinic.accounts.constraints.SameValue('episode'), '&&'), (iop_clinic.accounts.constraints.DateSpan(), '&&')], name='groupmembership_once_per_episode', violation_error_code='already_member', violation_error_message='The patient is already in this group on these dates.'), iop_clinic.accounts.constraints.Trigger(events='BEFORE INSERT OR UPDATE OF seat, group_id, ends_on, overflow_reason', function='scheduling_membership_seat', name='groupmembership_within_capacity', violation_error_code='group_full', violation_error_message='The group has no such seat: it is full.')],
            },
        ),
        migrations.CreateModel(
            name='Room',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=60)),
                ('seats', models.PositiveSmallIntegerField(default=12)),
                ('active', models.BooleanField(default=True)),
                ('clinic', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='accounts.clinic')),
            ],
            options={
                'ordering': (django.db.models.functions.text.Lower('name'),),
                'abstract': False,
                'constraints': [models.UniqueConstraint(fields=('clinic', 'id'), name='room_clinic_id_key'), iop_clinic.accounts.constraints.Audited(hidden=[], name='room_audit'), models.UniqueConstraint(models.F('clinic'), django.db.models.functions.text.Lower('name'), name='room_name_unique', violation_error_message='The clinic already has a room of this name.'), models.CheckConstraint(condition=models.Q(('seats__gte', 1)), name='room_has_seats', violation_error_message='A room has at least one seat.')],
            },
        ),
        migrations.CreateModel(
            name='Closure',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('starts_on', models.DateField(validators=[patients.validators.validate_clinical_date])),
                ('ends_on', models.DateField(validators=[patients.validators.validate_clinical_date])),
                ('from_time', models.TimeField(blank=True, help_text='Empty: from opening.', null=True)),
                ('to_time', models.TimeField(blank=True, help_text='Empty: until closing.', null=True)),
                ('reason', models.CharField(max_length=120)),
                ('clinic', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='accounts.clinic')),
                ('room', iop_clinic.accounts.fields.ClinicForeignKey(blank=True, db_constraint=False, db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='closures', to='scheduling.room')),
            ],
            options={
                'ordering': ('-starts_on',),
                'abstract': False,
                'constraints': [models.UniqueConstraint(fields=('clinic', 'id'), name='closure_clinic_id_key'), iop_clinic.accounts.constraints.Audited(hidden=[], name='closure_audit'), iop_clinic.accounts.constraints.SameClinic(field='room', name='closure_room_same_clinic', violation_error_message='The room belongs to another clinic or does not exist.'), models.CheckConstraint(condition=models.Q(('ends_on__gte', models.F('starts_on'))), name='closure_ends_after_start', violation_error_message='The closure ends before it starts.'), models.CheckConstraint(condition=models.Q(('from_time__isnull', True), ('to_time__isnull', True), ('to_time__gt', models.F('from_time')), _connector='OR'), name='closure_times_in_order', violation_error_message="The closure's times are in the wrong order.")],
            },
        ),
        migrations.CreateModel(
            name='SessionType',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=60)),
                ('kind', models.CharField(choices=[('group', 'Group'), ('individual', 'Individual'), ('family', 'Family'), ('multi_family', 'Multi-family'), ('education', 'Education'), ('prescriber', 'Prescriber visit'), ('case_management', 'Case management'), ('drug_screen', 'Drug screen'), ('other', 'Other')], max_length=16)),
                ('creditable', models.BooleanField(default=True, help_text='Its minutes count as treatment.')),
                ('ceiling', models.PositiveSmallIntegerField(default=15, help_text='Most seats a session of this type may ever have.')),
                ('active', models.BooleanField(default=True)),
                ('clinic', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='accounts.clinic')),
            ],
            options={
                'ordering': ('name',),
                'abstract': False,
                'constraints': [models.UniqueConstraint(fields=('clinic', 'id'), name='sessiontype_clinic_id_key'), iop_clinic.accounts.constraints.Audited(hidden=[], name='sessiontype_audit'), models.UniqueConstraint(models.F('clinic'), django.db.models.functions.text.Lower('name'), name='sessiontype_name_unique', violation_error_message='The clinic already has a session type of this name.'), models.CheckConstraint(condition=models.Q(('ceiling__range', (1, 200))), name='sessiontype_ceiling_1_to_200')],
            },
        ),
        migrations.CreateModel(
            name='WeeklyBlock',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('weekday', models.PositiveSmallIntegerField(choices=[(0, 'Monday'), (1, 'Tuesday'), (2, 'Wednesday'), (3, 'Thursday'), (4, 'Friday'), (5, 'Saturday'), (6, 'Sunday')])),
                ('starts_at', models.TimeField(verbose_name='starts')),
                ('ends_at', models.TimeField(verbose_name='ends')),
                ('breaks', models.JSONField(blank=True, default=list)),
                ('by_video', models.BooleanField(default=False)),
                ('every_weeks', models.PositiveSmallIntegerField(default=1, help_text='Every week or every two.')),
                ('valid_from', models.DateField(validators=[patients.validators.validate_clinical_date])),
                ('valid_until', models.DateField(blank=True, help_text='Last date; empty: open.', null=True)),
                ('version', models.PositiveIntegerField(default=1)),
                ('clinic', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='accounts.clinic')),
                ('co_facilitator', iop_clinic.accounts.fields.ClinicForeignKey(blank=True, db_constraint=False, db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='co_blocks', to='accounts.therapist')),
                ('continues', iop_clinic.accounts.fields.ClinicForeignKey(blank=True, db_constraint=False, db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='continued_by', to='scheduling.weeklyblock')),
                ('episode', iop_clinic.accounts.fields.ClinicForeignKey(blank=True, db_constraint=False, db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='blocks', to='patients.episode')),
                ('facilitator', iop_clinic.accounts.fields.ClinicForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='blocks', to='accounts.therapist')),
                ('group', iop_clinic.accounts.fields.ClinicForeignKey(blank=True, db_constraint=False, db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='blocks', to='scheduling.group')),
                ('room', iop_clinic.accounts.fields.ClinicForeignKey(blank=True, db_constraint=False, db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='blocks', to='scheduling.room')),
                ('session_type', iop_clinic.accounts.fields.ClinicForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='scheduling.sessiontype')),
            ],
            options={
                'ordering': ('weekday', 'starts_at', 'id'),
                'abstract': False,
                'constraints': [models.UniqueConstraint(fields=('clinic', 'id'), name='weeklyblock_clinic_id_key'), iop_clinic.accounts.constraints.Audited(hidden=[], name='weeklyblock_audit'), iop_clinic.accounts.constraints.SameClinic(field='group', name='weeklyblock_group_same_clinic', violation_error_message='The group belongs to another clinic or does not exist.'), iop_clinic.accounts.constraints.SameClinic(field='episode', name='weeklyblock_episode_same_clinic', violation_error_message='The episode belongs to another clinic or does not exist.'), iop_clinic.accounts.constraints.SameClinic(field='session_type', name='weeklyblock_session_type_same_clinic', violation_error_message='The session type belongs to another clinic or does not exist.'), iop_clinic.accounts.constraints.SameClinic(field='facilitator', name='weeklyblock_facilitator_same_clinic', violation_error_message='The facilitator belongs to another clinic or does not exist.'), iop_clinic.accounts.constraints.SameClinic(field='co_facilitator', name='weeklyblock_co_facilitator_same_clinic', violation_error_message='The co facilitator belongs to another clinic or does not exist.'), iop_clinic.accounts.constraints.SameClinic(field='room', name='weeklyblock_room_same_clinic', violation_error_message='The room belongs to another clinic or does not exist.'), iop_clinic.accounts.constraints.SameClinic(field='continues', name='weeklyblock_continues_same_clinic', violation_error_message='The continues belongs to another clinic or does not exist.'), models.CheckConstraint(condition=models.Q(models.Q(('episode__isnull', True), ('group__isnull', False)), models.Q(('episode__isnull', False), ('group__isnull', True)), _connector='OR'), name='weeklyblock_of_group_or_episode', violation_error_message='A weekly block belongs to a group or to one patient.'), models.CheckConstraint(condition=models.Q(('ends_at__gt', models.F('starts_at'))), name='weeklyblock_ends_after_start', violation_error_message='The block must end after it starts, on the same day.'), models.CheckConstraint(condition=models.Func(models.F('breaks'), models.Func(models.F('starts_at'), models.F('ends_at'), function='scheduling_wall_minutes', output_field=models.IntegerField()), function='scheduling_breaks_ok', output_field=models.BooleanField()), name='weeklyblock_breaks_inside', violation_error_message='Breaks are pairs of minutes inside the block, in order.'), models.CheckConstraint(condition=models.Q(('weekday__lte', 6)), name='weeklyblock_weekday_known'), models.CheckConstraint(condition=models.Q(('every_weeks__in', (1, 2))), name='weeklyblock_every_one_or_two_weeks', violation_error_message='A block repeats every week or every two weeks.'), models.CheckConstraint(condition=models.Q(('valid_until__isnull', True), ('valid_until__gte', models.F('valid_from')), _connector='OR'), name='weeklyblock_valid_dates_in_order', violation_error_message="The block's last date lies before its first."), models.CheckConstraint(condition=models.Q(('co_facilitator__isnull', True), models.Q(('co_facilitator', models.F('facilitator')), _negated=True), _connector='OR'), name='weeklyblock_two_facilitators_differ', violation_error_message='Facilitator and co-facilitator are the same person.')],
            },
        ),
        migrations.CreateModel(
            name='Session',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('public_id', models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                ('by_video', models.BooleanField(default=False)),
                ('state', models.CharField(choices=[('scheduled', 'Scheduled'), ('cancelled', 'Cancelled')], default='scheduled', max_length=10)),
                ('live', models.GeneratedField(db_persist=True, expression=models.Case(models.When(state='cancelled', then=models.Value(False)), default=models.Value(True), output_field=models.BooleanField()), output_field=models.BooleanField())),
                ('starts_at', models.DateTimeField()),
                ('ends_at', models.DateTimeField()),
                ('zone', models.CharField(max_length=60, validators=[iop_clinic.accounts.models.validate_zone])),
                ('local_date', models.DateField()),
                ('original_local_date', models.DateField(blank=True, null=True)),
                ('breaks', models.JSONField(blank=True, default=list)),
                ('capacity', models.PositiveSmallIntegerField(default=1)),
                ('ceiling', models.PositiveSmallIntegerField(default=1)),
                ('cancelled_reason', models.CharField(blank=True, max_length=200)),
                ('cancelled_at', models.DateTimeField(blank=True, null=True)),
                ('needs_attention', models.CharField(blank=True, help_text='Why a person must look: no room, expired license …', max_length=200)),
                ('signed_at', models.DateTimeField(blank=True, null=True)),
                ('version', models.PositiveIntegerField(default=1)),
                ('clinic', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='accounts.clinic')),
                ('closure', iop_clinic.accounts.fields.ClinicForeignKey(blank=True, db_constraint=False, db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='sessions', to='scheduling.closure')),
                ('group', iop_clinic.accounts.fields.ClinicForeignKey(blank=True, db_constraint=False, db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='sessions', to='scheduling.group')),
                ('room', iop_clinic.accounts.fields.ClinicForeignKey(blank=True, db_constraint=False, db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='sessions', to='scheduling.room')),
                ('signed_by', models.ForeignKey(blank=True, db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('session_type', iop_clinic.accounts.fields.ClinicForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='sessions', to='scheduling.sessiontype')),
                ('block', iop_clinic.accounts.fields.ClinicForeignKey(blank=True, db_constraint=False, db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='sessions', to='scheduling.weeklyblock')),
            ],
            options={
                'ordering': ('starts_at', 'id'),
                'abstract': False,
                'constraints': [models.UniqueConstraint(fields=('clinic', 'id'), name='session_clinic_id_key'), iop_clinic.accounts.constraints.Audited(hidden=[], name='session_audit'), iop_clinic.accounts.constraints.SameClinic(field='block', name='session_block_same_clinic', violation_error_message='The block belongs to another clinic or does not exist.'), iop_clinic.accounts.constraints.SameClinic(field='group', name='session_group_same_clinic', violation_error_message='The group belongs to another clinic or does not exist.'), iop_clinic.accounts.constraints.SameClinic(field='session_type', name='session_session_type_same_clinic', violation_error_message='The session type belongs to another clinic or does not exist.'), iop_clinic.accounts.constraints.SameClinic(field='room', name='session_room_same_clinic', violation_error_message='The room belongs to another clinic or does not exist.'), iop_clinic.accounts.constraints.SameClinic(field='closure', name='session_closure_same_clinic', violation_error_message='The closure belongs to another clinic or does not exist.'), models.UniqueConstraint(fields=('clinic', 'id', 'starts_at', 'ends_at', 'live'), name='session_when_key'), models.UniqueConstraint(fields=('block', 'original_local_date'), name='session_occurrence_unique', violation_error_message='This occurrence of the weekly block exists already.'), models.CheckConstraint(condition=models.Q(('ends_at__gte', django.db.models.expressions.CombinedExpression(models.F('starts_at'), '+', models.Value(datetime.timedelta(seconds=900)))), ('ends_at__lte', django.db.models.expressions.CombinedExpression(models.F('starts_at'), '+', models.Value(datetime.timedelta(seconds=21600))))), name='session_lasts_15_minutes_to_6_hours', violation_error_message='A session lasts 15 minutes to 6 hours.'), models.CheckConstraint(condition=models.Q(('local_date', django.db.models.functions.comparison.Cast(models.Func(models.F('zone'), models.F('starts_at'), function='timezone', output_field=models.DateTimeField()), models.DateField()))), name='session_local_date_of_start', violation_error_message='The local date is not the date of the start.'), models.CheckConstraint(condition=models.Func(models.F('breaks'), models.Func(models.F('starts_at'), models.F('ends_at'), function='scheduling_minutes', output_field=models.IntegerField()), function='scheduling_breaks_ok', output_field=models.BooleanField()), name='session_breaks_inside', violation_error_message='Breaks are pairs of minutes inside the session, in order.'), models.CheckConstraint(condition=models.Q(models.Q(('block__isnull', True), ('original_local_date__isnull', True)), models.Q(('block__isnull', False), ('original_local_date__isnull', False)), _connector='OR'), name='session_block_has_original_date'), models.CheckConstraint(condition=models.Q(('state__in', ['scheduled', 'cancelled'])), name='session_state_known'), models.CheckConstraint(condition=models.Q(models.Q(('cancelled_at__isnull', True), ('state', 'scheduled')), models.Q(('cancelled_at__isnull', False), ('state', 'cancelled'), models.Q(('cancelled_reason', ''), _negated=True)), _connector='OR'), name='session_cancelled_has_reason', violation_error_message='A cancelled session needs a reason.'), models.CheckConstraint(condition=models.Q(models.Q(('signed_at__isnull', True), ('signed_by__isnull', True)), models.Q(('signed_at__isnull', False), ('signed_by__isnull', False)), _connector='OR'), name='session_signed_by_someone'), models.CheckConstraint(condition=models.Q(('capacity__gte', 1), ('ceiling__gte', models.F('capacity')), ('ceiling__lte', 200)), name='session_capacity_within_ceiling', violation_error_message="Capacity lies between 1 and the type's ceiling."), django.contrib.postgres.constraints.ExclusionConstraint(condition=models.Q(('live', True), ('room__isnull', False)), deferrable=django.db.models.constraints.Deferrable['IMMEDIATE'], expressions=[(iop_clinic.accounts.constraints.SameValue('room'), '&&'), (iop_clinic.accounts.constraints.TimeSpan(), '&&')], name='session_room_free', violation_error_code='room_busy', violation_error_message='The room is taken at this time.'), iop_clinic.accounts.constraints.Trigger(events='AFTER UPDATE OF capacity, ceiling', function='scheduling_session_capacity', name='session_capacity_covers_bookings', violation_error_code='session_full', violation_error_message='More patients are booked than the new capacity.')],
            },
        ),
        migrations.CreateModel(
            name='Booking',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('public_id', models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                ('seat', models.PositiveSmallIntegerField()),
                ('state', models.CharField(choices=[('booked', 'Booked'), ('released', 'Released'), ('withdrawn', 'Withdrawn')], default='booked', max_length=10)),
                ('starts_at', models.DateTimeField(editable=False)),
                ('ends_at', models.DateTimeField(editable=False)),
                ('live', models.BooleanField(editable=False)),
                ('released_at', models.DateTimeField(blank=True, null=True)),
                ('withdrawn_reason', models.CharField(blank=True, max_length=200)),
                ('outer_starts_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('outer_ends_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('overflow_reason', models.CharField(blank=True, max_length=200)),
                ('version', models.PositiveIntegerField(default=1)),
                ('clinic', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='accounts.clinic')),
                ('episode', iop_clinic.accounts.fields.ClinicForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='bookings', to='patients.episode')),
                ('makes_up', iop_clinic.accounts.fields.ClinicForeignKey(blank=True, db_constraint=False, db_index=False, help_text='The missed booking.', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='made_up_by', to='scheduling.booking')),
                ('nested_in', iop_clinic.accounts.fields.ClinicForeignKey(blank=True, db_constraint=False, db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='nested', to='scheduling.booking')),
                ('overflow_by', models.ForeignKey(blank=True, db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('patient', iop_clinic.accounts.fields.ClinicForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='bookings', to='patients.patient')),
                ('call_in', iop_clinic.accounts.fields.ClinicForeignKey(blank=True, db_constraint=False, db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='bookings', to='scheduling.callin')),
                ('membership', iop_clinic.accounts.fields.ClinicForeignKey(blank=True, db_constraint=False, db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='bookings', to='scheduling.groupmembership')),
                ('session', iop_clinic.accounts.fields.ClinicForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='bookings', to='scheduling.session')),
            ],
            options={
                'ordering': ('session', 'seat', 'id'),
                'abstract': False,
                'constraints': [models.UniqueConstraint(fields=('clinic', 'id'), name='booking_clinic_id_key'), iop_clinic.accounts.constraints.Audited(hidden=[], name='booking_audit'), models.UniqueConstraint(fields=('clinic', 'id', 'patient', 'starts_at', 'ends_at'), name='booking_when_key'), iop_clinic.accounts.constraints.SameClinic(copies={'ends_at': 'ends_at', 'live': 'live', 'starts_at': 'starts_at'}, field='session', name='booking_session_same_clinic', violation_error_message='The session belongs to another clinic or does not exist.'), iop_clinic.accounts.constraints.SameClinic(copies={'patient': 'patient'}, field='episode', name='booking_episode_same_clinic', violation_error_message='The episode belongs to another clinic or does not exist.'), iop_clinic.accounts.constraints.SameClinic(copies={'outer_ends_at': 'ends_at', 'outer_starts_at': 'starts_at', 'patient': 'patient'}, field='nested_in', name='booking_nested_in_same_clinic', violation_error_message='The nested in belongs to another clinic or does not exist.'), iop_clinic.accounts.constraints.SameClinic(field='membership', name='booking_membership_same_clinic', violation_error_message='The membership belongs to another clinic or does not exist.'), iop_clinic.accounts.constraints.SameClinic(field='call_in', name='booking_call_in_same_clinic', violation_error_message='The call in belongs to another clinic or does not exist.'), iop_clinic.accounts.constraints.SameClinic(field='makes_up', name='booking_makes_up_same_clinic', violation_error_message='The makes up belongs to another clinic or does not exist.'), models.UniqueConstraint(fields=('session', 'episode'), name='booking_once_per_session', violation_error_code='already_booked', violation_error_message='The patient is already on this roster.'), models.CheckConstraint(condition=models.Q(('state__in', ['booked', 'released', 'withdrawn'])), name='booking_state_known'), models.CheckConstraint(condition=models.Q(('seat__range', (1, 200))), name='booking_seat_1_to_200'), models.CheckConstraint(condition=models.Q(models.Q(('state', 'released'), _negated=True), ('released_at__isnull', False), _connector='OR'), name='booking_released_has_time', violation_error_message='A released booking needs the time of the notice.'), models.CheckConstraint(condition=models.Q(models.Q(('state', 'withdrawn'), _negated=True), models.Q(('withdrawn_reason', ''), _negated=True), _connector='OR'), name='booking_withdrawn_has_reason', violation_error_message='A withdrawn booking needs a reason.'), models.CheckConstraint(condition=models.Q(models.Q(('overflow_by__isnull', True), ('overflow_reason', '')), models.Q(models.Q(('overflow_reason', ''), _negated=True), ('overflow_by__isnull', False)), _connector='OR'), name='booking_overflow_has_author', violation_error_message='A seat above capacity needs a reason and an author.'), models.CheckConstraint(condition=models.Q(models.Q(('nested_in__isnull', True), ('outer_ends_at__isnull', True), ('outer_starts_at__isnull', True)), models.Q(('nested_in__isnull', False), ('outer_ends_at__gte', models.F('ends_at')), ('outer_ends_at__isnull', False), ('outer_starts_at__isnull', False), ('outer_starts_at__lte', models.F('starts_at'))), _connector='OR'), name='booking_nested_inside_outer', violation_error_message='A nested visit lies inside the session it interrupts.'), django.contrib.postgres.constraints.ExclusionConstraint(condition=models.Q(('live', True), ('state', 'booked')), deferrable=django.db.models.constraints.Deferrable['IMMEDIATE'], expressions=[(iop_clinic.accounts.constraints.SameValue('session'), '&&'), (iop_clinic.accounts.constraints.SameValue('seat'), '&&')], name='booking_seat_taken_once', violation_error_code='session_full', violation_error_message='The seat is taken.'), django.contrib.postgres.constraints.ExclusionConstraint(condition=models.Q(('live', True), ('nested_in__isnull', True), ('state', 'booked')), deferrable=django.db.models.constraints.Deferrable['IMMEDIATE'], expressions=[(iop_clinic.accounts.constraints.SameValue('patient'), '&&'), (iop_clinic.accounts.constraints.TimeSpan(), '&&')], name='booking_patient_free', violation_error_code='patient_busy', violation_error_message='The patient is booked elsewhere at this time.'), django.contrib.postgres.constraints.ExclusionConstraint(condition=models.Q(('live', True), ('nested_in__isnull', False), ('state', 'booked')), deferrable=django.db.models.constraints.Deferrable['IMMEDIATE'], expressions=[(iop_clinic.accounts.constraints.SameValue('patient'), '&&'), (iop_clinic.accounts.constraints.TimeSpan(), '&&')], name='booking_patient_free_nested', violation_error_code='patient_busy', violation_error_message='The patient has another visit at this time.'), iop_clinic.accounts.constraints.Trigger(events='BEFORE INSERT OR UPDATE OF seat, state, session_id, overflow_reason', function='scheduling_booking_seat', name='booking_within_capacity', violation_error_code='session_full', violation_error_message='The session is full.'), iop_clinic.accounts.constraints.Trigger(events='AFTER UPDATE OF state, live', function='scheduling_booking_visits', name='booking_visits_stand_alone')],
            },
        ),
        migrations.CreateModel(
            name='SessionStaff',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('role', models.CharField(choices=[('facilitator', 'Facilitator'), ('co_facilitator', 'Co-facilitator'), ('substitute', 'Substitute')], default='facilitator', max_length=16)),
                ('active', models.BooleanField(default=True)),
                ('access_until', models.DateTimeField(blank=True, help_text="When a substitute's access to the session ends.", null=True)),
                ('starts_at', models.DateTimeField(editable=False)),
                ('ends_at', models.DateTimeField(editable=False)),
                ('live', models.BooleanField(editable=False)),
                ('clinic', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='accounts.clinic')),
                ('session', iop_clinic.accounts.fields.ClinicForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='staff', to='scheduling.session')),
                ('therapist', iop_clinic.accounts.fields.ClinicForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='session_staff', to='accounts.therapist')),
            ],
            options={
                'verbose_name_plural': 'session staff',
                'ordering': ('session', 'role'),
                'abstract': False,
                'constraints': [models.UniqueConstraint(fields=('clinic', 'id'), name='sessionstaff_clinic_id_key'), iop_clinic.accounts.constraints.Audited(hidden=[], name='sessionstaff_audit'), iop_clinic.accounts.constraints.SameClinic(copies={'ends_at': 'ends_at', 'live': 'live', 'starts_at': 'starts_at'}, field='session', name='sessionstaff_session_same_clinic', violation_error_message='The session belongs to another clinic or does not exist.'), iop_clinic.accounts.constraints.SameClinic(field='therapist', name='sessionstaff_therapist_same_clinic', violation_error_message='The therapist belongs to another clinic or does not exist.'), models.UniqueConstraint(fields=('session', 'therapist'), name='sessionstaff_once_per_session', violation_error_message='The therapist already has a part in this session.'), models.UniqueConstraint(condition=models.Q(('active', True), ('role', 'facilitator')), fields=('session',), name='sessionstaff_one_facilitator', violation_error_message='The session already has a facilitator.'), models.CheckConstraint(condition=models.Q(('role__in', ['facilitator', 'co_facilitator', 'substitute'])), name='sessionstaff_role_known'), models.CheckConstraint(condition=models.Q(models.Q(('role', 'substitute'), _negated=True), ('access_until__isnull', False), _connector='OR'), name='sessionstaff_substitute_access_ends', violation_error_message="A substitute's access needs an end."), django.contrib.postgres.constraints.ExclusionConstraint(condition=models.Q(('active', True), ('live', True)), deferrable=django.db.models.constraints.Deferrable['IMMEDIATE'], expressions=[(iop_clinic.accounts.constraints.SameValue('therapist'), '&&'), (iop_clinic.accounts.constraints.TimeSpan(), '&&')], name='sessionstaff_therapist_free', violation_error_code='therapist_busy', violation_error_message='The therapist leads another session at this time.')],
            },
        ),
        migrations.CreateModel(
            name='TimeOff',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('starts_at', models.DateTimeField()),
                ('ends_at', models.DateTimeField()),
                ('reason', models.CharField(blank=True, max_length=120)),
                ('clinic', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='accounts.clinic')),
                ('therapist', iop_clinic.accounts.fields.ClinicForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='time_off', to='accounts.therapist')),
            ],
            options={
                'verbose_name_plural': 'time off',
                'ordering': ('-starts_at',),
                'abstract': False,
                'constraints': [models.UniqueConstraint(fields=('clinic', 'id'), name='timeoff_clinic_id_key'), iop_clinic.accounts.constraints.Audited(hidden=[], name='timeoff_audit'), iop_clinic.accounts.constraints.SameClinic(field='therapist', name='timeoff_therapist_same_clinic', violation_error_message='The therapist belongs to another clinic or does not exist.'), models.CheckConstraint(condition=models.Q(('ends_at__gt', models.F('starts_at'))), name='timeoff_ends_after_start', violation_error_message='The time off ends before it starts.')],
            },
        ),
        migrations.CreateModel(
            name='WaitlistEntry',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('state', models.CharField(choices=[('waiting', 'Waiting'), ('offered', 'Offered'), ('enrolled', 'Enrolled'), ('declined', 'Declined'), ('removed', 'Removed')], default='waiting', max_length=10)),
                ('added_at', models.DateTimeField()),
                ('note', models.CharField(blank=True, max_length=200)),
                ('clinic', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='accounts.clinic')),
                ('episode', iop_clinic.accounts.fields.ClinicForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='waitlist_entries', to='patients.episode')),
                ('group', iop_clinic.accounts.fields.ClinicForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='waitlist', to='scheduling.group')),
            ],
            options={
                'verbose_name_plural': 'waitlist entries',
                'ordering': ('added_at', 'id'),
                'abstract': False,
                'constraints': [models.UniqueConstraint(fields=('clinic', 'id'), name='waitlistentry_clinic_id_key'), iop_clinic.accounts.constraints.Audited(hidden=[], name='waitlistentry_audit'), iop_clinic.accounts.constraints.SameClinic(field='group', name='waitlistentry_group_same_clinic', violation_error_message='The group belongs to another clinic or does not exist.'), iop_clinic.accounts.constraints.SameClinic(field='episode', name='waitlistentry_episode_same_clinic', violation_error_message='The episode belongs to another clinic or does not exist.'), models.UniqueConstraint(condition=models.Q(('state__in', ['waiting', 'offered'])), fields=('clinic', 'group', 'episode'), name='waitlistentry_waits_once', violation_error_message='The patient already waits for this group.')],
            },
        ),
        migrations.AddIndex(
            model_name='callin',
            index=models.Index(fields=['clinic', 'episode'], name='callin_by_episode'),
        ),
        migrations.AddIndex(
            model_name='groupmembership',
            index=models.Index(fields=['clinic', 'group', 'ends_on'], name='membership_by_group'),
        ),
        migrations.AddIndex(
            model_name='groupmembership',
            index=models.Index(fields=['clinic', 'episode'], name='membership_by_episode'),
        ),
        migrations.AddIndex(
            model_name='closure',
            index=models.Index(fields=['clinic', 'ends_on'], name='closure_by_date'),
        ),
        migrations.AddIndex(
            model_name='booking',
            index=models.Index(fields=['clinic', 'episode', 'starts_at'], name='booking_by_episode'),
        ),
        migrations.AddIndex(
            model_name='booking',
            index=models.Index(fields=['clinic', 'starts_at'], name='booking_by_time'),
        ),
        migrations.AddIndex(
            model_name='booking',
            index=models.Index(condition=models.Q(('nested_in__isnull', False)), fields=['clinic', 'nested_in'], name='booking_by_outer'),
        ),
        migrations.AddIndex(
            model_name='sessionstaff',
            index=models.Index(fields=['clinic', 'therapist', 'starts_at'], name='staff_by_therapist'),
        ),
        migrations.AddIndex(
            model_name='timeoff',
            index=models.Index(fields=['clinic', 'ends_at'], name='timeoff_by_end'),
        ),
        migrations.AddIndex(
            model_name='waitlistentry',
            index=models.Index(fields=['clinic', 'episode'], name='waitlist_by_episode'),
        ),
        migrations.AddIndex(
            model_name='weeklyblock',
            index=models.Index(fields=['clinic', 'group'], name='block_by_group'),
        ),
        migrations.AddIndex(
            model_name='weeklyblock',
            index=models.Index(fields=['clinic', 'facilitator'], name='block_by_facilitator'),
        ),
        migrations.AddIndex(
            model_name='session',
            index=models.Index(fields=['clinic', 'local_date', 'starts_at'], name='session_by_date'),
        ),
        migrations.AddIndex(
            model_name='session',
            index=models.Index(fields=['clinic', 'group', 'local_date'], name='session_by_group'),
        ),
    ]
