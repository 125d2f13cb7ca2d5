"""The Celery application: `celery -A iop_clinic worker` and `celery -A iop_clinic beat`."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "iop_clinic.settings")

app = Celery("iop_clinic")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
