"""The mails: counts, a small picture and links to queues; never an identity (R15).

They carry no Part 2 notice either: the notice belongs on documents that disclose records, and on a
mail that discloses none it would only tell what kind of patients the recipient treats. Links lead
to pages behind the login and hold no patient's id.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Any

import css_inline
from django.core.mail import EmailMultiAlternatives
from django.template.loader import render_to_string

from attendance.models import AbsenceRule, ComplianceReport, ReportDelivery
from attendance.models.standards import Severity
from attendance.reports.bars import week_bars
from attendance.reports.links import amendments_url, cases_url, nights_url, weekly_url
from attendance.reports.weekly_mail import weekly_context
from iop_clinic.accounts.weeks import Week, long_date

Kind = ComplianceReport.Kind

TITLES = {Kind.NIGHTLY: "Nightly report", Kind.WEEKLY: "Weekly report"}

_inliner = css_inline.CSSInliner(
    load_remote_stylesheets=False,
    keep_at_rules=True,  # dark mode and narrow screens cannot be inlined
)


@dataclass(frozen=True, slots=True)
class Letter:
    """What a report says by mail, the same to everybody who gets it."""

    subject: str
    text: str
    html: str


def compose(delivery: ReportDelivery) -> EmailMultiAlternatives:
    """The mail of a delivery; sent again, it says the same under the same Message-ID."""
    told = letter(delivery.report)
    message = EmailMultiAlternatives(
        subject=told.subject,
        body=told.text,
        to=[delivery.recipient.email],
        headers={"Message-ID": delivery.message_id, "Auto-Submitted": "auto-generated"},
    )
    message.attach_alternative(told.html, "text/html")
    return message


def letter(report: ComplianceReport) -> Letter:
    """The mail of a report, from what it stores: mailed or read on its page, it says the same."""
    kind = Kind(report.kind)
    context = mail_context(report)
    html = render_to_string(f"attendance/reports/{kind}.html", context)
    return Letter(
        subject=subject(report),
        text=render_to_string(f"attendance/reports/{kind}.txt", context),
        html=_inliner.inline(html),
    )


def mail_context(report: ComplianceReport) -> dict[str, Any]:
    """What the templates print."""
    tell = weekly_context if report.kind == Kind.WEEKLY else nightly_context
    return {
        "title": TITLES[Kind(report.kind)],
        "clinic": report.clinic.name,
        "scope": "your caseload" if report.therapist_id else "the whole clinic",
        "date": report.local_date,
        **tell(report.content, own=report.therapist_id is not None),
    }


def subject(report: ComplianceReport) -> str:
    """The date or the week, and a night's counts: a subject is read over shoulders, so no more."""
    title, content = TITLES[Kind(report.kind)], report.content
    if report.kind == Kind.WEEKLY:
        week = Week(datetime.date.fromisoformat(content["week"]))
        return f"{title}, {_short(week.start)} – {_short(week.end)}"
    new, overdue = (sum(row[key] for row in content["severities"]) for key in ("new", "overdue"))
    return f"{title}, {long_date(report.local_date)}: {new} new, {overdue} overdue"


def _short(day: datetime.date) -> str:
    return f"{day:%b} {day.day}"


# --- the nightly mail ------------------------------------------------------------------------


def nightly_context(content: dict[str, Any], *, own: bool = False) -> dict[str, Any]:
    """What a night's report says; its links lead to what was counted, an `own` caseload or all.

    Reports of older versions lack the newer counts.
    """
    severities = [_severity_row(row, own) for row in content["severities"]]
    new, open_, overdue = (sum(row[key] for row in severities) for key in _COLUMNS)
    since = content.get("since")
    return {
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
        "escalated": content.get("escalated", 0),
        "amended_weeks": content["amended_weeks"],
        "amendments_url": amendments_url(since) if since else "",
        "final_weeks": [_week_row(start) for start in content.get("final_weeks", ())],
        "findings": content["findings"],
        "findings_url": nights_url(),
        "week": week_bars(content["week"]),
        "cases_url": cases_url(own=own),
        "overdue_url": cases_url(own=own, case="overdue"),
    }


_COLUMNS = ("new", "open", "overdue")


def _severity_row(row: dict[str, int], own: bool) -> dict[str, Any]:
    severity = Severity(row["severity"])
    return {
        **row,
        "label": severity.label,
        "name": severity.name.lower(),
        "url": cases_url(own=own, severity__exact=severity.value),
    }


def _week_row(start: str) -> dict[str, str]:
    week = Week(datetime.date.fromisoformat(start))
    return {"label": week.label, "url": weekly_url(week.start)}
