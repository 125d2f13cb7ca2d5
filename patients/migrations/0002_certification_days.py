from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('patients', '0001_initial'),
    ]

    operations = [
        migrations.AddField(
            model_name='payer',
            name='certification_days',
            field=models.PositiveSmallIntegerField(blank=True, help_text='Days after which the need is certified again, 60 for Medicare; empty: never.', null=True),
        ),
    ]
