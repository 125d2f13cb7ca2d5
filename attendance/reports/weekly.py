"""The weekly report: what a clinic's week came to, once it is final or on its second morning.

It is told with the night that judges the week's last day when nothing is open any more, else with
the next one at the latest (a Monday-to-Sunday week: on Monday, else on Tuesday). What is still open
then is said, and a later nightly report says when it is final. A caseload's report holds the
therapist's own patients' hours, show rate and cases: retention, stay and discharges are the
program's, and so few people's that they would tell of a person (R15, R20).
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Any

from attendance.models import ComplianceReport, NightlyRun
from attendance.reports.casework import begun_or_ended, cases
from attendance.reports.figures import (
    DAY,
    JudgedWeek,
    PatientDay,
    Stay,
    caseload,
    discharges,
    hours_met,
    retention,
    show_rate,
    show_rates,
)
from attendance.reports.finality import open_weeks
from attendance.reports.measures import amended_results, judged_weeks, patient_days, stays
from attendance.reports.recipients import recipients
from attendance.reports.tally import Case, casework
from attendance.reports.writing import Scope, concerns, write_reports
from iop_clinic.accounts.models import Clinic
from iop_clinic.accounts.weeks import Week, week_of


def build_weekly(*, run: NightlyRun, now: datetime.datetime) -> list[int]:
    """Write the reports of the week that ended last, if it is time; the keys of the deliveries.

    A week is told once. Nothing is told of a week in which nobody was in treatment.
    """
    week = last_week(run)
    if _told(run, week):
        return []
    material = _gather(run.clinic, week, now)
    if not material.patients(None) or (run.local_date == week.end and material.still_open):
        return []
    return write_reports(
        run=run,
        kind=ComplianceReport.Kind.WEEKLY,
        told=recipients(run.clinic_id),
        content=material.content,
        now=now,
    )


def last_week(run: NightlyRun) -> Week:
    """The clinic's last week that was over on the morning of the run."""
    today = run.local_date + DAY
    return week_of(today, week_start=run.clinic.week_starts_on).shifted(-1)


def told_between(week: Week) -> tuple[datetime.date, datetime.date]:
    """The first and the last night that could report a week."""
    return week.end, week.shifted(1).end - DAY


def _told(run: NightlyRun, week: Week) -> bool:
    reports = ComplianceReport.objects.filter(
        clinic=run.clinic_id, therapist=None, kind=ComplianceReport.Kind.WEEKLY
    )
    return reports.filter(local_date__range=told_between(week)).exists()


@dataclass(frozen=True, slots=True)
class Material:
    """A week's rows of the whole clinic, read once for every scope."""

    week: Week
    bounds: tuple[datetime.datetime, datetime.datetime]
    stays: list[Stay]
    days: list[PatientDay]
    judged: list[JudgedWeek]
    still_open: list[JudgedWeek]
    cases: list[Case]
    amended: dict[Scope, int]

    def patients(self, scope: Scope) -> int:
        """How many were in treatment in the week."""
        treated = caseload(self.stays, self.week.start, self.week.end)
        return sum(concerns(scope, [therapist]) for therapist in treated.values())

    def content(self, scope: Scope) -> dict[str, Any]:
        """What the report of one scope stores: counts, keys and dates."""
        first, until = self.bounds
        weeks = [w for w in self.judged + self.still_open if concerns(scope, [w.therapist_id])]
        days = [day for day in self.days if concerns(scope, [day.therapist_id])]
        own = [case for case in self.cases if concerns(scope, case.therapists)]
        return {
            "week": self.week.start.isoformat(),
            "final": not self.still_open,
            "patients": self.patients(scope),
            "hours": hours_met(weeks),
            "show": show_rate(days),
            "by_weekday": show_rates(days, "weekday", lambda day: day.local_date.weekday()),
            "by_group": show_rates(days, "group", lambda day: day.group_id),
            "by_program": show_rates(days, "program", lambda day: day.program_id),
            "cases": casework(own, first=first, until=until),
            "amended": sum(n for t, n in self.amended.items() if concerns(scope, [t])),
            **(self._of_the_program() if scope is None else {}),
        }

    def _of_the_program(self) -> dict[str, Any]:
        return {
            "retention": retention(self.stays, self.week.end),
            "stay": discharges(self.stays, self.week.end),
        }


def _gather(clinic: Clinic, week: Week, now: datetime.datetime) -> Material:
    first, until = week.instants(clinic.tz)
    still_open = [one for _, one in open_weeks(clinic, [week], now)]
    open_keys = {(one.episode_id, one.standard_id) for one in still_open}
    return Material(
        week=week,
        bounds=(first, until),
        stays=stays(clinic.pk, week),
        days=patient_days(clinic.pk, week),
        judged=[
            one
            for one in judged_weeks(clinic.pk, week)
            if (one.episode_id, one.standard_id) not in open_keys
        ],
        still_open=still_open,
        cases=cases(begun_or_ended(first, until), clinic.pk, week.end),
        amended=amended_results(clinic.pk, first, until),
    )
