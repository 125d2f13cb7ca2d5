import datetime

from django.urls import path, register_converter

from attendance.api import (
    additions,
    bookings,
    call_ins,
    casework,
    flags,
    group_days,
    make_ups,
    records,
    roster,
    session_verbs,
    sessions,
    weeks,
)


class LocalDateConverter:
    """YYYY-MM-DD in a path, from 2000 on; no such date is no such path."""

    regex = r"2[01]\d{2}-\d{2}-\d{2}"

    def to_python(self, value: str) -> datetime.date:
        return datetime.date.fromisoformat(value)

    def to_url(self, value: datetime.date) -> str:
        return value.isoformat()


register_converter(LocalDateConverter, "date")

urlpatterns = [
    path("sessions/", sessions.Sessions.as_view(), name="sessions"),
    path("sessions/<uuid:public_id>/", roster.SessionDetail.as_view(), name="session-detail"),
    path("sessions/<uuid:public_id>/attendance/", roster.Attendance.as_view(), name="attendance"),
    path(
        "sessions/<uuid:public_id>/candidates/", additions.Candidates.as_view(), name="candidates"
    ),
    path("sessions/<uuid:public_id>/roster/", additions.Additions.as_view(), name="additions"),
    path("sessions/<uuid:public_id>/sign/", roster.Signature.as_view(), name="sign"),
    path(
        "sessions/<uuid:public_id>/cancel-impact/",
        session_verbs.CancelImpact.as_view(),
        name="cancel-impact",
    ),
    path("sessions/<uuid:public_id>/cancel/", session_verbs.Cancel.as_view(), name="cancel"),
    path("group-days/<uuid:group>/<date:date>/", group_days.GroupDay.as_view(), name="group-day"),
    path("bookings/", bookings.Bookings.as_view(), name="bookings"),
    path("bookings/<uuid:public_id>/release/", bookings.Release.as_view(), name="release"),
    path("bookings/<uuid:public_id>/withdraw/", bookings.Withdraw.as_view(), name="withdraw"),
    path("bookings/<uuid:public_id>/attendance/", records.Record.as_view(), name="record"),
    path(
        "bookings/<uuid:public_id>/attendance/history/", records.History.as_view(), name="history"
    ),
    path("patients/<uuid:public_id>/weeks/", weeks.PatientWeeks.as_view(), name="weeks"),
    path(
        "patients/<uuid:public_id>/weeks/<date:start>/",
        weeks.PatientWeekDetail.as_view(),
        name="week-detail",
    ),
    path(
        "patients/<uuid:public_id>/weeks/<date:start>/minutes/",
        weeks.PatientMinutes.as_view(),
        name="minutes",
    ),
    path(
        "patients/<uuid:public_id>/weeks/<date:start>/make-ups/",
        make_ups.PatientMakeUps.as_view(),
        name="make-ups",
    ),
    path("patients/<uuid:public_id>/call-ins/", call_ins.CallIns.as_view(), name="call-ins"),
    path("call-ins/<uuid:public_id>/take-back/", call_ins.TakeBack.as_view(), name="take-back"),
    path("flags/", flags.Flags.as_view(), name="flags"),
    path("flags/<uuid:public_id>/", flags.FlagDetail.as_view(), name="flag-detail"),
    *(
        path(f"flags/<uuid:public_id>/{verb}/", view.as_view(), name=f"flag-{verb}")
        for verb, view in {
            "acknowledge": casework.Acknowledge,
            "assign": casework.Assign,
            "outreach": casework.Outreach,
            "snooze": casework.Snooze,
            "resolve": casework.Resolve,
            "week-note": casework.WeekNotes,
        }.items()
    ),
]
