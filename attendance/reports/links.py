"""Where a mail leads: pages behind the login, named by filters and dates, never by a patient's key.

Written out and not reversed, for reversing would load every page of the site; tests open each one.
"""

import datetime
from urllib.parse import urlencode

from django.conf import settings

_ADMIN = "/admin/attendance"


def queue_url(**filters: int | str) -> str:
    """A list of cases in the clinic's own pages; whoever opens it sees what they may see."""
    return _url("flag/", **filters)


def amendments_url(since: str) -> str:
    """The results amended after an instant (ISO 8601)."""
    return _url("weekresult/", amended=since)


def weekly_url(week: datetime.date) -> str:
    """The weekly report of the week that begins on a date: one's own or the clinic's."""
    return _url(f"compliancereport/weekly/{week.isoformat()}/")


def nights_url() -> str:
    return _url("nightlyrun/")


def _url(page: str, **filters: int | str) -> str:
    query = f"?{urlencode(filters)}" if filters else ""
    return f"{settings.BASE_URL}{_ADMIN}/{page}{query}"
