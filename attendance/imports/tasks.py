"""What a worker does with an upload: takes its id, calls one function. Limits are seconds."""

from celery import shared_task

from attendance.imports import runs
from attendance.reports import queue


@shared_task(name=queue.RUN_IMPORT, soft_time_limit=runs.SECONDS, time_limit=runs.SECONDS + 30)
def run_import(import_id: int) -> None:
    """Check an upload, or import what a person confirmed, if it is due and free."""
    runs.run(import_id)
