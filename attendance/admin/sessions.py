"""What this floor adds to the page of a session: the roster, recording and signing it."""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from typing import Any

from django.db.models import Exists, OuterRef, Q, Subquery
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html

from attendance.models import AttendanceRecord
from attendance.models.records import AbsenceReason
from attendance.records import services
from attendance.records.roster import RosterRow, roster_rows
from attendance.roster_pages.units import cancelled_said
from iop_clinic.accounts.admin.panels import Panel
from iop_clinic.accounts.models import User
from iop_clinic.accounts.roles import Can
from iop_clinic.accounts.weeks import hours_and_minutes
from scheduling.admin.sessions import SessionForm
from scheduling.branches import sessions_i_lead
from scheduling.models import Booking, Session, SessionStaff
from scheduling.querysets import SessionQuerySet

EARLY = datetime.timedelta(minutes=30)
OF_LEADERS = datetime.timedelta(minutes=15)
OF_OTHERS = datetime.timedelta(minutes=60)
"""How long after its end a missing roster is shown: to those who lead it first, then to all."""


def rosters_missing(
    rows: SessionQuerySet, *, user: User, now: datetime.datetime
) -> SessionQuerySet:
    """Those of some sessions whose roster is not in and due on this person's screen."""
    unrecorded = Booking.objects.expected().filter(session=OuterRef("pk"), attendance=None)
    led = Q(ends_at__lte=now - OF_LEADERS) & sessions_i_lead(user.sight)
    due = Q(ends_at__lte=now - OF_OTHERS) | led
    return rows.filter(Exists(unrecorded), due)


def with_leaders(rows: SessionQuerySet) -> SessionQuerySet:
    """Each with the name of the therapist who leads it, for `named`; no statement more."""
    parts = SessionStaff.objects.filter(session=OuterRef("pk"), active=True)
    parts = parts.exclude(role=SessionStaff.Role.CO_FACILITATOR).order_by("-role", "pk")
    return rows.annotate(led_by=Subquery(parts.values("therapist__name")[:1]))


def named(row: Any) -> str:
    """A group's name; a session without a group with its therapist's: there are several at once."""
    return f"{row.title}, {row.led_by}" if row.group_id is None and row.led_by else row.title


class AllPresentForm(SessionForm):
    title = "Record all as present"
    path = "all-present"
    order = 10
    explanation = (
        "Everybody booked and not yet recorded is noted as present from start to end. Patients who "
        "gave notice stay unrecorded: record them one by one."
    )
    can = Can.RECORD_ATTENDANCE

    @classmethod
    def offered(cls, row: Session) -> bool:
        return row.live and row.starts_at - EARLY <= timezone.now()

    def run(self) -> str:
        result = services.record_roster(
            session=self.row, all_present=True, by=self.user, source=AttendanceRecord.Source.ADMIN
        )
        return f"{len(result.saved)} recorded as present. Next: note who came late, then sign."


class SignForm(SessionForm):
    title = "Sign the roster"
    path = "sign"
    order = 11
    explanation = "Says that the roster is complete and true. A later change needs a reason."
    can = Can.SIGN_ROSTERS

    @classmethod
    def offered(cls, row: Session) -> bool:
        return row.live and row.signed_at is None and row.starts_at <= timezone.now()

    def run(self) -> str:
        services.sign(session=self.row, by=self.user)
        return "The roster is signed."


SESSION_VERBS = (AllPresentForm, SignForm)


def session_panels(request: Any, row: Session) -> Iterable[Panel]:
    """The roster, with what follows from the facts; of a cancelled session who was booked."""
    if not row.live:
        yield _nobody_expected(row)
        return
    outer = _out_of(row)
    yield Panel(
        "Roster",
        ("Patient", "Seat", "Status", "Credited"),
        [
            (
                _booking_link(line.booking_id, line.patient_name),
                line.seat if line.booking_state == "booked" else "gave notice",
                ", ".join([_status(line), *outer.get(line.booking_id, []), *_visits(line)]),
                hours_and_minutes(line.credited_minutes),
            )
            for line in roster_rows(row)
        ],
        empty="Nobody is expected.",
        note="Open a patient's line to record, correct, release or withdraw.",
    )


def _nobody_expected(row: Session) -> Panel:
    return Panel(
        "Roster",
        ("Patient",),
        [(_booking_link(line.booking_id, line.patient_name),) for line in roster_rows(row)],
        empty="Nobody was booked.",
        note=f"{cancelled_said(row)} It counts for nobody and against nobody.",
    )


def _out_of(row: Session) -> dict[int, list[str]]:
    """By booking of a visit, out of which session the patient comes; one statement."""
    related = ("nested_in__session__group", "nested_in__session__session_type")
    visits = row.bookings.seated().filter(nested_in__isnull=False).select_related(*related)
    outer = {one.pk: one.nested_in.session for one in visits if one.nested_in}
    return {
        key: [f"out of {one.title} {_clock(one.starts_at)} – {_clock(one.ends_at)}"]
        for key, one in outer.items()
    }


def _visits(line: RosterRow) -> list[str]:
    """When, and with whom, the patient is out of the session."""
    return [
        f"{f'with {one.therapist}' if one.therapist else 'visit'} "
        f"{_clock(one.starts_at)} – {_clock(one.ends_at)}"
        for one in line.visits
    ]


def _booking_link(pk: int, name: str) -> str:
    return format_html(
        '<a href="{}" class="font-medium text-primary-700 underline underline-offset-2 '
        'dark:text-primary-400">{}</a>',
        reverse("admin:scheduling_booking_change", args=[pk]),
        name,
    )


def _status(line: Any) -> str:
    words = [line.status.value.replace("_", " ")]
    if line.version is None and line.notified_at:
        words.append(f"absence announced {_clock(line.notified_at)}")
        words += [AbsenceReason(line.absence_reason).label.lower()] if line.absence_reason else []
    words += [f"late {_clock(line.arrived_at)}"] if line.late else []
    words += [f"left early {_clock(line.left_at)}"] if line.left_early else []
    return ", ".join(words)


def _clock(moment: datetime.datetime | None) -> str:
    return f"{timezone.localtime(moment):%-I:%M %p}" if moment else ""
