from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    # The trail is the largest table, and every write waits for a lock on it.
    atomic = False
    dependencies = [("accounts", "0002_adult_at")]

    operations = [
        AddIndexConcurrently(
            model_name="auditevent",
            index=models.Index(fields=["clinic_id", "table_name", "at"], name="audit_since"),
        ),
    ]
