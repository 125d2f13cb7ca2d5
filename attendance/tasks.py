"""Where Celery looks for this app's tasks."""

from attendance.reports.tasks import deliver, run_night, tick

__all__ = ["deliver", "run_night", "tick"]
