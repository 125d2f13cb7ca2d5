"""Before a seat, a booking or somebody's access ends: what goes with it, and who waits for it."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Sequence

from django.db.models import Model, QuerySet
from django.utils import timezone
from django.utils.html import format_html, format_html_join

from attendance.admin.cancelling import effects_said
from attendance.cancel_impact import Loss
from attendance.models import AttendanceRecord, Flag
from attendance.trials import Taken, tried, withdraw_impact
from iop_clinic.accounts.admin import staff
from iop_clinic.accounts.admin.panels import Panel, link
from iop_clinic.accounts.admin.refusing import REFUSALS, refusal_of
from iop_clinic.accounts.models import Clinic, User
from iop_clinic.accounts.reads import note_read
from iop_clinic.accounts.roles import Can
from iop_clinic.accounts.weeks import hours_and_minutes
from patients.models import Episode
from scheduling.admin import bookings, groups
from scheduling.admin.seats import Seats
from scheduling.admin.wording import session_when
from scheduling.models import WAITING, Booking, Group, GroupMembership, SessionStaff

SHOWN = 12
"""Sessions and people that are named; the rest is counted."""
IN_TREATMENT = (Episode.State.ADMITTED, Episode.State.ON_HOLD)


def taken_panels(taken: Taken, user: User, clinic: Clinic, note: str = "") -> Iterator[Panel]:
    """What a write would take and give, where it does; of its cases they hear who see cases."""
    if taken.bookings or note:
        yield withdrawn_panel(taken.bookings, note)
    if taken.made:
        sessions = [one.session for one in taken.made]  # the bookings have no page yet
        yield _counted_panel("made", taken.made, sessions)
    cases = [
        *((str(one), "opens") for one in taken.opened),  # it has no page yet
        *((link(one), "closes") for one in taken.closed),
        *((link(one), "is silent until the patient is back") for one in taken.silent),
    ]
    if cases and user.may(Can.VIEW_FLAGS, clinic):
        yield Panel("Cases", ("Case", "Then"), cases)


def withdrawn_panel(rows: Sequence[Booking], note: str = "") -> Panel:
    return _counted_panel("withdrawn", rows, rows, note)


def _counted_panel(
    what: str, rows: Sequence[Booking], pages: Sequence[Model], note: str = ""
) -> Panel:
    """What happens to how many bookings, each as a link to one of the pages."""
    number = len(rows)
    title = f"1 booking is {what}" if number == 1 else f"{number} bookings are {what}"
    shown = zip(pages[:SHOWN], rows[:SHOWN], strict=True)
    lines: list[tuple[object]] = [(link(page, session_when(one.session)),) for page, one in shown]
    if number > SHOWN:
        lines.append((f"and {number - SHOWN} more, the last: {session_when(rows[-1].session)}",))
    return Panel(title, ("Session",), lines, empty="No booking is to come.", note=note)


def waiting_said(group: Group, user: User) -> str:
    """Who waits for a seat of the group, the longest first; one statement."""
    rows = group.waitlist.visible_to(user).filter(state__in=WAITING)
    waiting = list(rows.select_related("episode__patient").order_by("added_at", "pk"))
    if not waiting:
        return ""
    links = [(link(one, one.episode.patient),) for one in waiting[:SHOWN]]
    more = f", and {len(waiting) - SHOWN} more" if len(waiting) > SHOWN else ""
    return format_html("The seat is waited for by {}{}.", format_html_join(", ", "{}", links), more)


class EndForm(groups.EndForm):
    button = "End the membership"
    looks_ahead = True

    def ahead(self) -> Sequence[Panel]:
        note_read(self.row, by=self.user)

        def end() -> None:
            row = copy.copy(self.row)
            Seats.end_membership(membership=row, by=self.user, **self.given)

        taken = tried(episode=self.row.episode, write=end, by=self.user)
        note = waiting_said(self.row.group, self.user)
        return list(taken_panels(taken, self.user, self.clinic, note))


class TakeBackForm(groups.CancelMembershipForm):
    def before(self) -> Iterable[Panel]:
        rows = _coming(self.row)
        yield withdrawn_panel(list(rows), waiting_said(self.row.group, self.user))


def _coming(row: GroupMembership) -> QuerySet[Booking]:
    rows = Booking.objects.filter(membership=row, starts_at__gt=timezone.now())
    named = rows.select_related("session__group", "session__session_type")
    return named.exclude(state=Booking.State.WITHDRAWN).order_by("starts_at", "pk")


class WithdrawForm(bookings.WithdrawForm):
    def introduction(self) -> str:
        return f"{self.explanation} {self._lost()}".strip()

    def _lost(self) -> str:
        """Nothing of what is refused, or held by others just now: the refusal says why."""
        withdrawn = self.row.state == Booking.State.WITHDRAWN
        if withdrawn or AttendanceRecord.objects.filter(booking=self.row).exists():
            return ""
        try:
            return loss_said(withdraw_impact(booking=self.row, by=self.user))
        except REFUSALS as error:
            return refusal_of(error).message


def loss_said(loss: Loss) -> str:
    """ "Without it the week loses 3 h: at most 6 h of 9 h can be reached. Falls below …"."""
    if not loss.minutes_lost:
        return "Without it the week loses no minute."
    said = f"Without it the week loses {hours_and_minutes(loss.minutes_lost)}"
    if not loss.first.minimum:
        return f"{said}, of which no hours are asked."
    most, least = map(hours_and_minutes, (loss.first.at_most_after, loss.first.minimum))
    then = [f"{one[:1].upper()}{one[1:]}." for one in effects_said(loss)]
    return " ".join([f"{said}: at most {most} of {least} can be reached.", *then])


class EndAccessForm(staff.DeactivateForm):
    def before(self) -> Iterable[Panel]:
        """What is this person's now; three statements."""
        row, therapist = self.row, self.row.therapist_id
        parts = SessionStaff.objects.taking_place().filter(
            clinic=row.clinic_id, therapist=therapist
        )
        cared = Episode.objects.filter(clinic=row.clinic_id, primary_therapist=therapist)
        cases = Flag.objects.filter(clinic=row.clinic_id, owner=row.user_id).open()
        sessions = parts.filter(ends_at__gt=timezone.now()).count() if therapist else 0
        patients = cared.filter(state__in=IN_TREATMENT).count() if therapist else 0
        lines = [
            ("Sessions to lead", sessions, "Find a substitute for each."),
            ("Patients in treatment", patients, "Choose another primary therapist for each."),
            ("Open cases", cases.count(), "Assign each to somebody else."),
        ]
        theirs = [line for line in lines if line[1]]
        note = format_html("Names and dates: {}.", link(row.therapist)) if row.therapist else ""
        if theirs:
            yield Panel("Still theirs", ("What", "How many", "Next"), theirs, note=note)
