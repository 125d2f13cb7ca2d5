"""Where Celery looks for this app's tasks."""

from attendance.imports.tasks import run_import
from attendance.reports.tasks import deliver, run_nights, tick

__all__ = ["deliver", "run_import", "run_nights", "tick"]
