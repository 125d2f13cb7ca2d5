from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0001_initial'),
    ]

    operations = [
        migrations.AddField(
            model_name='clinic',
            name='adult_at',
            field=models.PositiveSmallIntegerField(default=18, help_text='Standards for adolescents end at this age, 18 to 21 by state (R2).', verbose_name='adult from the age of'),
        ),
        migrations.AddConstraint(
            model_name='clinic',
            constraint=models.CheckConstraint(condition=models.Q(('adult_at__range', (18, 21))), name='clinic_adult_at_18_to_21', violation_error_message='Adolescence ends between 18 and 21.'),
        ),
    ]
