"""Where Celery looks for this app's tasks."""

from attendance.reports.tasks import deliver, run_nights, tick

__all__ = ["deliver", "run_nights", "tick"]
