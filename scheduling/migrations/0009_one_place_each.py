from django.db import migrations

ROOMS_ARE_NO_VIDEO = """
UPDATE scheduling_weeklyblock SET by_video = false WHERE by_video AND room_id IS NOT NULL;
UPDATE scheduling_session SET by_video = false WHERE by_video AND room_id IS NOT NULL;
"""


class Migration(migrations.Migration):
    dependencies = [("scheduling", "0008_session_type_credentials")]

    operations = [migrations.RunSQL(ROOMS_ARE_NO_VIDEO, migrations.RunSQL.noop)]
