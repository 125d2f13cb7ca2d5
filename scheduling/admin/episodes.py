"""What this floor adds to the page of an episode: seats, sessions, the sick call."""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from typing import Any

from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html

from iop_clinic.accounts.admin.forms import (
    choice_field,
    date_field,
    found_field,
    moment_field,
    row_field,
    text_field,
    yes_field,
)
from iop_clinic.accounts.admin.panels import Panel, anchor, link
from iop_clinic.accounts.roles import Can
from iop_clinic.accounts.weeks import full_date
from patients.admin.verbs import IN_TREATMENT, EpisodeForm
from patients.models import Episode
from scheduling.admin.enrolling import EnrollingForm
from scheduling.admin.group_seats import named_with_free_seats
from scheduling.admin.seats import Seats
from scheduling.admin.wording import call_in_noted
from scheduling.models import Booking, Group, GroupMembership

REASONS = (
    ("illness", "Illness"),
    ("medical", "Medical appointment or surgery"),
    ("court", "Court appearance"),
    ("bereavement", "Bereavement"),
    ("childcare", "Child or family care"),
    ("work", "Work"),
    ("transport", "Transport"),
    ("weather", "Weather"),
    ("other", "Other"),
)
"""What a caller may give; the attendance floor derives from it whether the absence is excused."""


class InTreatmentForm(EpisodeForm):
    @classmethod
    def offered(cls, row: Episode) -> bool:
        return row.state in IN_TREATMENT

    def offer_groups(self, name: str) -> Any:
        """The groups of the patient's program, each with its free seats."""
        field: Any = self.fields[name]
        field.queryset = field.queryset.filter(program=self.row.program_id)
        named = named_with_free_seats(field.queryset, self.user)
        field.label_from_instance = lambda group: named.get(group.pk, str(group))
        return field


class EnrolForm(EnrollingForm, InTreatmentForm):
    title = "Enrol in a group"
    path = "enrol"
    order = 33
    explanation = "A seat in the group and in each of its planned sessions from that day on."
    can = Can.BOOK
    group = row_field(Group.objects.filter(active=True))
    starts_on = date_field("First day")
    ends_on = date_field("Last day", required=False, help_text="Empty: open.")
    population_opt_in = yes_field("The patient chose a group for one population")
    overflow_reason = text_field(
        "Reason for a seat above capacity",
        required=False,
        help_text="Only when the group is full and somebody answers for it.",
    )

    def narrow(self) -> None:
        field = self.offer_groups("group")
        entry = f"{reverse('admin:scheduling_waitlistentry_add')}?episode={self.row.pk}"
        waiting = anchor(entry, "put the patient on the waitlist")
        field.help_text = format_html("If the group is full: {}.", waiting)

    def run(self) -> str:
        seat = Seats.enrol(episode=self.row, by=self.user, **self.given)
        return self.done(
            f"{self.row.patient} has seat {seat.seat} in {seat.group} from "
            f"{full_date(seat.starts_on)}.",
            seat,
        )


class CallInForm(InTreatmentForm):
    title = "Take a call-in"
    path = "call-in"
    order = 30
    button = "Note the absence"
    explanation = (
        "The patient will be absent. Seats of sessions still to come are freed, those planned "
        "later too; rosters show who gave notice, and the week is judged again at once."
    )
    can = Can.TAKE_CALL_INS
    from_date = date_field("First day absent")
    to_date = date_field("Last day absent")
    reason = choice_field(REASONS)
    notified_at = moment_field("Told us at")
    note = text_field(required=False)

    def narrow(self) -> None:
        now, today = timezone.now().replace(second=0, microsecond=0), timezone.localdate()
        self.start_with(from_date=today, to_date=today, notified_at=now)

    def run(self) -> str:
        return call_in_noted(Seats.call_in(episode=self.row, by=self.user, **self.given))


class BookForm(InTreatmentForm):
    title = "Book into a session"
    path = "book"
    order = 32
    can = Can.BOOK
    session = found_field(
        Booking, "session", "Session", help_text="Type a group or a date (3/2/2026)."
    )
    makes_up = row_field(
        Booking.objects.select_related("session__group", "session__session_type"),
        "Makes up",
        required=False,
        help_text="The session that was missed.",
    )
    overflow_reason = text_field("Reason for a seat above capacity", required=False)

    def narrow(self) -> None:
        field: Any = self.fields["makes_up"]
        now = timezone.now()
        past = field.queryset.expected().filter(
            episode=self.row, starts_at__lt=now, starts_at__gt=now - datetime.timedelta(days=30)
        )
        field.queryset = past.order_by("-starts_at", "pk")  # the last one is what is called about
        field.label_from_instance = lambda booking: (  # a day has several of one group
            f"{booking.session.title}, {timezone.localtime(booking.starts_at):%a %b %-d, %-I:%M %p}"
        )

    def run(self) -> str:
        row = Seats.book(episode=self.row, by=self.user, **self.given)
        return f"Seat {row.seat} of {row.session} is booked for {self.row.patient}."


class TransferHereForm(EnrollingForm, InTreatmentForm):
    title = "Transfer to another group"
    path = "transfer"
    order = 34
    explanation = (
        "The old seat ends on the eve, and the bookings move along. For another level of care the "
        "plan changes first."
    )
    can = Can.BOOK
    membership = row_field(GroupMembership.objects.select_related("group"), "From the group")
    to_group = row_field(Group.objects.filter(active=True), "To the group")
    on = date_field("First day there")
    population_opt_in = yes_field("The patient chose a group for one population")
    overflow_reason = text_field("Reason for a seat above capacity", required=False)

    def narrow(self) -> None:
        """The seats that have not ended; a single one is the one that is meant."""
        self.offer_groups("to_group")
        field: Any = self.fields["membership"]
        seats = field.queryset.filter(episode=self.row).during(timezone.localdate(), None)
        field.queryset = seats
        field.label_from_instance = lambda seat: f"{seat.group}, seat {seat.seat}"
        held = list(seats[:2])
        if len(held) == 1:
            self.start_with(membership=held[0].pk)
        self.submits = bool(held)

    def introduction(self) -> str:
        if self.submits:
            return self.explanation
        return "The patient has no seat in a group: enrol instead."

    def run(self) -> str:
        seat = Seats.transfer(by=self.user, **self.given)
        return self.done(
            f"{self.row.patient} has seat {seat.seat} in {seat.group} from "
            f"{full_date(seat.starts_on)}.",
            seat,
        )


EPISODE_VERBS = (CallInForm, BookForm, EnrolForm, TransferHereForm)


def episode_panels(request: Any, row: Episode) -> Iterable[Panel]:
    """Seats in groups; those that have ended are folded away."""
    today = timezone.localdate()
    rows = row.memberships.visible_to(request.user).select_related("group").order_by("-starts_on")
    seats = list(rows)
    past = [one for one in seats if one.ends_on is not None and one.ends_on < today]
    headers = ("Group", "Seat", "From", "Until")
    current = [_seat(one) for one in seats if one not in past]
    yield Panel("Groups", headers, current, empty="Not in a group.")
    if past:
        yield Panel("Groups before", headers, [_seat(one) for one in past], folded=True)


def _seat(one: GroupMembership) -> tuple[object, ...]:
    ends = full_date(one.ends_on) if one.ends_on else "open"
    return link(one, one.group), one.seat, full_date(one.starts_on), ends
