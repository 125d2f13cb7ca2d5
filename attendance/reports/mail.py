"""The nightly mail: counts, a small picture and links to queues; never an identity (R15).

It carries no Part 2 notice either: the notice belongs on documents that disclose records, and on a
mail that discloses none it would only tell what kind of patients the recipient treats. Links lead
to pages behind the login and hold no patient's id.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import css_inline
from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.template.loader import render_to_string

from attendance.models import AbsenceRule, ReportDelivery
from attendance.models.standards import Severity
from attendance.reports.bars import week_bars

SUBJECT = "Nightly report"
CASES = "/admin/attendance/flag/"  # a test opens it; reversing it would load every page of the site
_inliner = css_inline.CSSInliner(
    load_remote_stylesheets=False,
    keep_at_rules=True,  # dark mode and narrow screens cannot be inlined
)


def compose(delivery: ReportDelivery) -> EmailMultiAlternatives:
    """The mail of a delivery, from what its report stores: sent again, it says the same."""
    context = mail_context(delivery)
    message = EmailMultiAlternatives(
        subject=SUBJECT,
        body=render_to_string("attendance/reports/nightly.txt", context),
        to=[delivery.recipient.email],
        headers={"Message-ID": delivery.message_id, "Auto-Submitted": "auto-generated"},
    )
    html = render_to_string("attendance/reports/nightly.html", context)
    message.attach_alternative(_inliner.inline(html), "text/html")
    return message


def mail_context(delivery: ReportDelivery) -> dict[str, Any]:
    """What the templates print."""
    report = delivery.report
    content = report.content
    severities = [_severity_row(row) for row in content["severities"]]
    new, open_, overdue = (sum(row[key] for row in severities) for key in _COLUMNS)
    return {
        "clinic": delivery.clinic.name,
        "scope": "your caseload" if report.therapist_id else "the whole clinic",
        "date": report.local_date,
        "severities": [row for row in severities if row["open"]],
        "new": new,
        "open": open_,
        "overdue": overdue,
        "changed": content["changed"],
        "quiet": not (new or overdue or content["changed"]),
        "rules": [
            {"label": AbsenceRule.Kind(row["rule"]).label, "open": row["open"]}
            for row in content["rules"]
        ],
        "closed": content["closed"],
        "lapsed": content["lapsed"],
        "amended_weeks": content["amended_weeks"],
        "findings": content["findings"],
        "week": week_bars(content["week"]),
        "cases_url": queue_url(),
        "overdue_url": queue_url(case="overdue"),
    }


_COLUMNS = ("new", "open", "overdue")


def _severity_row(row: dict[str, int]) -> dict[str, Any]:
    severity = Severity(row["severity"])
    return {
        **row,
        "label": severity.label,
        "name": severity.name.lower(),
        "url": queue_url(severity__exact=severity.value),
    }


def queue_url(**filters: int | str) -> str:
    """A list of cases in the clinic's own pages; whoever opens it sees what they may see."""
    query = f"?{urlencode(filters)}" if filters else ""
    return f"{settings.BASE_URL}{CASES}{query}"
