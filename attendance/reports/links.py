"""Where a mail leads: pages behind the login, named by filters and dates, never by a patient's key.

Written out and not reversed, for reversing would load every page of the site; tests open each one.
"""

import datetime
from urllib.parse import urlencode

from django.conf import settings

_ADMIN = "/admin/attendance"


def cases_url(*, own: bool, **filters: int | str) -> str:
    """A list of cases in the clinic's own pages: the reader's `own` caseload or all they see."""
    return _url("flag/", **({"whose": "caseload"} if own else {}), **filters)


def amendments_url(since: str) -> str:
    """The results amended after an instant (ISO 8601)."""
    return _url("weekresult/", amended=since)


def weekly_url(week: datetime.date) -> str:
    """The weekly report of the week that begins on a date: one's own or the clinic's."""
    return _url(f"compliancereport/weekly/{week.isoformat()}/")


def short_weeks_url(week: datetime.date) -> str:
    """Who was short in the week that begins on a date."""
    return _url(f"compliancereport/weekly/{week.isoformat()}/short/")


def nights_url() -> str:
    return _url("nightlyrun/")


def _url(page: str, **filters: int | str) -> str:
    query = f"?{urlencode(filters)}" if filters else ""
    return f"{settings.BASE_URL}{_ADMIN}/{page}{query}"
