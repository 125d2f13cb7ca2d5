import django.contrib.postgres.operations
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('patients', '0002_certification_days'),
    ]

    operations = [
        # Not valid: discharges entered before it stay as they are told.
        django.contrib.postgres.operations.AddConstraintNotValid(
            model_name='episode',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('discharge_reason', 'not_admitted'), _negated=True), ('admitted_on__isnull', True), _connector='OR'), name='episode_not_admitted_is_a_referral', violation_error_code='discharge_reason', violation_error_message='The patient was admitted. Choose another reason.'),
        ),
    ]
