"""What this floor adds to the page of an episode: holds, the discharge, the weeks, the cases."""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from typing import Any

from django.utils import timezone
from django.utils.html import format_html_join
from django.utils.safestring import mark_safe

from attendance.admin.weeks import week_link
from attendance.admin.wording import judged_part, minimum_said, plan_said, verdict
from attendance.compliance.status import JudgedStandard, PatientWeek, week_statuses
from attendance.episodes import discharge, hold, resume
from iop_clinic.accounts.admin.forms import choice_field, date_field, note_field, text_field
from iop_clinic.accounts.admin.panels import Panel, link
from iop_clinic.accounts.weeks import hours_and_minutes, long_date
from patients.admin.verbs import IN_TREATMENT, EpisodeForm
from patients.models import Episode, EpisodeHold

WEEKS = 4


class HoldForm(EpisodeForm):
    title = "Put on hold"
    path = "hold"
    order = 60
    explanation = (
        "The program pauses: absence rules are silent and the week's minimum shrinks. Seats in "
        "groups stay; bookings in these days are withdrawn."
    )
    starts_on = date_field()
    ends_on = date_field("Last day", required=False, help_text="Empty: until the patient resumes.")
    reason = choice_field(EpisodeHold.Reason.choices)
    note = text_field(required=False)

    @classmethod
    def offered(cls, row: Episode) -> bool:
        return row.state in IN_TREATMENT

    def run(self) -> str:
        row = hold(episode=self.row, by=self.user, **self.given)
        return (
            f"On hold from {long_date(row.starts_on)}. Seats stay; resume when the patient is back."
        )


class ResumeForm(EpisodeForm):
    title = "Resume after the hold"
    path = "resume"
    order = 22
    explanation = "Sessions withdrawn for the hold are booked again where there is still a place."
    resumes_on = date_field("First day back")

    @classmethod
    def offered(cls, row: Episode) -> bool:
        return row.state == Episode.State.ON_HOLD

    def run(self) -> str:
        day = self.cleaned_data["resumes_on"]
        back = resume(episode=self.row, resumes_on=day, by=self.user)
        said = f"The patient is expected again from {long_date(day)}."
        if not back.not_booked:
            return said
        dates = ", ".join(map(long_date, back.not_booked))
        return f"{said} No place is left on {dates}: book these by hand."


class DischargeForm(EpisodeForm):
    title = "Discharge"
    path = "discharge"
    order = 90
    danger = True
    button = "Discharge the patient"
    explanation = (
        "Ends the plan, the seats in groups and the holds; later bookings are withdrawn and open "
        "cases closed. A person decides this, never a rule."
    )
    discharged_on = date_field("Last day in the program")
    reason = choice_field(Episode.DischargeReason.choices)
    note = note_field()

    def run(self) -> str:
        discharge(episode=self.row, by=self.user, **self.given)
        return (
            f"{self.row.patient} is discharged on {long_date(self.cleaned_data['discharged_on'])}. "
            "Seats are free from the day after on: look at the waitlist."
        )


EPISODE_VERBS = (HoldForm, ResumeForm, DischargeForm)


def episode_panels(request: Any, row: Episode) -> Iterable[Panel]:
    """The last weeks under the program's standard, and the open cases."""
    if row.admitted_on is not None:
        yield _weeks(row)
    flags = row.flags.visible_to(request.user).open().loudest_first()
    yield Panel(
        "Open cases",
        ("Case", "Severity", "State", "Due"),
        [
            (link(one), one.get_severity_display(), one.get_state_display(),
             f"{timezone.localtime(one.due_at):%a %b %-d, %-I:%M %p %Z}")
            for one in flags
        ],
        empty="No open case.",
    )  # fmt: skip


def _weeks(row: Episode) -> Panel:
    """The last weeks, each with every standard that judges it; 4 statements."""
    now = timezone.now()
    today = timezone.localdate(now)
    days = [today - datetime.timedelta(weeks=n) for n in range(WEEKS)]
    found = week_statuses(clinic=row.clinic_id, episode_ids=[row.pk], weeks=days, now=now)
    weeks = sorted(found.values(), key=lambda one: one.week.start, reverse=True)
    return Panel(
        "Weeks",
        ("Week", "Plan", "Scheduled", "Attended", "Credited", "At most", "Days", "Standards"),
        [_week_row(one) for one in weeks],
        note="Attended and credited minutes of sessions that have ended; “at most” adds what is "
        "still possible. A week opens line by line.",
    )


def _week_row(week: PatientWeek) -> tuple[str, ...]:
    minutes = (week.scheduled, week.attended, week.credited, week.at_most)
    said = (week_link(week), plan_said(week), *(hours_and_minutes(one) for one in minutes))
    return (*said, str(week.days), standards_said(week))


def standards_said(week: PatientWeek) -> str:
    """Each standard with its minimum and verdict, one below the other."""
    lines = [(_named(one), verdict(one)) for one in week.standards]
    return format_html_join(mark_safe("<br>"), "{}: {}", lines) or "none"


def _named(judged: JudgedStandard) -> str:
    part = judged_part(judged)
    dates = f" ({part})" if part else ""
    return f"{judged.name}{dates}, {minimum_said(judged)}"
